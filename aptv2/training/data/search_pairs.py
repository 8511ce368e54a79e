"""Training pairs of the ViT trackers: a template, and a search picture to find its object in.

Drawn and cropped as OSTrack (Ye et al., ECCV 2022) does it. What is our own serves small data:
photographs are stretched, lie on other pictures, and another object is pasted into the search.
"""

from __future__ import annotations

import cv2
import numpy as np
from torch.utils.data import Dataset

from aptv2 import crops
from aptv2.codecs import crop_pixels
from aptv2.errors import InputError
from aptv2.models.trackers.base import SEARCH_FACTOR, SEARCH_SIZE, TEMPLATE_FACTOR, TEMPLATE_SIZE
from aptv2.models.trackers.vit_tracker import box_shares, crop_squares
from aptv2.skeleton import Skeleton
from aptv2.tables import PoseTable
from aptv2.training.data.pairs import ALIKE, COVERED, TRIES, View, ellipse, varied
from aptv2.training.data.pose import Images, Sample
from aptv2.training.recipes import Augmentation

REACH = 200  # frames between template and search at the most, as OSTrack
SMALLEST = 8  # pixels of a side; what is smaller shows nothing to be found again by
CENTRE_JITTER, SCALE_JITTER = 3.0, 0.25  # OSTrack's
STRETCH = 0.15  # of a photograph's sides, in powers of e
DISTRACTOR_SCALE = 0.35  # of its side against the object's, in powers of e
SOUGHT = 0.5  # share of the distractors that are sought instead of the object
ABSENT = 0.15  # share of the distractors that are sought where they are not
HEATMAP = (SEARCH_SIZE // 4, SEARCH_SIZE // 4)


class PairSource:
    """A table's objects, each of which gives pairs equally often: a long clip no more than others.

    Parameters
    ----------
    table
        Objects with boxes, of clips and of photographs. Crowds, and boxes with a side of at most
        8 pixels, are left out.
    images
        Their frames.
    name
        What messages call it.

    Raises
    ------
    InputError
        Where nothing is left.
    """

    def __init__(self, table: PoseTable, images: Images, name: str = "table") -> None:
        large = np.isfinite(table.boxes).all(axis=1) & (table.boxes[:, 2:].min(axis=1) > SMALLEST)
        self.table, self.images = table[large & ~table.crowd], images
        if not len(self.table):
            raise InputError(
                f"data.pairs: {name} has no box with sides of over {SMALLEST} pixels; "
                "give tracked clips or photographs with boxes"
            )
        clips = self.table.frames.clips[self.table.frame]
        self._when = self.table.frames.indices[self.table.frame]
        tracked = (clips >= 0) & (self.table.tracks >= 0)
        # Photographs, and animals that nothing says which they are, stand alone.
        alone = np.where(tracked, -1, np.arange(len(self.table)))
        keys = np.stack([clips, self.table.tracks, alone], axis=1)
        _, objects = np.unique(keys, axis=0, return_inverse=True)
        self._order = np.lexsort((self._when, objects.ravel()))
        self._starts = np.flatnonzero(np.diff(objects.ravel()[self._order], prepend=-1))
        by_species = np.argsort(self.table.species, kind="stable")
        kinds, first = np.unique(self.table.species[by_species], return_index=True)
        self._kin = dict(zip(kinds.tolist(), np.split(by_species, first[1:]), strict=True))

    def pair(self, rng: np.random.Generator) -> tuple[View, View]:
        """Two views of an object at most `REACH` frames apart, in either order; mirrored or not."""
        each = int(rng.integers(len(self._starts)))
        end = self._starts[each + 1] if each + 1 < len(self._starts) else len(self._order)
        rows = self._order[self._starts[each] : end]
        row = int(rng.choice(rows))
        near = np.searchsorted(self._when[rows], self._when[row] + np.array([-REACH, REACH + 1]))
        flip = bool(rng.random() < 0.5)
        later = int(rows[rng.integers(*near)])
        return self._view(row, flip), self._view(later, flip)

    def alike(self, rng: np.random.Generator, view: View) -> View:
        """An object of the same species in this source."""
        kin = self._kin[int(view.table.species[view.row])]
        return self._view(int(rng.choice(kin)), bool(rng.random() < 0.5))

    def _view(self, row: int, flip: bool) -> View:
        return View(self.table, self.images, row, flip)


class SearchPairs(Dataset[Sample]):
    """Pairs from clips, and from photographs whose second view is another crop of the same.

    A sample holds `template` (uint8 RGB, (128, 128, 3)), `search` (uint8 RGB, (256, 256, 3)),
    `box` (float32 (4,)): centre, width and height as shares of the search picture, `present`
    (float32): 0 where the search does not show the object, and, of animals whose pose is known,
    `keypoints` (float32 (K, 2)) in heatmap pixels over the search picture and `labelled`
    (float32 (K,)).

    Parameters
    ----------
    sources, shares
        Where pairs come from, and which share of them each gives.
    length
        Pairs of an epoch.
    settings
        How crops are varied: `flip` is always a half, `colour`, `blur` and `distractors` count.
    seed
        Of all that is random.
    skeleton
        The keypoints that `keypoints` are of; sources with other keypoints give none.
    """

    def __init__(
        self,
        sources: list[PairSource],
        shares: list[float],
        length: int,
        settings: Augmentation,
        seed: int,
        skeleton: Skeleton,
    ) -> None:
        self.sources, self.shares = sources, np.array(shares) / sum(shares)
        self.length, self.settings, self.seed, self.skeleton = length, settings, seed, skeleton

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index, 3])
        source = self._source(rng)
        first, later = source.pair(rng)
        search, box, keypoints = self._crop(rng, later, jittered(rng, later.box), search=True)
        present = True
        if rng.random() < self.settings.distractors and (
            views := self._distractor(rng, source, first)
        ):
            distractor, shown = views
            absent, sought = rng.random(2) < (ABSENT, SOUGHT)
            distractor_box = None
            if not absent:
                search, distractor_box = self._paste(rng, search, box, shown)
            if absent or sought:
                first, present = distractor, distractor_box is not None
                box = box if distractor_box is None else distractor_box
                keypoints = np.zeros_like(keypoints)  # they are the other's
        template = self._crop(rng, first, first.box, search=False)[0]
        step = np.array(crop_pixels(HEATMAP, (SEARCH_SIZE, SEARCH_SIZE)))
        return {
            "template": varied(rng, template, self.settings),
            "search": varied(rng, search, self.settings),
            "box": box.astype(np.float32),
            "present": np.float32(present),
            "keypoints": (keypoints[:, :2] / step).astype(np.float32),
            "labelled": (keypoints[:, 2] > 0).astype(np.float32),
        }

    def _source(self, rng: np.random.Generator) -> PairSource:
        return self.sources[int(rng.choice(len(self.sources), p=self.shares))]

    def _distractor(
        self, rng: np.random.Generator, source: PairSource, view: View
    ) -> tuple[View, View] | None:
        """Two views of an object of another scene, often of the same species; None if none is."""
        for attempt in range(TRIES):
            if attempt == 0 and rng.random() < ALIKE:
                distractor = source.alike(rng, view)
                views = distractor, distractor
            else:
                views = self._source(rng).pair(rng)
            if not views[0].shows_scene_of(view):
                return views
        return None

    def _crop(
        self, rng: np.random.Generator, view: View, around: np.ndarray, search: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The crop around a box; the box in it as fractions; its keypoints in crop pixels."""
        size = SEARCH_SIZE if search else TEMPLATE_SIZE
        factor = SEARCH_FACTOR if search else TEMPLATE_FACTOR
        frame, box = view.frame, view.box
        keypoints = np.zeros((len(self.skeleton), 3))
        if view.table.skeleton == self.skeleton:
            keypoints = view.table.keypoints[view.row].astype(float)
        if view.clip < 0:
            sides = np.round(frame.shape[1::-1] * np.exp(STRETCH * rng.normal(size=2))).astype(int)
            scale = sides / frame.shape[1::-1]
            frame = cv2.resize(frame, sides.tolist(), interpolation=cv2.INTER_LINEAR)
            box, around = box * np.tile(scale, 2), around * np.tile(scale, 2)
            keypoints[:, :2] *= scale
        pixels, matrices = crop_squares(frame, around[None], factor, size)
        image, share = pixels[0], box_shares(box[None], around[None], factor)[0]
        if view.clip < 0:
            image = self._on_background(rng, image, frame, matrices)
        keypoints = crops.transform(matrices, keypoints[None])[0]
        if view.flip:
            image = np.ascontiguousarray(image[:, ::-1])
            share[0] = 1 - share[0]
            keypoints[:, 0] = size - 1 - keypoints[:, 0]
            keypoints = keypoints[self.skeleton.flip]
        return image, share, keypoints

    def _on_background(
        self, rng: np.random.Generator, image: np.ndarray, frame: np.ndarray, matrices: np.ndarray
    ) -> np.ndarray:
        """Another picture where the crop reaches over the edge of its photograph.

        Photographs show little beside their object; in an empty surround it would be too easy to
        find.
        """
        size = len(image)
        height, width = frame.shape[:2]
        corners = crops.transform(matrices, np.array([[[-0.5, -0.5], [width - 0.5, height - 0.5]]]))
        (x0, y0), (x1, y1) = np.round(corners[0] + 0.5).astype(int).clip(0, size)
        if (x0, y0, x1, y1) == (0, 0, size, size):
            return image
        other = self._source(rng).pair(rng)[0].frame
        behind = cv2.resize(other, (size, size), interpolation=cv2.INTER_AREA)
        behind[y0:y1, x0:x1] = image[y0:y1, x0:x1]
        return behind

    def _paste(
        self, rng: np.random.Generator, search: np.ndarray, box: np.ndarray, distractor: View
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The search picture with a distractor in it, about as large as the object, and its box
        there.

        None where no place was found for it.
        """
        centre, sides = box[:2] * SEARCH_SIZE, box[2:] * SEARCH_SIZE
        area = sides.prod() * np.exp(2 * DISTRACTOR_SCALE * rng.normal())
        shown = np.sqrt(area / distractor.box[2:].prod()) * distractor.box[2:]
        if shown.max() > 0.7 * SEARCH_SIZE or shown.min() < SMALLEST:
            return search, None
        for _ in range(TRIES):
            low = rng.uniform(-0.2 * shown, SEARCH_SIZE - 0.8 * shown)
            common = np.minimum(low + shown, centre + sides / 2) - np.maximum(
                low, centre - sides / 2
            )
            if common.clip(0).prod() <= COVERED * sides.prod():
                break
        else:
            return search, None
        middle = low + shown / 2
        scale = shown / distractor.box[2:] * [-1 if distractor.flip else 1, 1]
        offset = middle - 0.5 - scale * (distractor.box[:2] + distractor.box[2:] / 2 - 0.5)
        matrix = np.column_stack([np.diag(scale), offset])
        pixels = crops.sample(distractor.frame, matrix[None], (SEARCH_SIZE, SEARCH_SIZE), None)[0]
        cover = ellipse(middle - 0.5, shown / 2)
        mixed = search + cover[..., None] * (pixels.astype(np.float32) - search)
        return mixed.astype(np.uint8), np.concatenate([middle, shown]) / SEARCH_SIZE


def jittered(rng: np.random.Generator, box: np.ndarray) -> np.ndarray:
    """What a tracker might hold for the box (4,) xywh a frame later; as OSTrack draws it."""
    sides = box[2:] * np.exp(SCALE_JITTER * rng.normal(size=2))
    reach = np.sqrt(sides.prod()) * CENTRE_JITTER
    centre = box[:2] + box[2:] / 2 + reach * rng.uniform(-0.5, 0.5, 2)
    return np.concatenate([centre - sides / 2, sides])
