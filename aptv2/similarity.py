"""When two detections, or two tracks, are one animal. The only such rule of the package.

Two detections of a frame are one animal where their boxes nearly cover each other, or where one is
largely inside the other and their keypoints agree. What knows no keypoints goes by the boxes.

Two tracks may share a place for a while: one animal passes before another. Where they still do
after `OVERLAPPING_SECONDS`, or `OVERLAPPING_FRAMES` where the frame rate is unknown, both are on
one animal, and the worse track is released. A template tracker takes the less confident one for
the worse, tracking by detection the newer one.
"""

from __future__ import annotations

import numpy as np

from aptv2 import boxes as box_tools

SAME_BOX = 0.7  # overlap (intersection over union) from which two boxes are one animal
SAME_POSE = 0.6  # keypoint agreement from which two overlapping boxes are one animal
OVERLAPPING_SECONDS = 0.5
OVERLAPPING_FRAMES = 15


def keypoint_agreement(
    first: np.ndarray, second: np.ndarray, areas: np.ndarray, sigmas: np.ndarray
) -> np.ndarray:
    """Agreement of the keypoints of every pair of animals.

    COCO's object keypoint similarity, with each keypoint weighted by the two scores instead of
    counted or not, and twice as lenient, because animals move between frames.

    Parameters
    ----------
    first, second
        (N, K, 3) and (M, K, 3): x, y, score.
    areas
        Pixels, (M,) or (N, M): the area that scales distances.
    sigmas
        (K,): fall-off of each keypoint.

    Returns
    -------
    np.ndarray
        float64 (N, M), 0 to 1; NaN where less than one keypoint's worth of score is shared.
    """
    weight = np.sqrt(np.clip(first[:, None, :, 2] * second[None, :, :, 2], 0, None))
    squared = ((first[:, None, :, :2] - second[None, :, :, :2]) ** 2).sum(axis=3)
    spread = 2 * (4 * sigmas) ** 2 * np.maximum(areas, 1)[..., None]
    total = weight.sum(axis=2)
    agreement = (weight * np.exp(-squared / spread)).sum(axis=2)
    return np.divide(agreement, total, out=np.full_like(total, np.nan), where=total >= 1)


def same_animal(boxes: np.ndarray, keypoints: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Which boxes of one frame show the same animal, whole or in part.

    Parameters
    ----------
    boxes
        (N, 4) xywh in pixels.
    keypoints
        (N, K, 3): x, y, score.
    sigmas
        (K,): fall-off of each keypoint.

    Returns
    -------
    np.ndarray
        bool (N, N), False on the diagonal.
    """
    areas = box_tools.area(boxes)
    covered = box_tools.coverage(boxes, boxes)
    covered = np.maximum(covered, covered.T) > SAME_POSE
    agreement = keypoint_agreement(keypoints, keypoints, np.minimum.outer(areas, areas), sigmas)
    same = covered & (np.nan_to_num(agreement) > SAME_POSE)
    same |= same_box(boxes)
    np.fill_diagonal(same, False)
    return same


def same_box(boxes: np.ndarray) -> np.ndarray:
    """Which boxes (N, 4) xywh of one frame nearly cover each other: bool (N, N)."""
    return box_tools.iou(boxes, boxes) > SAME_BOX


def frames_overlapping(before: np.ndarray, same: np.ndarray, better: np.ndarray) -> np.ndarray:
    """Frames in a row, this one too, that tracks have been on the animal of a better one.

    Parameters
    ----------
    before
        int64 (N,): the same of the frame before.
    same
        bool (N, N): which tracks are on one animal in this frame.
    better
        bool (N, N): in row i, the tracks that keep the animal where i is on it too.

    Returns
    -------
    np.ndarray
        int64 (N,), 0 for tracks that share no better one's animal.
    """
    return np.where((same & better).any(axis=1), before + 1, 0)
