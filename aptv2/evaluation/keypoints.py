"""Keypoint AP as APTv2 and AP-10K report it: COCO's, over object keypoint similarity.

The numbers are pycocotools'. What is added is what animals need: the keypoints' own sigmas, scores
by species, family and pooled, mmpose's rescoring and duplicate suppression, intervals of
confidence, and a word when a frame holds more animals than COCO scores. All of it comes from one
matching of predictions with animals (:mod:`aptv2.evaluation.matching`), in about a fiftieth of the
time that pycocotools needs for the first ten numbers: see `perf/score_speed.py`.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from aptv2 import boxes as box_tools
from aptv2.crops import PADDING
from aptv2.datasets.splits import clips_of
from aptv2.errors import InputError
from aptv2.evaluation.matching import AREAS, THRESHOLDS, Matches, boxes_of, find_pairs, match
from aptv2.evaluation.oks import suppress, suppress_softly
from aptv2.evaluation.pairing import over_frames_of, species_of
from aptv2.evaluation.precision import COCO_LIMIT, draw_clips, interval, rankings
from aptv2.evaluation.results import KeypointNumbers, KeypointScores
from aptv2.species import family
from aptv2.tables import PoseTable

_VISIBLE = 0.2  # keypoints above this score count in rescoring
_DUPLICATE = 0.9  # OKS above which two predictions are taken for the same animal
_THRESHOLD_75 = 5  # position of OKS 0.75 among COCO's ten thresholds, which start at 0.50


def score_keypoints(
    truth: PoseTable,
    found: PoseTable,
    rescore: bool = False,
    oks_nms: bool | Literal["soft"] = False,
    resamples: int = 0,
    seed: int = 0,
) -> KeypointScores:
    """Score predicted keypoints against annotated ones.

    Parameters
    ----------
    truth, found
        Annotated and predicted animals. Predictions belong to frames by image id. They belong to
        species by name where they bring category names, by category id otherwise. A prediction
        without a score counts with score 1.
    rescore
        First set each score to itself times the mean of its keypoint scores above 0.2 (0 where
        there is none).
    oks_nms
        Then drop near-duplicates in a frame, across species, at an OKS of 0.9. A prediction's
        scale is its `area`, or else its box padded by 1.25. "soft" keeps the 20 best of a frame
        after lowering duplicates' scores, as mmpose does.
    resamples
        How often to draw as many clips as there are, with repetition, for 95 % confidence
        intervals (the percentile bootstrap; Efron, 1979). Frames of a clip are nearly the same
        picture, so animals or frames alone would give intervals that are too narrow.
    seed
        Of these draws.

    Returns
    -------
    KeypointScores
        Means over species, from 0 to 1; the same by species and family, and pooled. A warning says
        where frames hold more than the 20 animals that COCO scores.

    Raises
    ------
    InputError
        If predictions have other keypoints or frames than the ground truth.

    Notes
    -----
    Areas that split APM from APL, and a prediction's area when it matches nothing, are
    pycocotools': the box's, or that of the keypoints' extent where a result has no box.
    """
    if oks_nms not in (False, True, "soft"):
        raise InputError(f'oks_nms is {oks_nms!r}; give False, True or "soft".')
    found = over_frames_of(truth, found)
    found = replace(found, species=_same_species(found, truth))
    return _score(truth, ranked(found, rescore, oks_nms), resamples, seed)


def ranked(
    predictions: PoseTable, rescore: bool = False, oks_nms: bool | Literal["soft"] = False
) -> PoseTable:
    """Predictions with the scores and without the duplicates that :func:`score_keypoints` takes.

    What remains of a frame stands together, best first where duplicates were dropped.
    """
    scores = np.where(np.isnan(predictions.scores), 1, predictions.scores).astype(np.float64)
    if rescore:
        scores *= _mean_keypoint_score(predictions.keypoints)
    table = replace(predictions, scores=scores)
    return table[_distinct(table, soft=oks_nms == "soft")] if oks_nms else table


def _same_species(predictions: PoseTable, truth: PoseTable) -> np.ndarray:
    """The predictions' species as the ground truth numbers them; -1 where it has none such."""
    species = species_of(predictions, truth)
    if len(species) and not np.isin(species, [*truth.categories, *truth.species]).any():
        warnings.warn(
            "No prediction is of a species of the ground truth, so AP is 0; "
            "only the pooled scores say how good the keypoints are.",
            stacklevel=3,
        )
    return species


def _mean_keypoint_score(keypoints: np.ndarray) -> np.ndarray:
    """float64 (N,): mean of the keypoint scores above 0.2; 0 where there is none."""
    scores = keypoints[:, :, 2].astype(np.float64)
    used = scores > _VISIBLE
    return np.where(used, scores, 0).sum(axis=1) / np.maximum(used.sum(axis=1), 1)


def _distinct(table: PoseTable, *, soft: bool) -> np.ndarray:
    """Rows without near-duplicates, frame by frame and best first."""
    padded = box_tools.area(boxes_of(table)) * PADDING**2
    areas = np.where(np.isnan(table.areas), padded, table.areas)
    sigmas = np.array(table.skeleton.sigmas)
    choose = suppress_softly if soft else suppress
    return choose(table.frame, table.keypoints, areas, table.scores, sigmas, _DUPLICATE)


def _score(truth: PoseTable, found: PoseTable, resamples: int, seed: int) -> KeypointScores:
    clips = clips_of(truth) if resamples else np.zeros(len(truth.frames), np.int64)
    shown = np.concatenate([clips[truth.frame], clips[found.frame]])
    times = draw_clips(shown, resamples, seed)
    pairs = find_pairs(truth, found)
    keys = np.unique(truth.species).tolist()
    species = _Curves(truth, found, keys, match(truth, found, pairs), clips, times)
    names = [truth.categories.get(key, "unknown") for key in keys]
    families: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        families.setdefault(family(name), []).append(place)
    one, all_found = (replace(t, species=np.zeros(len(t), np.int64)) for t in (truth, found))
    pooled = _Curves(one, all_found, [0], match(one, all_found, pairs), clips, times)
    over = int((np.bincount(truth.frame) > COCO_LIMIT).sum())
    if over:
        warnings.warn(
            f"{over} frames hold more than {COCO_LIMIT} animals, of which COCO's AP scores only "
            f"{COCO_LIMIT}; see AP_all_detections.",
            stacklevel=3,
        )
    return KeypointScores(
        **species.summary(range(len(keys))),
        by_species={name: species.summary([place]) for place, name in enumerate(names)},
        by_family={name: species.summary(places) for name, places in families.items()},
        pooled=pooled.summary([0]),
        frames_over_limit=over,
    )


class _Curves:
    """Precision and recall of some species, each by area and threshold."""

    def __init__(
        self,
        truth: PoseTable,
        found: PoseTable,
        species: Sequence[int],
        matches: Matches,
        clips: np.ndarray,
        times: np.ndarray,
    ) -> None:
        coco = rankings(truth, found, matches, species, clips)
        shape = (len(species), len(AREAS), len(THRESHOLDS))
        self.precision, self.recall = np.empty(shape), np.empty(shape)
        for place, ranking in enumerate(coco):
            self.precision[place], self.recall[place] = ranking.score()
        self.lifted = self.precision
        if matches.rank.max(initial=0) >= COCO_LIMIT:
            every = rankings(truth, found, matches, species, clips, limit=None)
            self.lifted = np.array([ranking.score()[0] for ranking in every]).reshape(shape)
        resampled = [ranking.resampled(times) for ranking in coco]
        self.resampled = np.array(resampled).reshape(len(species), len(times))

    def summary(self, places: Sequence[int]) -> KeypointNumbers:
        """COCO's ten numbers over some species, AP without limit, and AP's interval."""
        rows = list(places)
        precision, recall = self.precision[rows], self.recall[rows]
        return KeypointNumbers(
            AP=_mean(precision[:, 0]),
            AP50=_mean(precision[:, 0, 0]),
            AP75=_mean(precision[:, 0, _THRESHOLD_75]),
            APM=_mean(precision[:, 1]),
            APL=_mean(precision[:, 2]),
            AR=_mean(recall[:, 0]),
            AR50=_mean(recall[:, 0, 0]),
            AR75=_mean(recall[:, 0, _THRESHOLD_75]),
            ARM=_mean(recall[:, 1]),
            ARL=_mean(recall[:, 2]),
            AP_all_detections=_mean(self.lifted[rows, 0]),
            AP_interval=interval(self.resampled[rows]) if self.resampled.shape[1] else None,
        )


def _mean(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else math.nan
