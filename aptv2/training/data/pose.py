"""Torch data sets for training. A sample depends only on the seed, the epoch and its index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch.utils.data import Dataset

from aptv2 import crops
from aptv2.codecs import SOFTMAX, Codec
from aptv2.images import image_size, read_image, read_shrunk
from aptv2.tables import PoseTable
from aptv2.training import augmentation as augment
from aptv2.training.recipes import Augmentation

Sample = dict[str, Any]

KEPT_BYTES = 2 * 2**30  # of decoded images that a training run may keep in memory


class Pixels(Protocol):
    """A source of crops: image files (:class:`Images`) or a pack (`aptv2.training.data.pack`)."""

    def require(self, size: tuple[int, int], settings: Augmentation) -> None:
        """Refuse what the pixels were not made for.

        Raises
        ------
        InputError
            Where crops of this height and width, so strongly varied, would lack pixels.
        """

    def crop(
        self,
        table: PoseTable,
        row: int,
        matrix: np.ndarray,
        size: tuple[int, int],
        border: Sequence[int],
    ) -> np.ndarray:
        """The pixels around an animal.

        Parameters
        ----------
        table, row
            The animal.
        matrix
            float64 (2, 3): from pixels of the animal's frame to those of the crop.
        size
            Height and width of the crop.
        border
            RGB colour outside the frame.

        Returns
        -------
        numpy.ndarray
            uint8 (height, width, 3), RGB.
        """


class Images:
    """The image files of a table.

    Where all of them fit into `kept` bytes they are decoded once and kept; the loader's processes
    share them. Otherwise they are decoded for every crop, as small as the crop allows. A crop
    never depends on which of its neighbours were asked for before.

    Parameters
    ----------
    table
        Its frames' names and root lead to the files, whose sizes it may know.
    kept
        Bytes of memory for decoded images.
    """

    def __init__(self, table: PoseTable, kept: int = KEPT_BYTES) -> None:
        self._paths = [Path(table.root or ".") / name for name in table.frames.names]
        self._frames = None
        if kept and 3 * with_sizes(table).frames.sizes.astype(np.int64).prod(axis=1).sum() <= kept:
            self._frames = [read_image(path) for path in self._paths]

    def part(self, rows: np.ndarray) -> Images:
        """Some of the images, without a copy."""
        chosen = Images.__new__(Images)
        chosen._paths = [self._paths[row] for row in rows]
        chosen._frames = None if self._frames is None else [self._frames[row] for row in rows]
        return chosen

    def __getitem__(self, frame: int) -> np.ndarray:
        """A whole image, uint8 (H, W, 3) RGB."""
        return read_image(self._paths[frame]) if self._frames is None else self._frames[frame]

    def __len__(self) -> int:
        return len(self._paths)

    def require(self, size: tuple[int, int], settings: Augmentation) -> None:
        """Whole images serve every crop."""

    def crop(
        self,
        table: PoseTable,
        row: int,
        matrix: np.ndarray,
        size: tuple[int, int],
        border: Sequence[int],
    ) -> np.ndarray:
        """The pixels around an animal; see :class:`Pixels`."""
        frame = table.frame[row]
        if self._frames is not None:
            image = self._frames[frame]
        else:
            image, shrink = read_shrunk(self._paths[frame], 1 / crops.scale_of(matrix))
            matrix = crops.for_part(matrix, (0, 0), 1 / shrink)
        return crops.sample(image, matrix[None], size, border)[0]


def with_sizes(table: PoseTable) -> PoseTable:
    """The table with the sizes of all frames; headers are read of images of unknown size.

    Raises
    ------
    InputError
        Where such an image is missing or is none.
    """
    sizes = table.frames.sizes.copy()
    for frame in np.flatnonzero((sizes <= 0).any(axis=1)):
        sizes[frame] = image_size(Path(table.root or ".") / table.frames.names[frame])
    return replace(table, frames=replace(table.frames, sizes=sizes))


def usable(table: PoseTable) -> np.ndarray:
    """bool (N,): animals that pose can be learnt from: with a box and a labelled keypoint."""
    return (table.num_keypoints > 0) & np.isfinite(table.boxes).all(axis=1)


def cleaned(table: PoseTable) -> PoseTable:
    """The table with its boxes as MMPose reads them, see :func:`aptv2.crops.clean_boxes`."""
    table = with_sizes(table)
    boxes, sizes = table.boxes.copy(), table.frames.sizes[table.frame]
    for width, height in np.unique(sizes, axis=0):
        rows = (sizes == [width, height]).all(axis=1)
        boxes[rows] = crops.clean_boxes(boxes[rows], (height, width))
    return replace(table, boxes=boxes)


class PoseCrops(Dataset[Sample]):
    """Varied crops around annotated animals.

    A sample holds `image` uint8 (height, width, 3), `keypoints` float32 (K, 2) in heatmap pixels,
    `labelled` float32 (K,): 1 where the keypoint is labelled, and `seen` float32 (K,): 1 where it
    also lies inside the crop, and `certain` float32 (K,): 1 where `seen` is known to be right.

    Parameters
    ----------
    table
        The animals; those without a box or a labelled keypoint are left out.
    pixels
        Where the crops come from.
    size
        Height and width of the crops; heatmaps are a quarter of it.
    settings
        How crops are varied.
    seed
        Of all that is random.
    codec
        The network's conventions of crops and heatmaps.
    partial
        True where keypoints without a label may well be in sight.

    Raises
    ------
    InputError
        Where the pixels do not suffice for such crops.
    """

    def __init__(
        self,
        table: PoseTable,
        pixels: Pixels,
        size: tuple[int, int],
        settings: Augmentation,
        seed: int,
        codec: Codec = SOFTMAX,
        partial: bool = False,
    ) -> None:
        pixels.require(size, settings)
        self.table, self.pixels = table[usable(table)], pixels
        if codec.mmpose_crops:
            self.table = cleaned(self.table)
        self.size, self.settings, self.seed, self.codec = size, settings, seed, codec
        self.partial = partial
        # A mirrored animal whose left and right are not known teaches wrong sides.
        self._mirrored = not table.skeleton.unpaired
        heatmap_size = (size[0] // 4, size[1] // 4)
        self._heatmap_scale = 1 / np.array(codec.steps(heatmap_size, size), np.float32)

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index])
        table, settings, size = self.table, self.settings, self.size
        keypoints, box = table.keypoints[index], table.boxes[index]
        if rng.random() < settings.half_body:
            upper = settings.half_body_upper
            half = augment.half_body(rng, keypoints, table.skeleton, upper)
            box = box if half is None else half
        centres, extents = crops.crop_frames(box, size)
        centre, extent, rotation, flip = augment.random_geometry(
            rng, settings, centres[0], extents[0]
        )
        flip = flip and self._mirrored
        matrix = crops.crop_matrices(
            centre[None], extent[None], size, rotation=rotation, flip=flip, udp=self.codec.udp
        )
        colour = [int(v) for v in rng.integers(0, 256, 3)]
        image = self.pixels.crop(table, index, matrix[0], size, colour)
        image = augment.random_colour(rng, image, settings.colour)
        if rng.random() < settings.blur:
            image = augment.random_blur(rng, image)
        if rng.random() < settings.erase:
            image = augment.random_erase(rng, image)
        keypoints = crops.transform(matrix, keypoints[None])[0]
        if flip:
            keypoints = keypoints[table.skeleton.flip]
        inside = ((keypoints[:, :2] >= 0) & (keypoints[:, :2] <= [size[1] - 1, size[0] - 1])).all(
            axis=1
        )
        labelled = keypoints[:, 2] > 0
        return {
            "image": image,
            "keypoints": keypoints[:, :2] * self._heatmap_scale,
            "labelled": labelled.astype(np.float32),
            "seen": (labelled & inside).astype(np.float32),
            "certain": (labelled | (not self.partial)).astype(np.float32),
        }


class MixedCrops(Dataset[Sample]):
    """Crops of one data set, some of them replaced by those of others.

    Parameters
    ----------
    crops
        The data set that gives an epoch its length.
    others, shares
        More data sets, and the share of the crops that each gives.
    seed
        Of the choice.
    """

    def __init__(
        self, crops: PoseCrops, others: list[PoseCrops], shares: list[float], seed: int
    ) -> None:
        self.crops, self.others, self.seed = crops, others, seed
        self.limits = np.cumsum(shares)

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index, 3])
        chosen = int(np.searchsorted(self.limits, rng.random(), side="right"))
        if chosen == len(self.others):
            return self.crops[key]
        other = self.others[chosen]
        row = int(rng.integers(len(other)))
        # A small data set comes round often within an epoch: each time anew.
        return other[epoch * len(self) + index, row]
