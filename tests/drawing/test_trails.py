"""What a trail remembers and forgets."""

from __future__ import annotations

import numpy as np
import pytest

from aptv2.drawing.trails import Trails


def test_keep_the_centres_of_the_last_frames():
    trails = Trails(seconds=1, fps=5)
    for step in range(20):
        trails.update([7], [[step, 0, 10, 20]])
    ((track, points, freshness),) = trails.paths()
    assert track == 7
    np.testing.assert_allclose(points[:, 0], np.arange(15, 20) + 5)
    np.testing.assert_allclose(points[:, 1], 10)
    np.testing.assert_allclose(freshness, [0, 0.25, 0.5, 0.75, 1])


def test_break_while_a_track_is_away_and_go_when_it_stays_away():
    trails = Trails(seconds=1, fps=6)
    box = [[0, 0, 2, 2]]
    for tracks, boxes in ([1], box), ([1], box), ([], []), ([1], box), ([], []):
        trails.update(tracks, boxes)
    assert [len(points) for _, points, _ in trails.paths()] == [2, 1]
    for _ in range(6):
        trails.update([], np.zeros((0, 4)))
    assert trails.paths() == []


def test_animals_without_number_or_place_leave_none():
    trails = Trails()
    trails.update([-1, 2, 3], [[0, 0, 1, 1], [np.nan, 0, 1, 1], [0, 0, 1, 1]])
    assert [track for track, _, _ in trails.paths()] == [3]


def test_do_not_grow_without_end():
    trails = Trails(seconds=10, fps=90_000)
    for step in range(2000):
        trails.update([step // 3], [[0, 0, 1, 1]])
    assert sum(len(points) for _, points, _ in trails.paths()) <= 600


@pytest.mark.parametrize(("seconds", "fps"), [(0, 25), (1, 0), (1, np.nan), (-1, -25)])
def test_need_a_length(seconds, fps):
    with pytest.raises(ValueError, match="has no length"):
        Trails(seconds, fps)
