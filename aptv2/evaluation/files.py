"""Scores of files: the edge at which annotations and predictions are read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from aptv2.datasets import read_annotations
from aptv2.datasets.got10k_results import is_got10k_results, read_got10k_results
from aptv2.evaluation import all_scores, keypoints, tracking
from aptv2.evaluation.pairing import over_frames_of
from aptv2.evaluation.results import AllScores, KeypointScores, TrackingScores
from aptv2.evaluation.single_object import score_followed
from aptv2.tables import PoseTable

Source = PoseTable | str | Path


def score_keypoints(
    ground_truth: Source,
    predictions: Source,
    rescore: bool = False,
    oks_nms: bool | Literal["soft"] = False,
    resamples: int = 0,
    seed: int = 0,
) -> KeypointScores:
    """Score predicted keypoints against annotated ones.

    Parameters
    ----------
    ground_truth, predictions
        Tables, or files that :func:`aptv2.read_annotations` reads. Predictions belong to frames
        by image id. They belong to species by name where they bring category names, by category
        id otherwise. A prediction without a score counts with score 1.
    rescore
        First set each score to itself times the mean of its keypoint scores above 0.2 (0 where
        there is none).
    oks_nms
        Then drop near-duplicates in a frame, across species, at an OKS of 0.9. "soft" keeps the 20
        best of a frame after lowering duplicates' scores, as mmpose does.
    resamples, seed
        Draws of clips for 95 % confidence intervals.

    Returns
    -------
    KeypointScores
        A mapping with `AP`, `AP50`, `AP75`, `APM`, `APL`, `AR`, `AR50`, `AR75`, `ARM`, `ARL` (means
        over species, 0 to 1, NaN where undefined), `by_species`, `by_family`, `pooled` and more:
        :class:`aptv2.evaluation.results.KeypointScores`.

    Raises
    ------
    InputError
        If a file is wrong, or predictions have other keypoints or frames than the ground truth.

    Notes
    -----
    As :func:`aptv2.evaluation.keypoints.score_keypoints` of two tables, which says how.
    """
    truth, found = read_both(ground_truth, predictions)
    return keypoints.score_keypoints(truth, found, rescore, oks_nms, resamples, seed)


def score_tracking(ground_truth: Source, predictions: Source) -> TrackingScores:
    """Score tracked boxes against annotated ones, over all clips of the ground truth.

    Parameters
    ----------
    ground_truth, predictions
        Tables, or files that :func:`aptv2.read_annotations` reads, with a box and a track number
        for every animal. Predictions belong to frames by image id; frames without a clip are
        taken as one clip.

    Returns
    -------
    TrackingScores
        A mapping with `HOTA`, `DetA`, `AssA`, `LocA`, `IDF1`, `MOTA`, `id_switches`,
        `false_positives`, `missed`, `by_clip` and `by_species`:
        :class:`aptv2.evaluation.results.TrackingScores`.

    Raises
    ------
    InputError
        If a file is wrong, an animal has no box or track number, a track number appears twice in a
        frame, predictions name unknown frames, or TrackEval is not installed.
    """
    return tracking.score_tracking(*read_both(ground_truth, predictions))


def score_all(
    ground_truth: Source,
    predictions: Source,
    rescore: bool = False,
    oks_nms: bool | Literal["soft"] = False,
) -> AllScores:
    """Score predictions in every way that both sides hold enough for.

    Parameters
    ----------
    ground_truth
        A table, or what :func:`aptv2.read_annotations` reads.
    predictions
        The same, or a folder of GOT-10k results, which have scores of followed animals only.
    rescore, oks_nms
        As in :func:`score_keypoints`.

    Raises
    ------
    InputError
        If a file is wrong, or the two have neither keypoints nor tracks in common.
    """
    if not isinstance(predictions, PoseTable) and is_got10k_results(Path(predictions)):
        truth = _read(ground_truth)
        found = read_got10k_results(predictions, truth)
        return AllScores(single_object=score_followed(truth, found))
    return all_scores.score_all(*read_both(ground_truth, predictions), rescore, oks_nms)


def read_both(ground_truth: Source, predictions: Source) -> tuple[PoseTable, PoseTable]:
    """Both as tables over the ground truth's frames.

    Raises
    ------
    InputError
        If a file is wrong, or the predictions have other keypoints or unknown image ids.
    """
    truth, found = _read(ground_truth), _read(predictions)
    name = "The predictions" if isinstance(predictions, PoseTable) else str(predictions)
    return truth, over_frames_of(truth, found, name)


def _read(source: Source) -> PoseTable:
    return source if isinstance(source, PoseTable) else read_annotations(source)
