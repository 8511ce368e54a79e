"""The One Euro filter: stills trembling, follows movement, streams and resumes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from aptv2.tracking.smoothing import OneEuroFilter

FPS = 30.0
LENGTHS = np.array([100.0])
TRACK = np.array([7])


def run(path: np.ndarray, **options: float) -> np.ndarray:
    """One point of one track through the filter: (T, 2) -> (T, 2)."""
    smooth = OneEuroFilter(**options)
    return np.array(
        [smooth(TRACK, p[None, None], LENGTHS, t / FPS)[0, 0] for t, p in enumerate(path)]
    )


def test_numbers_of_the_paper() -> None:
    """Against the filter written out for one number, as the paper's listing has it."""
    values = np.array([100.0, 103.0, 101.0, 110.0, 140.0, 139.0])

    def alpha(cutoff: float) -> float:
        return 1 / (1 + FPS / (2 * math.pi * cutoff))

    expected, speed = [values[0]], 0.0
    for value in values[1:]:
        speed = alpha(1.0) * (value - expected[-1]) * FPS + (1 - alpha(1.0)) * speed
        a = alpha(1.5 + 6.0 * abs(speed) / 100)
        expected.append(a * value + (1 - a) * expected[-1])
    found = run(np.stack([values, np.full(6, 5.0)], axis=1))
    np.testing.assert_allclose(found[:, 0], expected)
    np.testing.assert_allclose(found[:, 1], 5.0)


def test_a_resting_point_trembles_less() -> None:
    noisy = np.random.default_rng(0).normal(50, 1, (300, 2))
    smooth = run(noisy)
    assert np.diff(smooth[30:], axis=0).std() < 0.35 * np.diff(noisy[30:], axis=0).std()
    np.testing.assert_allclose(smooth[30:].mean(axis=0), 50, atol=0.2)


def test_a_running_point_lags_little() -> None:
    # Three body lengths a second.
    path = np.stack([np.arange(90) * 300 / FPS, np.zeros(90)], axis=1)
    assert np.abs(run(path) - path)[30:].max() < 0.15 * LENGTHS[0]
    assert np.abs(run(path, speed_gain=0.0) - path)[30:].max() > 0.25 * LENGTHS[0]


def test_tracks_do_not_mix_and_order_is_free() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(0, 1, (20, 2, 3, 2)) + np.array([0, 500])[None, :, None, None]
    lengths = np.array([50.0, 80.0])
    both, one, other = OneEuroFilter(), OneEuroFilter(), OneEuroFilter()
    for t, (first, second) in enumerate(points):
        order = [0, 1] if t % 2 else [1, 0]
        found = both(
            np.array([3, 9])[order], np.stack([first, second])[order], lengths[order], t / FPS
        )
        alone = one(np.array([3]), first[None], lengths[:1], t / FPS)
        alone2 = other(np.array([9]), second[None], lengths[1:], t / FPS)
        np.testing.assert_array_equal(found, np.concatenate([alone, alone2])[order])


def test_a_frame_without_animals_changes_nothing_and_a_long_gap_starts_anew() -> None:
    def position_after(gap: float) -> float:
        smooth = OneEuroFilter()
        smooth(TRACK, np.zeros((1, 1, 2)), LENGTHS, 0.0)
        assert smooth(np.zeros(0, int), np.zeros((0, 1, 2)), np.zeros(0), gap / 2).shape == (
            0,
            1,
            2,
        )
        return float(smooth(TRACK, np.full((1, 1, 2), 10.0), LENGTHS, gap)[0, 0, 0])

    assert 0 < position_after(0.1) < 10
    assert position_after(1.5) == 10


def test_it_forgets_tracks_that_ended() -> None:
    smooth = OneEuroFilter()
    for t in range(200):
        smooth(np.array([t]), np.zeros((1, 1, 2)), LENGTHS, t / FPS)
    assert len(smooth.state()["_tracks"]) <= 0.5 * FPS + 1


@pytest.mark.parametrize("cut", [1, 13])
def test_it_resumes_where_it_stopped(cut: int) -> None:
    path = np.random.default_rng(2).normal(0, 5, (30, 1, 4, 2))
    whole, first, second = OneEuroFilter(), OneEuroFilter(), OneEuroFilter()
    expected = [whole(TRACK, p, LENGTHS, t / FPS) for t, p in enumerate(path)]
    for t in range(cut):
        first(TRACK, path[t], LENGTHS, t / FPS)
    second.restore(first.state())
    for t in range(cut, 30):
        np.testing.assert_array_equal(second(TRACK, path[t], LENGTHS, t / FPS), expected[t])


def test_steps_of_any_length_count_by_their_time() -> None:
    """A resting filter at 0, 0.1 and 0.4 s: shares a / (a + 1) with a = 2 pi * 1.5 Hz * step."""
    smooth = OneEuroFilter(speed_gain=0)
    found = [
        smooth(np.array([1]), np.full((1, 1, 2), x), np.array([50.0]), time)[0, 0, 0]
        for time, x in ((0.0, 0.0), (0.1, 10.0), (0.4, 10.0))
    ]
    np.testing.assert_allclose(found, [0, 4.8519, 8.6550], atol=1e-4)


@pytest.mark.parametrize("gap", [0.5, 3.0, 3600.0])
def test_a_gap_without_frames_starts_anew(gap: float) -> None:
    """Recordings pause, and trail cameras take a picture an hour: the old place says nothing."""
    smooth = OneEuroFilter()
    smooth(np.array([1]), np.zeros((1, 1, 2)), np.array([50.0]), 10.0)
    far = smooth(np.array([1]), np.full((1, 1, 2), 80.0), np.array([50.0]), 10.0 + gap)
    np.testing.assert_array_equal(far, np.full((1, 1, 2), 80.0))
