"""Torch data sets for training. A sample depends only on the seed, the epoch and its index."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset, Sampler

from aptv2 import crops
from aptv2.inference.images import read_image
from aptv2.tables import PoseTable
from aptv2.training import augmentation as augment
from aptv2.training.recipes import Augmentation

Sample = dict[str, Any]


class Images:
    """The images of a table, decoded once and kept, uint8 RGB.

    For data sets whose decoded images fit into memory; the loader's processes share them.
    """

    def __init__(self, table: PoseTable) -> None:
        self._frames = [read_image(Path(table.root or ".") / n) for n in table.frames.names]

    def part(self, rows: np.ndarray) -> Images:
        """Some of the images, without a copy."""
        chosen = Images.__new__(Images)
        chosen._frames = [self._frames[row] for row in rows]
        return chosen

    def __getitem__(self, frame: int) -> np.ndarray:
        return self._frames[frame]

    def __len__(self) -> int:
        return len(self._frames)


class EpochSampler(Sampler[tuple[int, int]]):
    """A new order every epoch, from the seed and the epoch alone: (epoch, index) pairs."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of every epoch, also after a resume."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        yield from ((self.epoch, int(index)) for index in order)

    def __len__(self) -> int:
        return self.count


class PoseCrops(Dataset[Sample]):
    """Varied crops around annotated animals.

    A sample holds `image` uint8 (size, size, 3), `joints` float32 (K, 2) in heatmap pixels and
    `seen` float32 (K,): 1 where the joint is labelled and inside the crop.
    """

    def __init__(
        self, table: PoseTable, images: Images, size: int, settings: Augmentation, seed: int
    ) -> None:
        usable = (table.num_joints > 0) & np.isfinite(table.boxes).all(axis=1)
        self.table, self.images = table[usable], images
        self.size, self.settings, self.seed = size, settings, seed

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index])
        table, settings, size = self.table, self.settings, (self.size, self.size)
        joints, box = table.joints[index], table.boxes[index]
        if rng.random() < settings.half_body:
            half = augment.half_body(rng, joints, table.skeleton)
            box = box if half is None else half
        centres, extents = crops.crop_frames(box, size)
        centre, extent, rotation, flip = augment.random_geometry(
            rng, settings, centres[0], extents[0]
        )
        matrix = crops.crop_matrices(centre[None], extent[None], size, rotation=rotation, flip=flip)
        colour = [int(v) for v in rng.integers(0, 256, 3)]
        image = crops.sample(self.images[table.frame[index]], matrix, size, colour)[0]
        image = augment.random_colour(rng, image, settings.colour)
        if rng.random() < settings.blur:
            image = augment.random_blur(rng, image)
        if rng.random() < settings.erase:
            image = augment.random_erase(rng, image)
        joints = crops.transform(matrix, joints[None])[0]
        if flip:
            joints = joints[table.skeleton.flip]
        inside = ((joints[:, :2] >= 0) & (joints[:, :2] <= self.size - 1)).all(axis=1)
        grid = (self.size // 4 - 1) / (self.size - 1)
        return {
            "image": image,
            "joints": joints[:, :2] * np.float32(grid),
            "seen": ((joints[:, 2] > 0) & inside).astype(np.float32),
        }
