"""Tracking pairs: an animal in one view, to be found again in another.

This is what both kinds of tracker learn from: the sources that views are drawn from, distractors
pasted into the search picture, and other pictures behind photographs. How a network is shown where
the animal is, each says for itself: :mod:`aptv2.training.data.lite_pairs` and
:mod:`aptv2.training.data.vit_pairs`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import cv2
import numpy as np
from torch.utils.data import Dataset

from aptv2 import crops
from aptv2.errors import InputError
from aptv2.models.trackers.base import SEARCH_SIZE
from aptv2.tables import PoseTable
from aptv2.training import augmentation as augment
from aptv2.training.data.pose import Images, Sample
from aptv2.training.recipes import Augmentation

SMALLEST = 8  # pixels of a side; what is smaller shows nothing to be found again by
LARGEST = 0.7  # of the search picture's side, which a distractor may take up
DISTRACTOR_SCALE = 0.35  # of its size against the animal's, in powers of e
COVERED = 0.4  # share of an animal that a pasted distractor may hide
ALIKE = 0.5  # share of the distractors that are of the animal's species
TRIES = 10


class View(NamedTuple):
    """A row of a source, mirrored or not."""

    source: PairSource
    row: int
    flip: bool

    @property
    def table(self) -> PoseTable:
        """The source's animals."""
        return self.source.table

    @property
    def box(self) -> np.ndarray:
        """float64 (4,): x, y, width, height in the frame."""
        return self.table.boxes[self.row].astype(float)

    @property
    def frame(self) -> np.ndarray:
        """uint8 (H, W, 3); decoded at each call where the images do not fit into memory."""
        return self.source.images[self.table.frame[self.row]]

    @property
    def clip(self) -> int:
        """The clip; negative for a photograph."""
        return int(self.table.frames.clips[self.table.frame[self.row]])

    def shows_scene_of(self, other: View) -> bool:
        """Whether both are of one photograph or one clip, where the animal may well be."""
        if self.source is not other.source:
            return False
        same_frame = self.table.frame[self.row] == self.table.frame[other.row]
        return bool(same_frame or self.clip == other.clip >= 0)


class PairSource:
    """A table's animals, and the views of each that belong together.

    Parameters
    ----------
    table
        Animals with boxes, of clips and of photographs. Crowds, and boxes with a side of at most
        8 pixels, are left out.
    images
        Their frames.
    name
        What messages call it: the recipe's field.

    Raises
    ------
    InputError
        If nothing is left.
    """

    def __init__(self, table: PoseTable, images: Images, name: str = "table") -> None:
        large = np.isfinite(table.boxes).all(axis=1) & (table.boxes[:, 2:].min(axis=1) > SMALLEST)
        self.table, self.images = table[large & ~table.crowd], images
        if not len(self.table):
            raise InputError(
                f"{name}: no box has sides of over {SMALLEST} pixels; give tracked clips or "
                "photographs with boxes."
            )
        clips = self.table.frames.clips[self.table.frame]
        self._when = self.table.frames.indices[self.table.frame]
        tracked = (clips >= 0) & (self.table.tracks >= 0)
        # Photographs, and animals that nothing says which they are, stand alone.
        alone = np.where(tracked, -1, np.arange(len(self.table)))
        keys = np.stack([clips, self.table.tracks, alone], axis=1)
        _, objects = np.unique(keys, axis=0, return_inverse=True)
        self._object = objects.ravel()
        order = np.lexsort((self._when, self._object))
        starts = np.flatnonzero(np.diff(self._object[order], prepend=-1))
        self._rows_of = np.split(order, starts[1:])
        by_species = np.argsort(self.table.species, kind="stable")
        kinds, first = np.unique(self.table.species[by_species], return_index=True)
        self._of_species = dict(zip(kinds.tolist(), np.split(by_species, first[1:]), strict=True))

    def any_row(self, rng: np.random.Generator) -> View:
        """A view, each as likely as any other: a long clip gives more of them."""
        row = int(rng.integers(len(self.table)))
        return View(self, row, bool(rng.random() < 0.5))

    def any_object(self, rng: np.random.Generator) -> View:
        """A view of an object, each as likely as any other: a long clip gives no more of them."""
        row = int(rng.choice(self._rows_of[int(rng.integers(len(self._rows_of)))]))
        return View(self, row, bool(rng.random() < 0.5))

    def later(self, rng: np.random.Generator, view: View, reach: int) -> View:
        """The same animal at most `reach` frames away; the same view of a photograph."""
        rows = self._rows_of[self._object[view.row]]
        ends = self._when[view.row] + np.array([-reach, reach + 1])
        near = np.searchsorted(self._when[rows], ends)
        return view._replace(row=int(rows[rng.integers(*near)]))

    def alike(self, rng: np.random.Generator, view: View) -> int:
        """A row with an animal of the same species."""
        return int(rng.choice(self._of_species[int(self.table.species[view.row])]))


class Pasted(NamedTuple):
    """A search picture with a distractor in it.

    Parameters
    ----------
    image
        uint8 (SEARCH_SIZE, SEARCH_SIZE, 3).
    low, sides
        float64 (2,): the corner and the sides of the distractor's box there, in pixels.
    matrix
        float64 (1, 2, 3): from pixels of the distractor's frame to those of the search.
    """

    image: np.ndarray
    low: np.ndarray
    sides: np.ndarray
    matrix: np.ndarray


class TrackingPairs(Dataset[Sample]):
    """Pairs of views from several sources.

    Parameters
    ----------
    sources, shares
        Where views come from, and which share of them each gives.
    length
        Samples of an epoch.
    settings
        How pictures are varied: `flip` is always a half, `colour`, `blur` and `distractors` count.
    seed
        Of all that is random. A sample depends on it, the epoch and its index only.
    """

    def __init__(
        self,
        sources: list[PairSource],
        shares: list[float],
        length: int,
        settings: Augmentation,
        seed: int,
    ) -> None:
        self.sources, self.shares = sources, np.array(shares) / sum(shares)
        self.length, self.settings, self.seed = length, settings, seed

    def __len__(self) -> int:
        return self.length

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> View:
        """A view of any source."""

    def source(self, rng: np.random.Generator) -> PairSource:
        """A source, by the shares."""
        return self.sources[int(rng.choice(len(self.sources), p=self.shares))]

    def distractor(self, rng: np.random.Generator, animal: View) -> View | None:
        """An animal of another scene, often one of the same species; None where there seems none.

        A tracker that only ever sees one animal learns to find any animal.
        """
        alike = rng.random() < ALIKE
        for _ in range(TRIES):
            other = self.draw(rng)
            if alike:
                other = View(animal.source, animal.source.alike(rng, animal), other.flip)
            if not other.shows_scene_of(animal):
                return other
            alike = False
        return None

    def paste(
        self,
        rng: np.random.Generator,
        search: np.ndarray,
        corners: np.ndarray,
        distractor: View,
        half: float = 0.0,
    ) -> Pasted | None:
        """Blend a distractor into a search picture, about as large as the animal there.

        Parameters
        ----------
        rng
            Says how large, and where.
        search
            uint8 (SEARCH_SIZE, SEARCH_SIZE, 3).
        corners
            float (4,): the animal's box there, in pixels.
        distractor
            What is pasted: an ellipse in its box.
        half
            Where boxes have the middle of the first pixel: at 0, or at 0.5.

        Returns
        -------
        Pasted or None
            None where no place was found that leaves enough of the animal.
        """
        box = distractor.box
        area = (corners[2:] - corners[:2]).prod() * np.exp(2 * DISTRACTOR_SCALE * rng.normal())
        sides = np.sqrt(area / (box[2] * box[3])) * box[2:]
        if sides.max() > LARGEST * SEARCH_SIZE or sides.min() < SMALLEST:
            return None
        for _ in range(TRIES):
            low = rng.uniform(-0.2 * sides, SEARCH_SIZE - 0.8 * sides)
            common = np.minimum(low + sides, corners[2:]) - np.maximum(low, corners[:2])
            hidden = common.clip(0).prod() / (corners[2:] - corners[:2]).clip(1).prod()
            if hidden <= COVERED:
                break
        else:
            return None
        scale, size = box[2:] / sides, (SEARCH_SIZE, SEARCH_SIZE)
        place = low + sides / 2 - half
        middle = (SEARCH_SIZE - 1) / 2 - place
        middle[0] *= -1 if distractor.flip else 1
        centre = box[:2] + box[2:] / 2 - half + middle * scale
        extent = (SEARCH_SIZE - 1) * scale
        matrix = crops.crop_matrices(centre[None], extent[None], size, flip=distractor.flip)
        pixels = crops.sample(distractor.frame, matrix, size, None)[0]
        cover = ellipse(place, sides / 2)
        mixed = search + cover[..., None] * (pixels.astype(np.float32) - search)
        return Pasted(mixed.astype(np.uint8), low, sides, matrix)

    def on_background(
        self, rng: np.random.Generator, image: np.ndarray, frame: np.ndarray, matrix: np.ndarray
    ) -> np.ndarray:
        """Another picture where a crop reaches over the edge of its photograph.

        Photographs show little beside their animal; in an empty surround it would be too easy to
        find.

        Parameters
        ----------
        rng
            Says which picture.
        image
            uint8 (S, S, 3): the crop.
        frame, matrix
            What it was cropped from, and the transform (1, 2, 3) that did it.
        """
        behind, size = self.draw(rng), image.shape[:2]
        inside = crops.sample(np.full_like(frame, 255), matrix, size)[0] > 127
        if inside.all():
            return image
        other = cv2.resize(behind.frame, size[::-1], interpolation=cv2.INTER_AREA)
        return np.where(inside, image, other)

    def varied(self, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
        """A picture of a pair with other colours, and now and then blurred."""
        image = augment.random_colour(rng, image, self.settings.colour)
        return augment.random_blur(rng, image) if rng.random() < self.settings.blur else image


def ellipse(centre: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """float32 (SEARCH_SIZE, SEARCH_SIZE): 1 inside, fading to 0 at the ellipse's edge."""
    steps = np.arange(SEARCH_SIZE, dtype=np.float32)
    x, y = ((steps - c) / r for c, r in zip(centre.astype(np.float32), radii, strict=True))
    distance = np.sqrt(x[None] ** 2 + y[:, None] ** 2)
    return np.clip((1.1 - distance) * 5, 0, 1).astype(np.float32)
