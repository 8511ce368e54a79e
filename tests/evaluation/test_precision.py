"""Confidence intervals: AP of drawn clips without scoring anew, and what the ends are."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aptv2.evaluation import score_keypoints
from aptv2.evaluation.matching import find_pairs, match
from aptv2.evaluation.precision import draw_clips, interval, rankings
from aptv2.tables import Frames, PoseTable


def clip_tables(rng: np.random.Generator, clips: int = 5) -> tuple[PoseTable, PoseTable]:
    """Annotations of a few clips with crowds and bare animals, and predictions with equal scores in
    different frames."""
    frames = Frames.make(ids=np.arange(1, 3 * clips + 1), clips=np.repeat(np.arange(clips), 3))
    frame = np.repeat(np.arange(3 * clips), rng.integers(0, 4, 3 * clips))
    n = len(frame)
    keypoints = np.concatenate(
        [rng.uniform(0, 300, (n, 17, 2)), rng.choice([0, 2], (n, 17, 1), p=[0.1, 0.9])], axis=2
    )
    keypoints[rng.random(n) < 0.1, :, 2] = 0
    truth = PoseTable.make(
        frames,
        frame,
        boxes=np.tile([0, 0, 300, 300], (n, 1)),
        keypoints=keypoints,
        species=rng.choice([1, 2], n),
        crowd=rng.random(n) < 0.1,
        categories={1: "dog", 2: "cat"},
    )
    rows = np.sort(rng.choice(n, n + 3)) if n else np.arange(0)
    moved = keypoints[rows] + rng.choice([0, 10, 60], (len(rows), 1, 1)) * rng.normal(
        0, 1, (len(rows), 17, 3)
    )
    # The copies of a frame, one after the other, would mix those of equal score in it.
    scores = np.empty(len(rows))
    for number in np.unique(frame[rows]):
        here = frame[rows] == number
        scores[here] = rng.permutation(20)[: here.sum()] / 20
    found = PoseTable.make(
        frames,
        frame[rows],
        boxes=truth.boxes[rows],
        keypoints=moved,
        scores=scores,
        species=truth.species[rows],
        categories=truth.categories,
    )
    return truth, found


def put_together(table: PoseTable, times: np.ndarray) -> PoseTable:
    """The table with each clip as often as it was drawn, a frame's copies one after the other."""
    copies = np.repeat(np.arange(len(table.frames)), times[table.frames.clips])
    rows = [np.flatnonzero(table.frame == row) for row in copies]
    chosen = np.concatenate([np.empty(0, np.int64), *rows])
    frame = np.repeat(np.arange(len(copies)), [len(part) for part in rows])
    drawn = replace(table[chosen], frames=Frames.make(len(copies)), frame=frame)
    return replace(drawn, ids=np.arange(len(frame)))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_as_if_the_drawn_clips_were_scored(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found = clip_tables(rng)
    matches = match(truth, found, find_pairs(truth, found))
    ranked = rankings(truth, found, matches, [1, 2], truth.frames.clips)
    times = draw_clips(truth.frames.clips, 4, seed)
    drawn = np.array([ranking.resampled(times) for ranking in ranked])
    for place, counts in enumerate(times):
        scores = score_keypoints(put_together(truth, counts), put_together(found, counts))
        for species, name in enumerate(("dog", "cat")):
            expected = scores["by_species"].get(name, {"AP": math.nan})["AP"]
            assert drawn[species, place] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_the_interval_of_a_score() -> None:
    truth, found = clip_tables(np.random.default_rng(0), clips=30)
    scores = score_keypoints(truth, found, resamples=300)
    for part in (
        scores,
        scores["pooled"],
        scores["by_species"]["cat"],
        scores["by_family"]["Canidae"],
    ):
        low, high = part["AP_interval"]
        assert 0 <= low < part["AP"] < high <= 1
    low, high = scores["AP_interval"]
    again = score_keypoints(truth, found, resamples=300)
    assert again["AP_interval"] == (low, high)
    assert score_keypoints(truth, found, resamples=300, seed=1)["AP_interval"] != (low, high)
    assert "AP_interval" not in score_keypoints(truth, found)


def test_all_clips_alike_leave_nothing_open() -> None:
    truth, _ = clip_tables(np.random.default_rng(0), clips=10)
    truth = truth[(truth.num_keypoints > 0) & ~truth.crowd]
    low, high = score_keypoints(truth, truth, resamples=50)["AP_interval"]
    assert (low, high) == pytest.approx((1, 1))


def test_draws_are_of_clips_that_show_something() -> None:
    times = draw_clips(np.array([7, 2, 2, 7, 4]), 500, 0)
    assert times.shape == (500, 8)
    assert (times.sum(axis=1) == 3).all()
    assert np.flatnonzero(times.any(axis=0)).tolist() == [2, 4, 7]
    assert draw_clips(np.empty(0, np.int64), 5, 0).shape == (5, 0)


def test_ends_of_an_interval() -> None:
    # Means of the defined species: 0, 1, …, 100 and one resample without any species.
    values = np.array([[*range(101), np.nan], [np.nan] * 102])
    assert interval(values) == pytest.approx((2.5, 97.5))
    assert all(math.isnan(end) for end in interval(values[1:]))
