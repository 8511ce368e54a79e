"""Training pictures for detection: photographs, mosaics and pasted animals, with their boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from aptv2 import boxes as box_tools
from aptv2 import crops
from aptv2.models.lite.detection import STRIDE
from aptv2.tables import PoseTable
from aptv2.training import augmentation as augment
from aptv2.training.data.pose import Images, Sample
from aptv2.training.recipes import Augmentation

MOST = 48  # boxes of a sample; a mosaic of flocks may hold more, the smallest of which are unknown
VISIBLE = 0.3  # share of an animal that must be in sight
FILLING, SCALE = 1.3, 1.6  # of a picture against its place, and by how much that varies
BEHIND = 0.5  # chance that a background shows where a picture does not fill its place
SMALL_CHANCE, SMALL = 0.2, (0.25, 0.8)  # of pictures that are made smaller still, and by how much
PASTED_SCALE = 0.35  # of a pasted animal's sides against its neighbour's, in powers of e
EDGE = 0.08  # of a pasted animal's sides: what is shown of its surroundings, fading out
COVERED = 0.5  # share of an animal that a pasted one may hide
TRIES = 8

Region = tuple[int, int, int, int]  # x0, y0, x1, y1 in pixels of the canvas


@dataclass(frozen=True)
class BoxSource:
    """Pictures and the animals in them.

    Parameters
    ----------
    images
        F pictures.
    boxes
        F arrays float (n, 4): x, y, width, height of the animals.
    doubtful
        F arrays float (m, 4): what may be an animal, neither wanted nor punished.
    complete
        Whether every animal has a box in `boxes` or `doubtful`. A confident detection elsewhere
        is punished only then.
    """

    images: Images
    boxes: list[np.ndarray]
    doubtful: list[np.ndarray]
    complete: bool = True

    @classmethod
    def from_table(
        cls,
        table: PoseTable,
        images: Images,
        complete: bool = True,
    ) -> BoxSource:
        """The animals of a table that have a box; a table without animals is background."""
        boxed = np.isfinite(table.boxes).all(axis=1)
        rows = [table.rows_of(frame) for frame in range(len(table.frames))]
        boxes = [table.boxes[of_frame[boxed[of_frame]]].astype(float) for of_frame in rows]
        return cls(images, boxes, [np.empty((0, 4)) for _ in rows], complete)


class DetectionScenes(Dataset[Sample]):
    """Frames, alone or four in a mosaic, at random scale and place on a square canvas.

    Now and then an animal of another picture is pasted beside or in front of one, as animals stand
    in herds, or onto a background.

    A sample holds `image` uint8 (size, size, 3), `boxes` float32 (MOST, 4): corners of the animals
    in pixels, `wanted` float32 (MOST,): 1 for a box, 0 for padding, `known` float32 (g, g): 1
    where every animal has its box, 0.5 where one may lack it, 0 where nothing is wanted or
    punished.

    Parameters
    ----------
    sources
        Pictures and their boxes.
    shares
        Share of the pictures that each source gives.
    size
        Pixels of the canvas.
    settings
        Colours and blur.
    seed
        Of all that is random.
    mosaic, pasted
        Chances of a mosaic, and of a pasted animal.
    """

    def __init__(
        self,
        sources: list[BoxSource],
        shares: list[float],
        size: int,
        settings: Augmentation,
        seed: int,
        mosaic: float = 0.5,
        pasted: float = 0.25,
    ) -> None:
        self.sources, self.size, self.settings, self.seed = sources, size, settings, seed
        self.shares = np.array(shares) / sum(shares)
        self.mosaic, self.pasted = mosaic, pasted
        self._backgrounds = [
            number
            for number, each in enumerate(sources)
            if each.complete and not any(len(boxes) for boxes in each.boxes)
        ]
        self._animals = [
            [(frame, row) for frame, boxes in enumerate(each.boxes) for row in range(len(boxes))]
            for each in sources
        ]

    def __len__(self) -> int:
        return sum(len(source.images) for source in self.sources)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index, 1])
        size = self.size
        canvas = self._canvas(rng)
        known = np.ones((size // STRIDE, size // STRIDE), np.float32)
        found = [self._place(rng, canvas, known, region) for region in self._regions(rng)]
        boxes = np.concatenate(found)
        if rng.random() < self.pasted:
            boxes = self._paste(rng, canvas, boxes)
        image = augment.random_colour(rng, canvas, self.settings.colour)
        if rng.random() < self.settings.blur:
            image = augment.random_blur(rng, image)
        return {"image": image, **detection_targets(boxes, known)}

    def _canvas(self, rng: np.random.Generator) -> np.ndarray:
        """One colour, or a part of a background."""
        size = (self.size, self.size)
        colour = rng.integers(0, 256, 3)
        if not self._backgrounds or rng.random() >= BEHIND:
            return np.full((*size, 3), colour, np.uint8)
        images = self.sources[int(rng.choice(self._backgrounds))].images
        image = images[int(rng.integers(len(images)))]
        extent = np.full(2, min(image.shape[:2]) * rng.uniform(0.5, 1))
        spare = np.array([image.shape[1], image.shape[0]]) - extent
        centre = extent / 2 + rng.uniform(0, 1, 2) * spare
        return crops.sample(image, crops.crop_matrices(centre[None], extent[None], size), size)[0]

    def _regions(self, rng: np.random.Generator) -> list[Region]:
        size = self.size
        if rng.random() >= self.mosaic:
            return [(0, 0, size, size)]
        x, y = (int(v) * STRIDE for v in rng.uniform(0.3, 0.7, 2) * size / STRIDE)
        return [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]

    def _source(self, rng: np.random.Generator) -> int:
        return int(rng.choice(len(self.sources), p=self.shares))

    def _place(
        self, rng: np.random.Generator, canvas: np.ndarray, known: np.ndarray, region: Region
    ) -> np.ndarray:
        """Draw a frame into a region of the canvas.

        Returns its boxes (N, 5) on the canvas, the fifth number being the share that is visible.
        """
        source = self.sources[self._source(rng)]
        frame = int(rng.integers(len(source.images)))
        image, own = source.images[frame], source.boxes[frame]
        x0, y0, x1, y1 = region
        shown = np.array([x1 - x0, y1 - y0], float)
        matrix = self._view(rng, own, image, shown)
        place, part = (y1 - y0, x1 - x0), canvas[y0:y1, x0:x1]
        inside = crops.sample(np.full_like(image, 255), matrix, place, (0, 0, 0))[0] > 127
        np.copyto(part, crops.sample(image, matrix, place, None)[0], where=inside)
        if not source.complete:
            known[y0 // STRIDE : y1 // STRIDE, x0 // STRIDE : x1 // STRIDE] = 0.5
        for x, y, w, h, _ in _carried(source.doubtful[frame], matrix, region):
            known[_cells(y, h), _cells(x, w)] = 0
        return _carried(own, matrix, region)

    def _view(
        self, rng: np.random.Generator, boxes: np.ndarray, image: np.ndarray, shown: np.ndarray
    ) -> np.ndarray:
        """Transform (1, 2, 3) of a picture to a region of `shown` pixels."""
        extent = np.array([image.shape[1], image.shape[0]], float)
        scale = (shown / extent).min() * FILLING * SCALE ** rng.uniform(-1, 1)
        if rng.random() < SMALL_CHANCE:
            scale *= rng.uniform(*SMALL)
        stretch = 1.15 ** rng.uniform(-1, 1)
        middle = extent / 2
        if len(boxes):  # most pictures look at an animal
            box = boxes[rng.integers(len(boxes))]
            middle = box[:2] + box[2:] * rng.uniform(0.2, 0.8, 2)
        spare = shown / np.array([scale * stretch, scale / stretch])
        centre = middle + rng.uniform(-0.3, 0.3, 2) * spare
        inside = np.minimum(spare, extent) / 2
        centre = np.clip(centre, inside, extent - inside)
        flip = bool(rng.random() < 0.5)
        size = (int(shown[1]), int(shown[0]))
        return crops.crop_matrices(centre[None], spare[None], size, flip=flip)

    def _paste(self, rng: np.random.Generator, canvas: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Paste an animal beside another, which it hides in part, or onto an empty scene.

        Returns the boxes (N + 1, 5), or those that were there where no place is found.
        """
        picked = self._animal(rng)
        seen = boxes[boxes[:, 4] > VISIBLE]
        if picked is None or (len(boxes) and not len(seen)):
            return boxes
        image, own = picked
        side = self.size * rng.uniform(0.15, 0.6)
        beside = np.array([0, 0, self.size, self.size], float)
        if len(seen):
            beside = seen[rng.integers(len(seen)), :4]
            side = np.sqrt(beside[2:].prod()) * np.exp(PASTED_SCALE * rng.normal())
        scale = side / np.sqrt(own[2:].prod())
        shown = own[2:] * scale
        if shown.min() < STRIDE or shown.max() > 0.9 * self.size:
            return boxes
        for _ in range(TRIES):
            middle = beside[:2] + rng.uniform(-0.3, 1.3, 2) * beside[2:]
            low = middle - shown / 2
            if (low < -0.3 * shown).any() or (low + 0.7 * shown > self.size).any():
                continue
            box = np.concatenate([low, shown])
            hidden = box_tools.coverage(seen[:, :4], box[None])
            if not len(seen) or hidden.max() <= COVERED:
                break
        else:
            return boxes
        flip = bool(rng.random() < 0.5)
        size = canvas.shape[:2]
        # The canvas's middle lies so far from the animal's in its own picture.
        away = (np.array(size[::-1]) - 1) / 2 - (low + shown / 2)
        away[0] *= -1 if flip else 1
        centre = own[:2] + own[2:] / 2 + away / scale
        extent = (np.array(size[::-1]) - 1) / scale
        matrix = crops.crop_matrices(centre[None], extent[None], size, flip=flip)
        pixels = crops.sample(image, matrix, size, None)[0]
        cover = _faded(low, shown, size)[..., None]
        canvas[:] = (canvas + cover * (pixels.astype(np.float32) - canvas)).astype(np.uint8)
        new = _carried(own[None], matrix, (0, 0, self.size, self.size))
        return np.concatenate([_uncovered(boxes, new[0, :4]), new])

    def _animal(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
        """A picture and the box (4,) of an animal in it that no other overlaps."""
        for _ in range(TRIES):
            number = self._source(rng)
            if not (animals := self._animals[number]):
                continue
            frame, row = animals[rng.integers(len(animals))]
            source = self.sources[number]
            box = source.boxes[frame][row]
            others = np.concatenate(
                [np.delete(source.boxes[frame], row, 0), source.doubtful[frame]]
            )
            if box[2:].min() > 16 and box_tools.coverage(box[None], others).sum() < 0.1:
                return source.images[frame], box
        return None


def _carried(boxes: np.ndarray, matrix: np.ndarray, region: Region) -> np.ndarray:
    """Boxes (N, 4) of a picture on the canvas, with the share of each in sight: (N, 5)."""
    if not len(boxes):
        return np.empty((0, 5), np.float32)
    x0, y0, x1, y1 = region
    corners = crops.transform(matrix, box_tools.xywh_to_xyxy(boxes).reshape(-1, 2, 2))
    low, high = corners.min(axis=1), corners.max(axis=1)
    full = np.prod(high - low, axis=1)
    last = np.array([x1 - x0, y1 - y0]) - 1
    low, high = np.clip(low, 0, last), np.clip(high, 0, last)
    visible = np.prod(high - low, axis=1) / np.maximum(full, 1e-6)
    carried = np.column_stack([low[:, 0] + x0, low[:, 1] + y0, high - low, visible])
    return carried.astype(np.float32)


def _uncovered(boxes: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """What is left in sight of boxes (N, 5) behind another (4,): a side that is hidden is cut."""
    left = boxes.copy()
    hidden = box_tools.coverage(boxes[:, :4], cover[None])[:, 0]
    left[:, 4] *= 1 - hidden
    low, high = left[:, :2], left[:, :2] + left[:, 2:4]
    start, end = cover[:2], cover[:2] + cover[2:]
    for axis, other in ((0, 1), (1, 0)):
        across = (start[other] <= low[:, other]) & (end[other] >= high[:, other])
        from_low = across & (start[axis] <= low[:, axis]) & (end[axis] > low[:, axis])
        from_high = across & (end[axis] >= high[:, axis]) & (start[axis] < high[:, axis])
        new_low = np.where(from_low, np.minimum(end[axis], high[:, axis]), low[:, axis])
        new_high = np.where(from_high, np.maximum(start[axis], new_low), high[:, axis])
        left[:, axis], left[:, axis + 2] = new_low, np.maximum(new_high - new_low, 0)
    return left


def _faded(low: np.ndarray, shown: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """float32 (height, width): 1 in a box, fading to 0 beyond its edges."""
    parts = []
    for axis, length in ((1, size[0]), (0, size[1])):
        steps, edge = np.arange(length, dtype=np.float32), max(EDGE * shown[axis], 1.0)
        outside = np.maximum(low[axis] - steps, steps - (low[axis] + shown[axis]))
        parts.append(np.clip(1 - outside / edge, 0, 1))
    return np.outer(*parts).astype(np.float32)


def _cells(start: float, length: float) -> slice:
    """The cells whose middles lie in a stretch of pixels."""
    first = int(np.ceil((start + 0.5) / STRIDE - 0.5))
    return slice(max(0, first), max(0, int(np.floor((start + length + 0.5) / STRIDE - 0.5)) + 1))


def detection_targets(boxes: np.ndarray, known: np.ndarray) -> Sample:
    """Targets of the detection head for N,5 boxes (x, y, width, height, visible share).

    Boxes of which less than `VISIBLE` is in sight, or smaller than half a cell, are neither wanted
    nor punished.
    """
    known = known.copy()
    boxes = boxes[np.argsort(-boxes[:, 2] * boxes[:, 3])]
    seen = (boxes[:, 4] >= VISIBLE) & (boxes[:, 2:4].min(axis=1, initial=np.inf) >= STRIDE / 2)
    seen &= np.cumsum(seen) <= MOST
    for x, y, w, h, _ in boxes[~seen]:
        known[_cells(y, h), _cells(x, w)] = 0
    chosen = box_tools.xywh_to_xyxy(boxes[seen, :4])
    padded = np.zeros((MOST, 4), np.float32)
    padded[: len(chosen)] = chosen
    wanted = (np.arange(MOST) < len(chosen)).astype(np.float32)
    return {"boxes": padded, "wanted": wanted, "known": known}
