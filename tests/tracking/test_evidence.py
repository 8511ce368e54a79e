"""A number needs evidence of an animal: a high box score, or keypoints."""

from __future__ import annotations

import numpy as np

from aptv2.tracking.association import Associator

FPS = 25.0
BOX = np.array([[100.0, 100, 90, 60]])


def numbers(seen: list[tuple[float, float]]) -> list[int]:
    """Track numbers of a box that stays, from its score and its keypoints' in each frame."""
    associator = Associator(FPS, 640, 360)
    keys = []
    for score, keypoint_score in seen:
        keypoints = np.full((1, 17, 3), np.nan)
        keypoints[0, :, :2] = BOX[0, :2] + np.linspace(0, 1, 17)[:, None] * BOX[0, 2:]
        keypoints[0, :, 2] = keypoint_score
        keys.append(associator.step(BOX, np.array([score]), keypoints))
    associator.finish()
    return [int(number) for key in keys for number in associator.numbers(key)]


def test_a_tyre_gets_no_number() -> None:
    assert numbers([(0.6, 0.06)] * 50) == [-1] * 50


def test_keypoints_or_a_high_score_are_enough() -> None:
    assert numbers([(0.4, 0.3)] * 10) == [1] * 10
    assert numbers([(0.75, 0.02)] * 10) == [1] * 10


def test_three_keypoints_are_enough() -> None:
    keypoint_scores = [0.0] * 14 + [0.4, 0.3, 0.5]
    associator = Associator(FPS, 640, 360)
    keypoints = np.zeros((1, 17, 3))
    keypoints[0, :, 2] = keypoint_scores
    keys = [associator.step(BOX, np.array([0.5]), keypoints) for _ in range(3)]
    assert associator.numbers(keys[-1]).tolist() == [1]


def test_without_keypoints_the_score_decides() -> None:
    """A pose network may read none at all."""
    assert numbers([(0.5, np.nan)] * 10) == [1] * 10


def test_a_number_does_not_move_to_the_background() -> None:
    """A hut stands where a sheep left: for half a second it may still be the sheep."""
    found = numbers([(0.9, 0.5)] * 25 + [(0.5, 0.02)] * 50)
    assert found[:25] == [1] * 25
    assert found[25 + 13 :] == [-1] * 37


def test_the_animal_takes_its_number_back() -> None:
    found = numbers([(0.9, 0.5)] * 25 + [(0.5, 0.02)] * 30 + [(0.5, 0.4)] * 10)
    assert found[-10:] == [1] * 10


def test_short_doubt_costs_nothing() -> None:
    assert numbers([(0.9, 0.5)] * 5 + [(0.5, 0.02)] * 12 + [(0.9, 0.5)] * 5) == [1] * 22
