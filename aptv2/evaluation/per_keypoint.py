"""Errors of poses by keypoint, by the time since a track began, and by the score asked for.

Everything here is in terms of object keypoint similarity (OKS), as AP is: an animal's OKS is the
mean over its labelled keypoints of exp(-d² / (2 area (2 sigma)²)), of which each keypoint has its
part.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from aptv2.evaluation.matching import THRESHOLDS, find_pairs, match
from aptv2.evaluation.precision import RECALLS, Ranking, rankings
from aptv2.tables import PoseTable


def keypoint_similarities(truth: PoseTable, found: PoseTable) -> np.ndarray:
    """Each annotated keypoint's part in OKS, float64 (N, K) for N animals.

    Parameters
    ----------
    truth, found
        Annotated and predicted animals over the same frames.

    Returns
    -------
    np.ndarray
        From 0 to 1; 0 where an animal has no prediction, NaN where a keypoint is not labelled.

    Notes
    -----
    Where the predictions have track numbers, a pose belongs to the animal of its number.
    Otherwise each frame's poses are given to its animals so that the sum of their OKS is the
    largest, without a threshold: a bad pose is a bad pose, and not a missing one.
    """
    labelled = truth.keypoints[:, :, 2] > 0
    parts = np.where(labelled, 0.0, np.nan)
    tracked = len(found) > 0 and bool((found.tracks >= 0).all())
    variances = np.square(2 * np.array(truth.skeleton.sigmas))
    areas = truth.scale_areas.astype(np.float64) + np.spacing(1)
    poses_of = _rows_by_frame(found)
    for frame, rows in _rows_by_frame(truth).items():
        poses = poses_of.get(frame, np.empty(0, np.int64))
        gaps = np.square(
            found.keypoints[None, poses, :, :2] - truth.keypoints[rows, None, :, :2],
            dtype=np.float64,
        ).sum(axis=3)
        alike = np.exp(-gaps / (2 * areas[rows, None, None] * variances))
        known = labelled[rows, None, :]
        if tracked:
            worth = (truth.tracks[rows, None] == found.tracks[poses]).astype(np.float64)
        else:
            worth = np.where(known, alike, 0).sum(axis=2) / np.maximum(1, known.sum(axis=2))
        animal, pose = linear_sum_assignment(worth, maximize=True)
        chosen = worth[animal, pose] > 0
        animal, pose = animal[chosen], pose[chosen]
        parts[rows[animal]] = np.where(labelled[rows[animal]], alike[animal, pose], np.nan)
    return parts


def animal_similarities(truth: PoseTable, found: PoseTable) -> np.ndarray:
    """OKS of each annotated animal, float64 (N,): NaN where no keypoint is labelled."""
    return _mean(keypoint_similarities(truth, found), axis=1)


def score_by_keypoint(truth: PoseTable, found: PoseTable) -> dict[str, dict[str, float]]:
    """Mean part of each keypoint in OKS, of all animals (`all`) and of each species.

    Returns
    -------
    dict
        Name -> keypoint -> 0 to 1, NaN where the keypoint is never labelled.
    """
    parts = keypoint_similarities(truth, found)
    groups = {"all": np.ones(len(truth), bool)}
    for key in np.unique(truth.species).tolist():
        groups[truth.categories.get(key, "unknown")] = truth.species == key
    return {
        name: dict(zip(truth.skeleton.names, _mean(parts[rows], axis=0).tolist(), strict=True))
        for name, rows in groups.items()
    }


def score_over_time(truth: PoseTable, found: PoseTable) -> list[list[float]]:
    """Mean OKS by the frames since an animal's track began.

    Returns
    -------
    list
        `[frames, mean OKS, animals]` in rising order; what drifts falls. Animals without a track
        number or a labelled keypoint, and frames of no clip, do not count.
    """
    alike = animal_similarities(truth, found)
    clips, times = truth.frames.clips[truth.frame], truth.frames.indices[truth.frame]
    used = (truth.tracks >= 0) & (clips >= 0) & (times >= 0)
    keys = np.stack([clips[used], truth.tracks[used]], axis=1)
    _, track = np.unique(keys, axis=0, return_inverse=True)
    track = track.reshape(-1)
    first = np.full(track.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, track, times[used])
    since, values = times[used] - first[track], alike[used]
    since, values = since[~np.isnan(values)], values[~np.isnan(values)]
    steps, place, counts = np.unique(since, return_inverse=True, return_counts=True)
    means = np.bincount(place, values, len(steps)) / np.maximum(counts, 1)
    return [list(row) for row in zip(steps.tolist(), means.tolist(), counts.tolist(), strict=True)]


def precision_curves(truth: PoseTable, found: PoseTable) -> dict[str, list[float]]:
    """Precision at the recalls 0, 0.01, …, 1 that COCO reads, means over species.

    Parameters
    ----------
    truth, found
        Animals over the same frames and with the same species numbers; predictions have scores.

    Returns
    -------
    dict
        `OKS 0.50`, `OKS 0.75` and `mean`, over the ten thresholds, whose own mean is AP.
    """
    matches = match(truth, found, find_pairs(truth, found))
    species = np.unique(truth.species).tolist()
    clips = np.zeros(len(truth.frames), np.int64)
    curves = [
        _precision_at_recalls(ranking)
        for ranking in rankings(truth, found, matches, species, clips)
        if ranking.animals[:, 0].any()
    ]
    mean = np.mean(curves, axis=0) if curves else np.full((len(THRESHOLDS), len(RECALLS)), np.nan)
    wanted = {"OKS 0.50": mean[0], "OKS 0.75": mean[5], "mean": mean.mean(axis=0)}
    return {name: values.tolist() for name, values in wanted.items()}


def _rows_by_frame(table: PoseTable) -> dict[int, np.ndarray]:
    order = np.argsort(table.frame, kind="stable")
    frames, starts = np.unique(table.frame[order], return_index=True)
    return (
        dict(zip(frames.tolist(), np.split(order, starts[1:]), strict=True)) if len(order) else {}
    )


def _precision_at_recalls(ranking: Ranking) -> np.ndarray:
    """Best precision at each of COCO's 101 recalls or beyond it, float64 (T, 101)."""
    hits, judged = ranking.right[0].cumsum(axis=1), ranking.judged[0].cumsum(axis=1)
    precision = hits / (judged + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    curves = np.zeros((len(hits), len(RECALLS)))
    for threshold, reached in enumerate(hits / ranking.animals[:, 0].sum()):
        place = np.searchsorted(reached, RECALLS)
        inside = place < len(reached)
        curves[threshold, inside] = best[threshold, place[inside]]
    return curves


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean of what is not NaN; NaN where nothing is."""
    known = ~np.isnan(values)
    counts = known.sum(axis=axis)
    sums = np.where(known, values, 0).sum(axis=axis)
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
