"""Average precision and recall from matches, as COCO computes them, and resampled by clip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aptv2.evaluation.matching import Matches
from aptv2.tables import PoseTable

COCO_LIMIT = 20  # detections that COCO's keypoint evaluation keeps of a frame and species
RECALLS = np.linspace(0, 1, 101)  # where COCO reads the precision
_BLOCK = 2**17  # numbers that are worked on at once: what a processor keeps near


@dataclass(frozen=True)
class Ranking:
    """The D predictions of a species, best first, and the N animals they are held against.

    Parameters
    ----------
    right
        bool (A, T, D): whether a prediction found an animal that counts, by area and threshold.
    judged
        bool (A, T, D): whether it is right or wrong, and not neither.
    animals
        bool (N, A): whether an animal is to be found.
    clips, animal_clips
        int64 (D,) and (N,): the clip of each.
    """

    right: np.ndarray
    judged: np.ndarray
    animals: np.ndarray
    clips: np.ndarray
    animal_clips: np.ndarray

    def score(self) -> tuple[np.ndarray, np.ndarray]:
        """Average precision and recall, float64 (A, T) each; NaN where nothing is to be found."""
        total = np.broadcast_to(self.animals.sum(axis=0)[:, None], self.right.shape[:2])
        hits, judged = self.right.cumsum(axis=2), self.judged.cumsum(axis=2)
        recall = np.full(total.shape, np.nan)
        found = hits[..., -1] if hits.shape[2] else np.zeros(total.shape)
        np.divide(found, total, out=recall, where=total > 0)
        return _average_precision(hits, judged, total), recall

    def resampled(self, times: np.ndarray) -> np.ndarray:
        """AP over all areas, float64 (R,), with clip c drawn `times[r, c]` times, int64 (R, C).

        As if the files were put together anew from the drawn clips, the copies of a frame one
        after the other, and scored; where a frame holds equal scores, their copies stay together.
        """
        scores = np.empty(len(times))
        step = max(1, _BLOCK // max(1, len(self.clips)))
        for start in range(0, len(times), step):
            scores[start : start + step] = self._resampled(times[start : start + step])
        return scores

    def _resampled(self, times: np.ndarray) -> np.ndarray:
        drawn = times[:, self.clips]
        total = times[:, self.animal_clips] @ self.animals[:, 0]
        scores: list[np.ndarray] = []
        before, seen = None, drawn
        for right, judged in zip(self.right[0], self.judged[0], strict=True):
            if before is None or not np.array_equal(judged, before):  # hardly ever
                before, seen = judged, (drawn * judged).cumsum(axis=1)
            # Precision is read at right predictions alone.
            hits = drawn[:, right].cumsum(axis=1)
            scores.append(_average_precision(hits, seen[:, right], total))
        return np.mean(scores, axis=0)


def rankings(
    truth: PoseTable,
    found: PoseTable,
    matches: Matches,
    species: Sequence[int],
    clips: np.ndarray,
    limit: int | None = COCO_LIMIT,
) -> list[Ranking]:
    """One ranking for each of `species`; `clips` (F,) numbers the clip of each frame."""
    order = np.lexsort((truth.frames.ids[found.frame], -found.scores))
    if limit is not None:
        order = order[matches.rank[order] < limit]
    judged = ~matches.neutral
    made = []
    for number in species:
        rows = order[found.species[order] == number]
        animals = np.flatnonzero(truth.species == number)
        made.append(
            Ranking(
                np.ascontiguousarray((matches.hit[rows] & judged[rows]).transpose(1, 2, 0)),
                np.ascontiguousarray(judged[rows].transpose(1, 2, 0)),
                matches.counted[animals],
                clips[found.frame[rows]],
                clips[truth.frame[animals]],
            )
        )
    return made


def draw_clips(clips: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Draws of each clip, int64 (R, C): of those that occur in `clips`, as many as there are.

    Parameters
    ----------
    clips
        int64: clips that hold something, with repetition.
    """
    present = np.unique(clips)
    count = len(present)
    times = np.zeros((resamples, int(clips.max(initial=-1)) + 1), np.int64)
    if count:
        shares = np.full(count, 1 / count)
        times[:, present] = np.random.default_rng(seed).multinomial(count, shares, resamples)
    return times


def interval(resampled: np.ndarray, share: float = 0.95) -> tuple[float, float]:
    """The interval that holds a share of the resampled means over species, (K, R) -> two numbers.

    As in the score itself, a mean leaves out species of which no clip was drawn.
    """
    defined = ~np.isnan(resampled)
    counts = defined.sum(axis=0)
    means = np.where(defined, resampled, 0).sum(axis=0)[counts > 0] / counts[counts > 0]
    if not len(means):
        return math.nan, math.nan
    low, high = np.quantile(means, [(1 - share) / 2, (1 + share) / 2])
    return float(low), float(high)


def _average_precision(hits: np.ndarray, judged: np.ndarray, total: np.ndarray) -> np.ndarray:
    """float64 (...): precision averaged over 101 recalls; NaN where nothing is to be found.

    Parameters
    ----------
    hits, judged
        (..., D): how many predictions up to the d-th are right, and right or wrong.
    total
        (...): how many animals are to be found.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = hits / total[..., None]
    precision = hits / (judged + np.spacing(1))
    best_beyond = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    # Each recall is read where it is first reached.
    reached = np.searchsorted(RECALLS, recall, side="right")
    readings = np.diff(reached, axis=-1, prepend=0)
    mean = (best_beyond * readings).sum(axis=-1) / len(RECALLS)
    return np.where(total > 0, mean, np.nan)
