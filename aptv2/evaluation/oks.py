"""Object keypoint similarity between predictions, and the suppression of near-duplicates by it.

OKS is COCO's: the mean over joints of exp(-d² / (2 area (2 sigma)²)). Between two predictions no
joint is hidden, so every joint counts, and the area is the mean of the two.
"""

from __future__ import annotations

import numpy as np

MAX_KEPT = 20  # how many animals of a frame the soft form keeps; COCO scores no more


def oks(
    joints: np.ndarray,
    others: np.ndarray,
    area: float,
    areas: np.ndarray,
    sigmas: np.ndarray,
) -> np.ndarray:
    """Similarity (N,), float64, of one animal's joints (K, 3) to others' (N, K, 3)."""
    distances = np.square(others[:, :, :2] - joints[:, :2], dtype=np.float64).sum(axis=2)
    scale = (area + areas)[:, None] / 2 + np.spacing(1)
    return np.exp(-distances / (2 * scale * np.square(2 * sigmas))).mean(axis=1)


def suppress(
    joints: np.ndarray,
    areas: np.ndarray,
    scores: np.ndarray,
    sigmas: np.ndarray,
    threshold: float = 0.9,
) -> np.ndarray:
    """Rows to keep of one frame, best first: no two are more alike than `threshold`.

    The greedy suppression that HRNet's and mmpose's evaluation use; among equal scores the later
    row goes first, as there.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        alike = oks(joints[best], joints[order], areas[best], areas[order], sigmas)
        order = order[alike <= threshold]
    return np.array(kept, np.int64)


def suppress_softly(
    joints: np.ndarray,
    areas: np.ndarray,
    scores: np.ndarray,
    sigmas: np.ndarray,
    threshold: float = 0.9,
) -> np.ndarray:
    """Rows to keep of one frame, best first: the first 20 once duplicates have lost score.

    After Soft-NMS (Bodla et al., ICCV 2017) with its Gaussian exp(-oks² / threshold), as mmpose
    has it: the lowered scores only order the rows and are not handed on, so a frame of at most 20
    animals loses none.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    scores = np.asarray(scores, np.float64)[order]
    kept: list[int] = []
    while len(order) and len(kept) < MAX_KEPT:
        best, order = order[0], order[1:]
        kept.append(best)
        alike = oks(joints[best], joints[order], areas[best], areas[order], sigmas)
        scores = scores[1:] * np.exp(-np.square(alike) / threshold)
        again = np.argsort(scores, kind="stable")[::-1]
        order, scores = order[again], scores[again]
    return np.array(kept, np.int64)
