"""Agreement of poses, and duplicate boxes of one animal in a frame."""

from __future__ import annotations

import numpy as np

from aptv2 import boxes as box_tools

SAME_BOX = 0.7  # overlap from which two boxes are one animal
SAME_POSE = 0.6  # keypoint agreement from which two overlapping boxes are one animal


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
    same |= box_tools.iou(boxes, boxes) > SAME_BOX
    np.fill_diagonal(same, False)
    return same
