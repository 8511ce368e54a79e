"""Boxes -> crop transforms -> pixels. The only affine code of the package.

A crop transform is a float64 matrix (2, 3) that takes frame pixels to crop pixels; pixel centres
are integers. There are two conventions, and a network must be used with the one it was trained
with:

- UDP (Huang et al., CVPR 2020; ViTPose and our own networks): the crop's first and last pixels lie
  on the box's edges, size - 1 pixels apart. Mirroring and resizing are exact.
- MSRA (Xiao et al., ECCV 2018; ResNet, HRNet and HRFormer): the box spans `size` pixels, so the
  crop is half a pixel off, and a mirrored heatmap is one pixel off (see `codecs.flip_back`).

Heatmaps are smaller crops of the same box: `codecs.crop_pixels` leads from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

PADDING = 1.25  # how much larger than its box a pose crop is, as in the AP-10K recipes


def crop_frames(
    boxes: np.ndarray, size: tuple[int, int], padding: float = PADDING
) -> tuple[np.ndarray, np.ndarray]:
    """Centres (N, 2) and extents (N, 2) in pixels of the crops around N,4 xywh boxes.

    The shorter side grows until the extent has the aspect ratio of `size` (height, width), then
    both grow by `padding`.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    aspect = size[1] / size[0]
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    width = np.maximum(boxes[:, 2], boxes[:, 3] * aspect)
    width = np.maximum(width, 1e-3)  # a box without area still gives an invertible transform
    return centres, np.stack([width, width / aspect], axis=1) * padding


def clean_boxes(boxes: np.ndarray, frame_size: tuple[int, int]) -> np.ndarray:
    """Boxes as MMPose reads them: inside the frame, and one pixel narrower and lower.

    The published networks were trained and are scored on crops around these. A box without any
    area inside the frame keeps a width or height of 0.

    Parameters
    ----------
    boxes
        (N, 4) xywh.
    frame_size
        Height and width of the frame.

    Returns
    -------
    numpy.ndarray
        float64 (N, 4) xywh.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    last = np.array([frame_size[1], frame_size[0]]) - 1
    low = np.maximum(boxes[:, :2], 0)
    high = np.minimum(low + np.maximum(boxes[:, 2:] - 1, 0), last)
    return np.concatenate([low, np.maximum(high - low, 0)], axis=1)


def crop_matrices(
    centres: np.ndarray,
    extents: np.ndarray,
    size: tuple[int, int],
    *,
    rotation: ArrayLike = 0.0,
    flip: ArrayLike = False,
    udp: bool = True,
) -> np.ndarray:
    """Transforms (N, 2, 3) from frame to crop pixels.

    Parameters
    ----------
    centres, extents
        Arrays (N, 2): middle, width and height of each crop in frame pixels.
    size
        Height and width of the crop in pixels.
    rotation
        Degrees, one or N: the picture turns clockwise in the crop. (MMPose's MSRA crops turn the
        other way for the same angle.)
    flip
        One or N: mirror the crop left to right.
    udp
        The convention: UDP, or MSRA where False.
    """
    count = len(centres)
    width, height = size[1] - udp, size[0] - udp
    angle = np.deg2rad(np.broadcast_to(np.asarray(rotation, np.float64), count))
    mirror = np.where(np.broadcast_to(np.asarray(flip), count), -1.0, 1.0)
    scale_x, scale_y = width / extents[:, 0], height / extents[:, 1]
    cos, sin = np.cos(angle), np.sin(angle)
    matrices = np.empty((count, 2, 3))
    matrices[:, 0, 0], matrices[:, 0, 1] = mirror * scale_x * cos, -mirror * scale_x * sin
    matrices[:, 1, 0], matrices[:, 1, 1] = scale_y * sin, scale_y * cos
    middle = np.array([width / 2, height / 2])
    matrices[:, :, 2] = middle - np.einsum("nij,nj->ni", matrices[:, :, :2], centres)
    return matrices


def invert(matrices: np.ndarray) -> np.ndarray:
    """Inverse transforms (N, 2, 3)."""
    linear = np.linalg.inv(matrices[:, :, :2])
    return np.concatenate([linear, -linear @ matrices[:, :, 2:]], axis=2)


def transform(matrices: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (N, K, 2+) under N transforms; numbers after x and y stay as they are."""
    moved = np.array(points, np.float64)
    linear, offset = matrices[:, None, :, :2], matrices[:, None, :, 2]
    moved[..., :2] = np.einsum("nkij,nkj->nki", linear, moved[..., :2]) + offset
    return moved.astype(np.float32)


def scale_of(matrix: np.ndarray) -> float:
    """Crop pixels per frame pixel of a transform (2, 3)."""
    (a, b, _), (c, d, _) = matrix.tolist()
    return abs(a * d - b * c) ** 0.5


def for_part(matrix: np.ndarray, low: ArrayLike, scale: ArrayLike) -> np.ndarray:
    """A transform (2, 3) for a part of its frame instead.

    Parameters
    ----------
    matrix
        The transform for the whole frame.
    low
        x and y of the part's first pixel.
    scale
        How many times larger the part was made, in both directions or in x and in y. Its pixel i
        shows the frame's pixels (i + 0.5) / scale - 0.5 + low.
    """
    step = np.ones(2) / np.asarray(scale, np.float64)
    moved = np.empty((2, 3))
    moved[:, :2] = matrix[:, :2] * step
    moved[:, 2] = matrix[:, 2] + matrix[:, :2] @ (np.asarray(low, np.float64) + (step - 1) / 2)
    return moved


def sample(
    frame: np.ndarray,
    matrices: np.ndarray,
    size: tuple[int, int],
    border: Sequence[int] | None = (0, 0, 0),
    *,
    antialias: bool = True,
) -> np.ndarray:
    """Crops, uint8 (N, height, width, 3), of a uint8 frame (H, W, 3), bilinear.

    Parameters
    ----------
    border
        The colour outside the frame, or None for the frame's mean colour.
    antialias
        Where a crop is at most half as large as what it shows, first shrink that part by
        averaging, so that fine texture does not turn into noise. False gives the pixels that
        networks of MMPose were trained on, to the bit: no averaging, and positions rounded to
        1/32 pixel, as OpenCV's `warpAffine` did before version 5.
    """
    height, width = size
    if border is None:
        border = [int(v) for v in cv2.mean(frame)[:3]]
    crops = np.empty((len(matrices), height, width, 3), np.uint8)
    for crop, matrix in zip(crops, matrices, strict=True):
        if antialias:
            source, matrix = _shrink(frame, matrix, size)
            cv2.warpAffine(
                source,
                matrix,
                (width, height),
                dst=crop,
                flags=cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=border,
            )
        else:
            cv2.remap(
                frame,
                *_fixed_point_grid(matrix, size, frame.shape[1]),
                cv2.INTER_LINEAR,
                dst=crop,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=border,
            )
    return crops


def _shrink(
    frame: np.ndarray, matrix: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The part of a frame that a crop shows, averaged over whole pixels, and its transform."""
    scale = scale_of(matrix)
    factor = int(1 / scale) if scale > 0 else 1
    if factor < 2:
        return frame, matrix
    corners = np.array([[0, 0], [size[1] - 1, 0], [0, size[0] - 1], [size[1] - 1, size[0] - 1]])
    shown = transform(invert(matrix[None]), corners[None])[0]
    low = np.floor(shown.min(axis=0)).astype(int) - factor
    high = np.ceil(shown.max(axis=0)).astype(int) + factor + 1
    frame_size = np.array([frame.shape[1], frame.shape[0]])
    low, high = np.clip(low, 0, frame_size), np.clip(high, 0, frame_size)
    if (high - low).min() < factor:
        return frame, matrix
    blocks = -(-(high - low) // factor)
    (x0, y0), (x1, y1) = low, np.minimum(low + blocks * factor, frame_size)
    part = frame[y0:y1, x0:x1]
    right, bottom = low + blocks * factor - [x1, y1]
    if right or bottom:  # the frame ends within a block: repeat its last pixels
        part = cv2.copyMakeBorder(part, 0, int(bottom), 0, int(right), cv2.BORDER_REPLICATE)
    small = cv2.resize(part, blocks.tolist(), interpolation=cv2.INTER_AREA)
    return small, for_part(matrix, low, 1 / factor)


def _fixed_point_grid(
    matrix: np.ndarray, size: tuple[int, int], frame_width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Place of each crop pixel in the frame, rounded as `warpAffine` of OpenCV 4 rounds.

    Starts of rows and steps along them are rounded to 1/1024 pixel, their sums down to 1/32.
    A mirrored crop is rounded as a crop of the mirrored frame would be.

    Returns
    -------
    tuple
        The maps that `cv2.remap` takes: int16 (h, w, 2) whole pixels, and uint16 (h, w) 1/32ths.
    """
    mirrored = np.linalg.det(matrix[:, :2]) < 0
    if mirrored:
        matrix = matrix @ np.array([[-1, 0, frame_width - 1], [0, 1, 0], [0, 0, 1]])
    inverse = invert(matrix[None].astype(np.float32).astype(np.float64))[0]
    limit = 2**29  # half a million pixels away is outside every frame, and no int32 overflows
    columns, rows = np.arange(size[1]), np.arange(size[0])[:, None]
    grid = np.empty((*size, 2), np.int32)
    for axis, (step, down, first) in enumerate(inverse):
        across = np.rint(step * columns * 1024).clip(-limit, limit).astype(np.int32)
        starts = np.rint((down * rows + first) * 1024).clip(-limit, limit).astype(np.int32)
        np.right_shift(starts + across + 16, 5, out=grid[..., axis])
    if mirrored:
        grid[..., 0] = 32 * (frame_width - 1) - grid[..., 0]
    parts = (grid & 31).astype(np.uint16)
    whole = (grid >> 5).clip(-(2**15), 2**15 - 1).astype(np.int16)
    return whole, parts[..., 1] * 32 + parts[..., 0]
