"""Boxes -> crop transforms -> pixels. The only affine code of the package.

A crop transform is a float64 matrix (2, 3) that takes frame pixels to crop pixels. Pixel centres
are integers: the crop's first pixel lies on the box's left edge and its last one on the right
edge, which is the unbiased convention of UDP (Huang et al., CVPR 2020). Heatmaps are smaller crops
of the same box, so a heatmap point times (crop - 1) / (heatmap - 1) is a crop point.
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


def crop_matrices(
    centres: np.ndarray,
    extents: np.ndarray,
    size: tuple[int, int],
    *,
    rotation: ArrayLike = 0.0,
    flip: ArrayLike = False,
) -> np.ndarray:
    """Transforms (N, 2, 3) from frame to crop pixels.

    Parameters
    ----------
    centres, extents
        Arrays (N, 2): middle, width and height of each crop in frame pixels.
    size
        Height and width of the crop in pixels.
    rotation
        Degrees, one or N: the picture turns clockwise in the crop.
    flip
        One or N: mirror the crop left to right.
    """
    count = len(centres)
    height, width = size
    angle = np.deg2rad(np.broadcast_to(np.asarray(rotation, np.float64), count))
    mirror = np.where(np.broadcast_to(np.asarray(flip), count), -1.0, 1.0)
    scale_x, scale_y = (width - 1) / extents[:, 0], (height - 1) / extents[:, 1]
    cos, sin = np.cos(angle), np.sin(angle)
    matrices = np.empty((count, 2, 3))
    matrices[:, 0, 0], matrices[:, 0, 1] = mirror * scale_x * cos, -mirror * scale_x * sin
    matrices[:, 1, 0], matrices[:, 1, 1] = scale_y * sin, scale_y * cos
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
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


def sample(
    frame: np.ndarray,
    matrices: np.ndarray,
    size: tuple[int, int],
    border: Sequence[int] | None = (0, 0, 0),
) -> np.ndarray:
    """Crops, uint8 (N, height, width, 3), of a uint8 frame (H, W, 3), bilinear.

    Where a crop is at most half as large as what it shows, the part is first shrunk by averaging,
    so that fine texture does not turn into noise. Outside the frame lies `border`, or the
    frame's mean colour where that is None.
    """
    height, width = size
    if border is None:
        border = [int(v) for v in cv2.mean(frame)[:3]]
    crops = np.empty((len(matrices), height, width, 3), np.uint8)
    for crop, matrix in zip(crops, matrices, strict=True):
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
    return crops


def _shrink(
    frame: np.ndarray, matrix: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The part of a frame that a crop shows, averaged over whole pixels, and its transform."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    factor = int(1 / scale) if scale > 0 else 1
    if factor < 2:
        return frame, matrix
    corners = np.array([[0, 0], [size[1] - 1, 0], [0, size[0] - 1], [size[1] - 1, size[0] - 1]])
    shown = transform(invert(matrix[None]), corners[None])[0]
    low = np.floor(shown.min(axis=0)).astype(int) - factor
    high = np.ceil(shown.max(axis=0)).astype(int) + factor + 1
    x0, y0 = np.clip(low, 0, [frame.shape[1], frame.shape[0]])
    x1, y1 = np.clip(high, 0, [frame.shape[1], frame.shape[0]])
    wide, high_ = (x1 - x0) // factor, (y1 - y0) // factor
    if wide < 1 or high_ < 1:
        return frame, matrix
    part = frame[y0 : y0 + high_ * factor, x0 : x0 + wide * factor]
    small = cv2.resize(part, (int(wide), int(high_)), interpolation=cv2.INTER_AREA)
    # Pixel i of the small picture is the mean of factor*i … factor*i + factor-1.
    to_frame = np.array([[factor, 0, x0], [0, factor, y0]], np.float64)
    to_frame[:, 2] += (factor - 1) / 2
    moved = matrix[:, :2] @ to_frame
    moved[:, 2] += matrix[:, 2]
    return small, moved
