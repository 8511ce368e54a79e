"""Training pairs for tracking: a template, and a search picture in which to find its animal."""

from __future__ import annotations

import cv2
import numpy as np
from torch.utils.data import Dataset

from aptv2 import boxes as box_tools
from aptv2 import crops
from aptv2.models.lite.tracking import (
    SEARCH_FACTOR,
    SEARCH_SIZE,
    TEMPLATE_FACTOR,
    TEMPLATE_SIZE,
)
from aptv2.tables import PoseTable
from aptv2.training import augmentation as augment
from aptv2.training.recipes import Augmentation
from aptv2.training.samples import Images, Sample

REACH = 50  # frames between template and search at the most
SEARCH_JITTER, SEARCH_SCALE = 3.0, 0.25  # OSTrack's
STILL_SCALE = 0.15


class TrackingPairs(Dataset[Sample]):
    """Pairs from clips and from still photographs, whose second view is another crop of the same.

    A sample holds `template` and `search` (uint8 RGB crops), `template_box` and `search_box`
    (float32 (4,), corners as shares of the crop) and `present` (float32): 0 where the search
    shows another scene, so that the score learns to say no.
    """

    def __init__(
        self,
        sources: list[tuple[PoseTable, Images]],
        shares: list[float],
        length: int,
        settings: Augmentation,
        seed: int,
        absent: float = 0.12,
    ) -> None:
        self.shares = np.array(shares) / sum(shares)
        self.length, self.settings, self.seed, self.absent = length, settings, seed, absent
        self.sources = []
        for table, images in sources:
            usable = np.isfinite(table.boxes).all(axis=1) & (table.boxes[:, 2:].min(axis=1) > 8)
            self.sources.append((table[usable], images))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index, 2])
        table, images, row = self._pick(rng)
        other_table, other_images, other = table, images, self._partner(rng, table, row)
        present = rng.random() >= self.absent
        if not present:
            other_table, other_images, other = self._pick(rng)
            if other_table is table and self._same_scene(table, row, other):
                present, other = True, self._partner(rng, table, row)
        flip = bool(rng.random() < 0.5)
        template, template_box = self._view(
            rng, table, images, row, TEMPLATE_SIZE, TEMPLATE_FACTOR, 0.0, 0.0, flip
        )
        search, search_box = self._view(
            rng,
            other_table,
            other_images,
            other,
            SEARCH_SIZE,
            SEARCH_FACTOR,
            SEARCH_JITTER,
            SEARCH_SCALE,
            flip,
        )
        return {
            "template": template,
            "template_box": template_box,
            "search": search,
            "search_box": search_box,
            "present": np.float32(present),
        }

    def _pick(self, rng: np.random.Generator) -> tuple[PoseTable, Images, int]:
        table, images = self.sources[int(rng.choice(len(self.sources), p=self.shares))]
        return table, images, int(rng.integers(len(table)))

    @staticmethod
    def _same_scene(table: PoseTable, row: int, other: int) -> bool:
        """Whether two rows are of one photograph or one clip, where the animal may well be."""
        frames = table.frame[[row, other]]
        clips = table.frames.clips[frames]
        return bool(frames[0] == frames[1] or clips[0] == clips[1] >= 0)

    def _partner(self, rng: np.random.Generator, table: PoseTable, row: int) -> int:
        """Another row of the same track at most `REACH` frames away, or the row itself."""
        clip = table.frames.clips[table.frame[row]]
        if clip < 0 or table.tracks[row] < 0:
            return row
        at = table.frames.indices[table.frame]
        near = (table.frames.clips[table.frame] == clip) & (table.tracks == table.tracks[row])
        return int(rng.choice(np.flatnonzero(near & (np.abs(at - at[row]) <= REACH))))

    def _on_background(
        self, rng: np.random.Generator, image: np.ndarray, frame: np.ndarray, matrix: np.ndarray
    ) -> np.ndarray:
        """Another picture where the crop reaches over the edge of its photograph.

        Photographs show little beside their animal; in an empty surround it would be too easy
        to find.
        """
        size = image.shape[:2]
        table, images, row = self._pick(rng)
        other = images[table.frame[row]]
        behind = cv2.resize(other, size[::-1], interpolation=cv2.INTER_AREA)
        inside = crops.sample(np.full_like(frame, 255), matrix, size)[0] > 127
        return np.where(inside, image, behind)

    def _view(
        self,
        rng: np.random.Generator,
        table: PoseTable,
        images: Images,
        row: int,
        size: int,
        factor: float,
        jitter: float,
        scale_jitter: float,
        flip: bool,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A square crop around a jittered box, and the true box in it as shares of the crop."""
        box = table.boxes[row].astype(float)
        sides = box[2:] * np.exp(scale_jitter * rng.normal(size=2))
        reach = np.sqrt(sides.prod()) * jitter
        centre = box[:2] + box[2:] / 2 + reach * rng.uniform(-0.5, 0.5, 2)
        extent = np.full(2, np.sqrt(sides.prod()) * factor)
        still = table.frames.clips[table.frame[row]] < 0
        if still:  # its shape may change a little
            extent *= np.exp(STILL_SCALE * rng.normal(size=2))
        matrix = crops.crop_matrices(centre[None], extent[None], (size, size), flip=flip)
        frame = images[table.frame[row]]
        image = crops.sample(frame, matrix, (size, size), None)[0]
        if still:
            image = self._on_background(rng, image, frame, matrix)
        image = augment.random_colour(rng, image, self.settings.colour)
        if rng.random() < self.settings.blur:
            image = augment.random_blur(rng, image)
        corners = box_tools.xywh_to_xyxy(table.boxes[row]).reshape(1, 2, 2)
        corners = crops.transform(matrix, corners)[0] / (size - 1)
        low, high = corners.min(axis=0), corners.max(axis=0)
        return image, np.concatenate([low, high]).clip(0, 1).astype(np.float32)
