"""Training pairs for tracking: templates, and a search picture in which to find their animals."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from torch.utils.data import Dataset

from aptv2 import boxes as box_tools
from aptv2 import crops
from aptv2.models.trackers.base import SEARCH_FACTOR, SEARCH_SIZE, TEMPLATE_FACTOR, TEMPLATE_SIZE
from aptv2.tables import PoseTable
from aptv2.training import augmentation as augment
from aptv2.training.data.pose import Images, Sample
from aptv2.training.recipes import Augmentation

REACH = 50  # frames between template and search at the most
SEARCH_JITTER, SEARCH_SCALE = 3.0, 0.25  # OSTrack's
STILL_SCALE = 0.15
DISTRACTOR_SCALE = 0.35  # of its size against the animal's, in powers of e
COVERED = 0.4  # share of an animal that a pasted distractor may hide
ALIKE = 0.5  # share of the distractors that are of the animal's species
TRIES = 10


class View(NamedTuple):
    """A row of a source, mirrored or not."""

    table: PoseTable
    images: Images
    row: int
    flip: bool

    @property
    def box(self) -> np.ndarray:
        """float64 (4,): x, y, width, height in the frame."""
        return self.table.boxes[self.row].astype(float)

    @property
    def frame(self) -> np.ndarray:
        """uint8 (H, W, 3)."""
        return self.images[self.table.frame[self.row]]

    @property
    def clip(self) -> int:
        """The clip; negative for a photograph."""
        return int(self.table.frames.clips[self.table.frame[self.row]])

    def shows_scene_of(self, other: View) -> bool:
        """Whether both are of one photograph or one clip, where the animal may well be."""
        if self.table is not other.table:
            return False
        same_frame = self.table.frame[self.row] == self.table.frame[other.row]
        return bool(same_frame or self.clip == other.clip >= 0)


class TrackingPairs(Dataset[Sample]):
    """Pairs from clips and from still photographs, whose second view is another crop of the same.

    Each search picture has two templates: that of its animal, and that of a distractor from another
    scene, which is pasted into the search, where each must find its own, or is not there at all.
    A tracker that only ever sees one animal learns to find any animal.

    A sample holds `template` (uint8 RGB, (2, 128, 128, 3)), `template_box` (float32 (2, 4), corners
    as shares of the crop), `search` (uint8 RGB, (256, 256, 3)), `search_box` (float32 (2, 4)) and
    `present` (float32 (2,)): 0 where the search does not show the template's animal.
    """

    def __init__(
        self,
        sources: list[tuple[PoseTable, Images]],
        shares: list[float],
        length: int,
        settings: Augmentation,
        seed: int,
        pasted: float = 0.7,
    ) -> None:
        self.shares = np.array(shares) / sum(shares)
        self.length, self.settings, self.seed, self.pasted = length, settings, seed, pasted
        self.sources = []
        for table, images in sources:
            usable = np.isfinite(table.boxes).all(axis=1) & (table.boxes[:, 2:].min(axis=1) > 8)
            self.sources.append((table[usable], images))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index, 2])
        animal = self._pick(rng)
        distractor = self._distractor(rng, animal)
        search, box = self._search(rng, self._later(rng, animal))
        search, distractor_box = self._with_distractor(rng, search, box, distractor)
        templates, template_boxes = zip(
            self._template(rng, animal), self._template(rng, distractor), strict=True
        )
        if distractor is animal:  # there is but one scene: its pair counts twice
            distractor_box = box
        return {
            "template": np.stack(templates),
            "template_box": np.stack(template_boxes),
            "search": varied(rng, search, self.settings),
            "search_box": np.stack([box, box if distractor_box is None else distractor_box]),
            "present": np.array([True, distractor_box is not None], np.float32),
        }

    def _pick(self, rng: np.random.Generator) -> View:
        table, images = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
        return View(table, images, int(rng.integers(len(table))), bool(rng.random() < 0.5))

    def _distractor(self, rng: np.random.Generator, animal: View) -> View:
        """An animal of another scene, often one of its species; itself where there seems none."""
        alike = rng.random() < ALIKE
        kin = np.flatnonzero(animal.table.species == animal.table.species[animal.row])
        for _ in range(TRIES):
            distractor = self._pick(rng)
            if alike:
                distractor = distractor._replace(
                    table=animal.table, images=animal.images, row=int(rng.choice(kin))
                )
            if not distractor.shows_scene_of(animal):
                return distractor
            alike = False
        return animal

    def _later(self, rng: np.random.Generator, view: View) -> View:
        """The same animal at most `REACH` frames away, or the same view of a photograph."""
        table, row = view.table, view.row
        if view.clip < 0 or table.tracks[row] < 0:
            return view
        at = table.frames.indices[table.frame]
        near = (table.frames.clips[table.frame] == view.clip) & (table.tracks == table.tracks[row])
        rows = np.flatnonzero(near & (np.abs(at - at[row]) <= REACH))
        return view._replace(row=int(rng.choice(rows)))

    def _template(self, rng: np.random.Generator, view: View) -> tuple[np.ndarray, np.ndarray]:
        side = np.sqrt(view.box[2:].prod()) * TEMPLATE_FACTOR
        centre = view.box[:2] + view.box[2:] / 2
        image, box = self._square(rng, view, centre, side, TEMPLATE_SIZE)
        return varied(rng, image, self.settings), box

    def _search(self, rng: np.random.Generator, view: View) -> tuple[np.ndarray, np.ndarray]:
        """A square around a jittered box."""
        sides = view.box[2:] * np.exp(SEARCH_SCALE * rng.normal(size=2))
        reach = np.sqrt(sides.prod()) * SEARCH_JITTER
        centre = view.box[:2] + view.box[2:] / 2 + reach * rng.uniform(-0.5, 0.5, 2)
        return self._square(rng, view, centre, np.sqrt(sides.prod()) * SEARCH_FACTOR, SEARCH_SIZE)

    def _square(
        self, rng: np.random.Generator, view: View, centre: np.ndarray, side: float, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """A square crop, and the view's box in it as shares of the crop."""
        extent = np.full(2, side)
        if view.clip < 0:  # a photograph's animal may change its shape a little
            extent *= np.exp(STILL_SCALE * rng.normal(size=2))
        matrix = crops.crop_matrices(centre[None], extent[None], (size, size), flip=view.flip)
        image = crops.sample(view.frame, matrix, (size, size), None)[0]
        if view.clip < 0:
            image = self._on_background(rng, image, view.frame, matrix)
        return image, _shares(view, matrix, size)

    def _on_background(
        self, rng: np.random.Generator, image: np.ndarray, frame: np.ndarray, matrix: np.ndarray
    ) -> np.ndarray:
        """Another picture where the crop reaches over the edge of its photograph.

        Photographs show little beside their animal; in an empty surround it would be too easy
        to find.
        """
        size = image.shape[:2]
        behind = cv2.resize(self._pick(rng).frame, size[::-1], interpolation=cv2.INTER_AREA)
        inside = crops.sample(np.full_like(frame, 255), matrix, size)[0] > 127
        return np.where(inside, image, behind)

    def _with_distractor(
        self, rng: np.random.Generator, search: np.ndarray, box: np.ndarray, distractor: View
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The search with the distractor pasted into it and its box there; None where it is not."""
        if rng.random() >= self.pasted:
            return search, None
        distractor = self._later(rng, distractor)
        corners = box * (SEARCH_SIZE - 1)
        wide, high = distractor.box[2:]
        area = (corners[2:] - corners[:2]).prod() * np.exp(2 * DISTRACTOR_SCALE * rng.normal())
        shown = np.sqrt(area / (wide * high)) * distractor.box[2:]
        if shown.max() > 0.7 * SEARCH_SIZE or shown.min() < 8:
            return search, None
        for _ in range(TRIES):
            low = rng.uniform(-0.2 * shown, SEARCH_SIZE - 0.8 * shown)
            common = np.minimum(low + shown, corners[2:]) - np.maximum(low, corners[:2])
            hidden = common.clip(0).prod() / (corners[2:] - corners[:2]).clip(1).prod()
            if hidden <= COVERED:
                break
        else:
            return search, None
        scale = distractor.box[2:] / shown
        middle = (SEARCH_SIZE - 1) / 2 - (low + shown / 2)
        middle[0] *= -1 if distractor.flip else 1
        centre = distractor.box[:2] + distractor.box[2:] / 2 + middle * scale
        size = (SEARCH_SIZE, SEARCH_SIZE)
        extent = (SEARCH_SIZE - 1) * scale
        matrix = crops.crop_matrices(centre[None], extent[None], size, flip=distractor.flip)
        pixels = crops.sample(distractor.frame, matrix, size, None)[0]
        cover = ellipse(low + shown / 2, shown / 2)
        mixed = search + cover[..., None] * (pixels.astype(np.float32) - search)
        return mixed.astype(np.uint8), _shares(distractor, matrix, SEARCH_SIZE)


def varied(rng: np.random.Generator, image: np.ndarray, settings: Augmentation) -> np.ndarray:
    """A picture of a pair with other colours, some of them blurred."""
    image = augment.random_colour(rng, image, settings.colour)
    return augment.random_blur(rng, image) if rng.random() < settings.blur else image


def _shares(view: View, matrix: np.ndarray, size: int) -> np.ndarray:
    """The view's box in a crop: corners as shares, float32 (4,)."""
    corners = box_tools.xywh_to_xyxy(view.table.boxes[view.row]).reshape(1, 2, 2)
    corners = crops.transform(matrix, corners)[0] / (size - 1)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return np.concatenate([low, high]).clip(0, 1).astype(np.float32)


def ellipse(centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """float32 (SEARCH_SIZE, SEARCH_SIZE): 1 inside, fading to 0 at the ellipse's edge."""
    steps = np.arange(SEARCH_SIZE, dtype=np.float32)
    x, y = ((steps - c) / r for c, r in zip(centre.astype(np.float32), radii, strict=True))
    distance = np.sqrt(x[None] ** 2 + y[:, None] ** 2)
    return np.clip((1.1 - distance) * 5, 0, 1).astype(np.float32)
