"""Average precision of boxes, one class, and false alarms, for the scripts of this folder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import numpy as np

from aptv2 import boxes as box_tools
from aptv2.evaluation.matching import THRESHOLDS
from aptv2.evaluation.precision import Ranking

Found = tuple[np.ndarray, np.ndarray]  # boxes (N, 4) xywh and scores (N,)


class Detector(Protocol):
    """What finds animals in a frame."""

    def detect(self, frame: np.ndarray) -> Found:
        """Boxes and scores, best first."""


def average_precisions(found: list[Found], truth: list[np.ndarray]) -> np.ndarray:
    """AP at the ten overlaps from 0.5 to 0.95, as COCO computes it: float64 (10,).

    Parameters
    ----------
    found
        What was found in each picture.
    truth
        The boxes (M, 4) of each picture's animals.
    """
    hits = [_hits(boxes, scores, own) for (boxes, scores), own in zip(found, truth, strict=True)]
    scores = np.concatenate([np.sort(scores)[::-1] for _, scores in found])
    right = np.concatenate(hits, axis=1)[:, np.argsort(-scores, kind="stable")]
    animals = sum(len(own) for own in truth)
    ranking = Ranking(
        right[None],
        np.ones((1, *right.shape), bool),
        np.ones((animals, 1), bool),
        np.zeros(len(scores), np.int64),
        np.zeros(animals, np.int64),
    )
    return ranking.score()[0][0]


def _hits(boxes: np.ndarray, scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """bool (10, N): which boxes, best first, get an animal of their own at each overlap."""
    overlap = box_tools.iou(boxes[np.argsort(-scores, kind="stable")], truth)
    hits = np.zeros((len(THRESHOLDS), len(boxes)), bool)
    for row, threshold in enumerate(THRESHOLDS):
        free = np.ones(len(truth), bool)
        for box, each in enumerate(overlap):
            left = np.where(free, each, 0)
            if len(left) and left.max() >= threshold:
                hits[row, box] = True
                free[left.argmax()] = False
    return hits


def recall_above(found: list[Found], truth: list[np.ndarray], least: float) -> float:
    """Share of the animals that a box with a score of `least` overlaps by half."""
    sure = [(boxes[scores >= least], scores[scores >= least]) for boxes, scores in found]
    hits = sum(_hits(*each, own)[0].sum() for each, own in zip(sure, truth, strict=True))
    return float(hits / max(1, sum(len(own) for own in truth)))


def false_alarms(detector: Detector, frames: Iterable[np.ndarray], least: float) -> float:
    """Boxes with a score of at least `least` for 50 pictures without any animal."""
    counts = [(detector.detect(frame)[1] >= least).sum() for frame in frames]
    return 50 * float(np.mean(counts))
