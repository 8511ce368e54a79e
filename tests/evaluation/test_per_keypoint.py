from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aptv2.evaluation.keypoints import score_keypoints
from aptv2.evaluation.per_keypoint import (
    animal_similarities,
    keypoint_similarities,
    precision_curves,
    score_by_keypoint,
    score_over_time,
)
from aptv2.tables import Frames, PoseTable


def herd(seed: int = 0, clips: int = 6, length: int = 5, animals: int = 3) -> PoseTable:
    """Animals of two species that walk through clips, each with keypoints spread over its box."""
    draw = np.random.default_rng(seed)
    count = clips * length * animals
    corners = draw.uniform(0, 300, (count, 2))
    keypoints = np.full((count, 17, 3), 2.0)
    keypoints[:, :, :2] = corners[:, None] + draw.uniform(0, 100, (count, 17, 2))
    keypoints[draw.random((count, 17)) < 0.2] = 0
    track = np.tile(np.arange(animals), clips * length)
    return PoseTable.make(
        Frames.make(
            clips=np.repeat(np.arange(clips), length), indices=np.tile(np.arange(length), clips)
        ),
        np.repeat(np.arange(clips * length), animals),
        boxes=np.concatenate([corners, np.full((count, 2), 100)], axis=1),
        keypoints=keypoints,
        tracks=track,
        species=1 + track % 2,
        categories={1: "dog", 2: "cat"},
    )


def noisy(truth: PoseTable, scale: float, seed: int = 1, tracked: bool = False) -> PoseTable:
    """Predictions: the truth's keypoints moved, in another order."""
    draw = np.random.default_rng(seed)
    keypoints = truth.keypoints.copy()
    keypoints[:, :, :2] += draw.normal(0, scale, (len(truth), 17, 2))
    keypoints[:, :, 2] = 0.9
    made = replace(
        truth,
        keypoints=keypoints,
        scores=draw.uniform(0.1, 1, len(truth)).astype(np.float32),
        tracks=truth.tracks if tracked else np.full(len(truth), -1),
    )
    return made[draw.permutation(len(truth))]


def test_perfect_poses_are_alike_in_every_labelled_keypoint() -> None:
    truth = herd()
    parts = keypoint_similarities(truth, noisy(truth, 0))
    labelled = truth.keypoints[:, :, 2] > 0
    assert (parts[labelled] == 1).all()
    assert np.isnan(parts[~labelled]).all()


def test_a_keypoint_by_hand() -> None:
    truth = herd(clips=1, length=1, animals=1)
    found = noisy(truth, 0)
    found.keypoints[0, 3, :2] += (6, 8)
    truth.keypoints[0, 3, 2] = 2
    found.keypoints[0, 3, :2] = truth.keypoints[0, 3, :2] + (6, 8)
    expected = np.exp(-100 / (2 * 100 * 100 * (2 * 0.035) ** 2))
    assert score_by_keypoint(truth, found)["all"]["neck"] == pytest.approx(expected, rel=1e-5)
    assert score_by_keypoint(truth, found)["dog"]["neck"] == pytest.approx(expected, rel=1e-5)


def test_without_track_numbers_poses_go_where_they_fit_best() -> None:
    truth = herd()
    tracked, untracked = noisy(truth, 2, tracked=True), noisy(truth, 2)
    np.testing.assert_array_equal(
        keypoint_similarities(truth, tracked), keypoint_similarities(truth, untracked)
    )


def test_swapped_track_numbers_cost() -> None:
    truth = herd(animals=2)
    found = noisy(truth, 0, tracked=True)
    swapped = replace(found, tracks=1 - found.tracks)
    assert np.nanmean(animal_similarities(truth, swapped)) < 0.3
    assert np.nanmean(animal_similarities(truth, found)) == 1


def test_a_missed_animal_counts_with_zero() -> None:
    truth = herd(animals=2)
    found = noisy(truth, 0)
    kept = found[found.species == 1]
    scores = score_by_keypoint(truth, kept)
    assert set(scores["dog"].values()) == {1.0}
    assert set(scores["cat"].values()) == {0.0}
    assert set(score_by_keypoint(truth, found[:0])["all"].values()) == {0.0}


def test_a_keypoint_nobody_labelled_has_no_score() -> None:
    truth = herd()
    truth.keypoints[:, 4, 2] = 0
    assert np.isnan(score_by_keypoint(truth, noisy(truth, 1))["all"]["root_of_tail"])


def test_drift_is_seen_over_time() -> None:
    truth = herd(clips=8, length=6)
    found = noisy(truth, 0, tracked=True)
    found.keypoints[:, :, 0] += 4 * truth.frames.indices[found.frame][:, None]
    rows = score_over_time(truth, found)
    assert [row[0] for row in rows] == [0, 1, 2, 3, 4, 5]
    assert [row[2] for row in rows] == [24] * 6
    means = [row[1] for row in rows]
    assert means[0] == 1
    assert all(np.diff(means) < 0)


def test_a_track_that_begins_late_starts_at_zero() -> None:
    truth = herd(clips=1, length=4, animals=2)
    late = (truth.tracks == 1) & (truth.frames.indices[truth.frame] < 2)
    rows = score_over_time(truth[~late], noisy(truth[~late], 1))
    assert [(row[0], row[2]) for row in rows] == [(0, 2), (1, 2), (2, 1), (3, 1)]
    assert score_over_time(replace(truth, tracks=np.full(len(truth), -1)), truth) == []


@pytest.mark.parametrize("scale", [1, 4, 8])
def test_the_mean_of_the_curves_is_ap(scale: float) -> None:
    truth = herd(clips=10)
    found = noisy(truth, scale)
    curves, scores = precision_curves(truth, found), score_keypoints(truth, found)
    assert np.mean(curves["mean"]) == pytest.approx(scores["AP"], abs=1e-9)
    assert np.mean(curves["OKS 0.50"]) == pytest.approx(scores["AP50"], abs=1e-9)
    assert np.mean(curves["OKS 0.75"]) == pytest.approx(scores["AP75"], abs=1e-9)
    assert all(len(curve) == 101 and (np.diff(curve) <= 1e-9).all() for curve in curves.values())


def test_nothing_found_and_nothing_to_find() -> None:
    truth = herd()
    assert set(precision_curves(truth, noisy(truth, 0)[:0])["mean"]) == {0.0}
    assert np.isnan(precision_curves(truth[:0], noisy(truth, 0))["mean"]).all()
