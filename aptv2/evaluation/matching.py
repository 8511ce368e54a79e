"""Predictions matched to annotated animals, as COCO's keypoint evaluation matches them.

In every frame and species the predictions choose in the order of their scores: each takes the
animal that it is most alike among those that are still free, at each of ten thresholds of
similarity and for animals of three ranges of area. The rules and their corner cases are
pycocotools'; what is done here for a whole table at once, it does frame by frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from aptv2 import boxes as box_tools
from aptv2.evaluation.oks import frame_pairs
from aptv2.tables import PoseTable

THRESHOLDS = np.linspace(0.5, 0.95, 10)
AREAS = np.array([[0, 1e10], [32**2, 96**2], [96**2, 1e10]])  # all, medium, large; both ends count


class Pairs(NamedTuple):
    """A prediction and an animal of one frame, alike enough to be matched.

    Parameters
    ----------
    found, truth
        int64 (P,): rows of the two tables; for each prediction the animal most alike first.
    oks
        float64 (P,): object keypoint similarity, at least 0.5.
    """

    found: np.ndarray
    truth: np.ndarray
    oks: np.ndarray


@dataclass(frozen=True)
class Matches:
    """Outcome of N animals and M predictions; A ranges of area, T thresholds.

    Parameters
    ----------
    rank
        int64 (M,): place of a prediction among those of its frame and species, from 0.
    hit
        bool (M, A, T): whether it got an animal.
    neutral
        bool (M, A, T): whether it is neither right nor wrong.
    counted
        bool (N, A): whether an animal is to be found.
    """

    rank: np.ndarray
    hit: np.ndarray
    neutral: np.ndarray
    counted: np.ndarray


def find_pairs(truth: PoseTable, found: PoseTable) -> Pairs:
    """All pairs within a frame that are alike enough, of whatever species."""
    corners, areas = _wide_corners(truth), _truth_areas(truth) + np.spacing(1)
    variances = np.square(2 * np.array(truth.skeleton.sigmas))
    parts = [Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for rows, others in frame_pairs(found.frame, truth.frame):
        oks = _similarity(
            found.keypoints[rows],
            truth.keypoints[others],
            corners[others],
            areas[others],
            variances,
        )
        near = oks >= THRESHOLDS[0]
        parts.append(Pairs(rows[near], others[near], oks[near]))
    pairs = Pairs(*map(np.concatenate, zip(*parts, strict=True)))
    # Among equals the later animal is taken, as in pycocotools.
    order = np.lexsort((-pairs.truth, -pairs.oks, pairs.found))
    return Pairs(*(column[order] for column in pairs))


def match(truth: PoseTable, found: PoseTable, pairs: Pairs) -> Matches:
    """Match predictions, which have a score each, with animals of their species."""
    ignored = (truth.num_keypoints == 0) | truth.crowd
    counted = ~ignored[:, None] & _within(_truth_areas(truth))
    rank = _ranks(found)
    same = found.species[pairs.found] == truth.species[pairs.truth]
    pairs = Pairs(*(column[same] for column in pairs))
    choice = np.arange(len(pairs.found)) - np.searchsorted(pairs.found, pairs.found)
    # All first choices of the best predictions, all second choices of them, …, then the
    # second-best predictions: of one frame and species there is never more than one at a time.
    turn = np.lexsort((choice, rank[pairs.found]))
    turns = np.flatnonzero(np.diff(rank[pairs.found][turn], prepend=-1))
    shape = (len(found), len(AREAS), len(THRESHOLDS))
    hit, neutral = np.zeros(shape, bool), np.zeros(shape, bool)
    free = np.ones((len(truth), *shape[1:]), bool)
    for ranked in np.split(turn, turns[1:]):
        # An animal that counts is taken before one that does not.
        for wanted in (True, False):
            for number in range(int(choice[ranked].max(initial=-1)) + 1):
                chosen = ranked[choice[ranked] == number]
                row, animal = pairs.found[chosen], pairs.truth[chosen]
                take = (counted[animal] == wanted)[:, :, None] & ~hit[row]
                take &= pairs.oks[chosen, None, None] >= THRESHOLDS
                take &= free[animal] | truth.crowd[animal, None, None]
                hit[row] |= take
                free[animal] &= ~take
                if not wanted:
                    neutral[row] |= take
    neutral |= ~hit & ~_within(box_tools.area(boxes_of(found)))[:, :, None]
    return Matches(rank, hit, neutral, counted)


def boxes_of(table: PoseTable, used: np.ndarray | None = None) -> np.ndarray:
    """float64 (N, 4): boxes; where there is none, around the keypoints or the `used` (N, K) ones.

    As pycocotools makes them for results without boxes. Without any keypoint: no size, at 0, 0.
    """
    boxes = table.boxes.astype(np.float64)
    rows = np.flatnonzero(np.isnan(boxes).any(axis=1))
    points = table.keypoints[rows, :, :2].astype(np.float64)
    keep = np.ones(points.shape, bool) if used is None else used[rows, :, None]
    low = np.where(keep, points, np.inf).min(axis=1, initial=np.inf)
    high = np.where(keep, points, -np.inf).max(axis=1, initial=-np.inf)
    some = (low <= high).all(axis=1, keepdims=True)
    boxes[rows] = np.where(some, np.concatenate([low, high - low], axis=1), 0)
    return boxes


def _truth_boxes(table: PoseTable) -> np.ndarray:
    return boxes_of(table, table.keypoints[:, :, 2] > 0)


def _truth_areas(table: PoseTable) -> np.ndarray:
    """float64 (N,): areas of annotated animals; the box's where none is given."""
    areas = table.areas.astype(np.float64)
    return np.where(np.isnan(areas), box_tools.area(_truth_boxes(table)), areas)


def _within(areas: np.ndarray) -> np.ndarray:
    """bool (N, A)."""
    return (areas[:, None] >= AREAS[:, 0]) & (areas[:, None] <= AREAS[:, 1])


def _ranks(found: PoseTable) -> np.ndarray:
    """int64 (M,): place by score in the frame and species, among equals by row."""
    order = np.lexsort((-found.scores, found.species, found.frame))
    frame, species = found.frame[order], found.species[order]
    new = (np.diff(frame, prepend=-1) != 0) | (np.diff(species, prepend=-1) != 0)
    starts = np.flatnonzero(new)
    rank = np.empty(len(found), np.int64)
    rank[order] = np.arange(len(found)) - np.repeat(starts, np.diff(starts, append=len(found)))
    return rank


def _wide_corners(table: PoseTable) -> np.ndarray:
    """float64 (N, 2, 2): low and high corner of boxes three times as wide and high.

    Where an animal has no keypoint labelled, similarity falls with the distance from this.
    """
    boxes = _truth_boxes(table)
    corner, size = boxes[:, :2], boxes[:, 2:]
    return np.stack([corner - size, corner + 2 * size], axis=1)


def _similarity(
    found: np.ndarray,
    truth: np.ndarray,
    corners: np.ndarray,
    areas: np.ndarray,
    variances: np.ndarray,
) -> np.ndarray:
    """float64 (P,): OKS of predicted (P, K, 3) and annotated keypoints (P, K, 3), row by row."""
    points, truth = found[:, :, :2].astype(np.float64), truth.astype(np.float64)
    labelled = truth[:, :, 2] > 0
    away = points - truth[:, :, :2]
    bare = ~labelled.any(axis=1)
    if bare.any():
        low, high = corners[bare, None, 0], corners[bare, None, 1]
        away[bare] = np.maximum(0, low - points[bare]) + np.maximum(0, points[bare] - high)
        labelled[bare] = True
    distance = np.square(away).sum(axis=2)
    alike = np.exp(-distance / variances / areas[:, None] / 2)
    return np.where(labelled, alike, 0).sum(axis=1) / labelled.sum(axis=1)
