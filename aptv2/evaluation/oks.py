"""Object keypoint similarity between predictions, and the suppression of near-duplicates by it.

OKS is COCO's: the mean over keypoints of exp(-d² / (2 area (2 sigma)²)). Between two predictions no
keypoint is hidden, so every keypoint counts, and the area is the mean of the two.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK = 2**16  # pairs at once
MAX_KEPT = 20  # how many animals of a frame the soft form keeps; COCO scores no more


def oks(
    keypoints: np.ndarray,
    others: np.ndarray,
    area: float | np.ndarray,
    areas: np.ndarray,
    sigmas: np.ndarray,
) -> np.ndarray:
    """Similarity (N,), float64, to others' keypoints (N, K, 3): of one animal's (K, 3), or of N."""
    distances = np.square(others[:, :, :2] - keypoints[..., :2], dtype=np.float64).sum(axis=2)
    scale = (area + areas)[:, None] / 2 + np.spacing(1)
    return np.exp(-distances / (2 * scale * np.square(2 * sigmas))).mean(axis=1)


def frame_pairs(
    frame: np.ndarray, other_frame: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of two tables that stand in one frame, some at a time.

    Parameters
    ----------
    frame, other_frame
        int64 (N,) and (M,): the frame of each row.

    Yields
    ------
    tuple
        int64 (P,) each: a row of the first table and one of the second, for all such pairs.
    """
    order = np.argsort(other_frame, kind="stable")
    starts = np.searchsorted(other_frame[order], frame)
    counts = np.searchsorted(other_frame[order], frame, side="right") - starts
    ends = np.cumsum(counts)
    row = 0
    while row < len(frame):
        done = ends[row] - counts[row]
        stop = max(row + 1, int(np.searchsorted(ends, done + _BLOCK, side="right")))
        here = slice(row, stop)
        first = ends[here] - counts[here] - done  # of each row's pairs in this block
        rows = np.repeat(np.arange(row, stop), counts[here])
        yield rows, order[np.arange(len(rows)) + np.repeat(starts[here] - first, counts[here])]
        row = stop


def suppress(
    frame: np.ndarray,
    keypoints: np.ndarray,
    areas: np.ndarray,
    scores: np.ndarray,
    sigmas: np.ndarray,
    threshold: float = 0.9,
) -> np.ndarray:
    """Rows to keep, frame by frame and best first: no two of one are more alike than `threshold`.

    The greedy suppression that HRNet's and mmpose's evaluation use; among equal scores the later
    row goes first, as there.
    """
    order = _best_first(frame, scores)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    duplicates = [np.empty((0, 2), np.int64)]
    for rows, others in frame_pairs(frame, frame):
        better = rank[rows] < rank[others]
        rows, others = rows[better], others[better]
        alike = oks(keypoints[rows], keypoints[others], areas[rows], areas[others], sigmas)
        near = alike > threshold
        duplicates.append(np.stack([rank[rows], rank[others]], axis=1)[near])
    kept = np.ones(len(order), bool)
    # A row's own fate is settled before it is asked for what it suppresses.
    for place, worse in sorted(np.concatenate(duplicates).tolist()):
        if kept[place]:
            kept[worse] = False
    return order[kept]


def suppress_softly(
    frame: np.ndarray,
    keypoints: np.ndarray,
    areas: np.ndarray,
    scores: np.ndarray,
    sigmas: np.ndarray,
    threshold: float = 0.9,
) -> np.ndarray:
    """Rows to keep, frame by frame and best first: the first 20 once duplicates have lost score.

    After Soft-NMS (Bodla et al., ICCV 2017) with its Gaussian exp(-oks² / threshold), as mmpose
    has it: the lowered scores only order the rows and are not handed on, so a frame of at most 20
    animals loses none.
    """
    order = _best_first(frame, scores)
    kept: list[int] = []
    for rows in np.split(order, np.flatnonzero(np.diff(frame[order])) + 1):
        left = np.asarray(scores, np.float64)[rows]
        for _ in range(min(len(rows), MAX_KEPT)):
            best, rows = rows[0], rows[1:]
            kept.append(best)
            alike = oks(keypoints[best], keypoints[rows], areas[best], areas[rows], sigmas)
            left = left[1:] * np.exp(-np.square(alike) / threshold)
            again = np.argsort(left, kind="stable")[::-1]
            rows, left = rows[again], left[again]
    return np.array(kept, np.int64)


def _best_first(frame: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rows frame by frame, the best first and among equals the last."""
    return np.lexsort((-np.arange(len(frame)), -np.asarray(scores), frame))
