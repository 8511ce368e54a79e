"""Boxes: formats and overlaps. A box is x, y, width, height in pixels unless a name says else."""

from __future__ import annotations

import numpy as np


def xywh_to_xyxy(boxes: np.ndarray) -> np.ndarray:
    """Corner form of N,4 boxes."""
    boxes = np.asarray(boxes)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:4]], axis=-1)


def xyxy_to_xywh(boxes: np.ndarray) -> np.ndarray:
    """Inverse of :func:`xywh_to_xyxy`."""
    boxes = np.asarray(boxes)
    return np.concatenate([boxes[..., :2], boxes[..., 2:4] - boxes[..., :2]], axis=-1)


def area(boxes: np.ndarray) -> np.ndarray:
    """Areas (N,) of N,4 boxes; a negative side counts as none."""
    sides = np.clip(np.asarray(boxes)[..., 2:4], 0, None)
    return sides[..., 0] * sides[..., 1]


def iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union of every pair: N,4 and M,4 -> N,M, float64; 0 for empty boxes."""
    overlap, areas_a, areas_b = _overlap(first, second)
    union = areas_a[:, None] + areas_b[None] - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def coverage(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Share of each first box that each second box covers: N,4 and M,4 -> N,M, float64."""
    overlap, areas_a, _ = _overlap(first, second)
    whole = np.broadcast_to(areas_a[:, None], overlap.shape)
    return np.divide(overlap, whole, out=np.zeros_like(overlap), where=whole > 0)


def paired_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union row by row: N,4 and N,4 -> N, float64."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    top_left = np.maximum(a[:, :2], b[:, :2])
    bottom_right = np.minimum(a[:, :2] + a[:, 2:4], b[:, :2] + b[:, 2:4])
    overlap = np.prod(np.clip(bottom_right - top_left, 0, None), axis=1)
    union = area(a) + area(b) - overlap
    return np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)


def clip(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """The part of N,4 boxes inside a frame; a box outside it ends with no area."""
    corners = xywh_to_xyxy(boxes)
    limit = np.array([width, height, width, height], corners.dtype)
    return xyxy_to_xywh(np.clip(corners, 0, limit))


def around_keypoints(keypoints: np.ndarray, minimum_score: float = 0.0) -> np.ndarray:
    """Tight box (4,) around the keypoints (K,3) whose third number is above `minimum_score`.

    NaN where none is.
    """
    points = keypoints[keypoints[:, 2] > minimum_score, :2]
    if not len(points):
        return np.full(4, np.nan, np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([low, high - low]).astype(np.float32)


def _overlap(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a = np.asarray(first, np.float64).reshape(-1, 4)
    b = np.asarray(second, np.float64).reshape(-1, 4)
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    return np.prod(np.clip(high - low, 0, None), axis=2), area(a), area(b)
