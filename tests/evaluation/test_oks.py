from __future__ import annotations

import numpy as np
import pytest

from aptv2.evaluation import oks as oks_module
from aptv2.evaluation.oks import MAX_KEPT, frame_pairs, oks, suppress, suppress_softly

SIGMAS = np.array([0.5, 0.25])
ONE = np.zeros(MAX_KEPT + 1, np.int64)  # the frame that all animals are in


def pose(x: float) -> np.ndarray:
    """Two keypoints at (x, 0) and (x, 10)."""
    return np.array([[x, 0, 1], [x, 10, 1]], np.float32)


def test_by_hand() -> None:
    # d² = 4, mean area = 4: exp(-4 / (2 * 4 * 1)) and exp(-4 / (2 * 4 * 0.25)).
    value = oks(pose(0), np.stack([pose(2), pose(0)]), 2.0, np.array([6.0, 2.0]), SIGMAS)
    assert value[0] == pytest.approx((np.exp(-0.5) + np.exp(-2)) / 2, rel=1e-12)
    assert value[1] == 1


def test_keypoints_without_score_count_too() -> None:
    hidden = pose(2)
    hidden[:, 2] = 0
    first = oks(pose(0), pose(2)[None], 4.0, np.array([4.0]), SIGMAS)
    assert oks(pose(0), hidden[None], 4.0, np.array([4.0]), SIGMAS) == first


def test_animals_without_area() -> None:
    areas = np.zeros(2)
    assert oks(pose(0), np.stack([pose(0), pose(1)]), 0.0, areas, SIGMAS).tolist() == [1, 0]


def test_near_duplicates_fall_to_the_best() -> None:
    keypoints = np.stack([pose(0), pose(0.1), pose(50), pose(50.1)])
    kept = suppress(ONE[:4], keypoints, np.full(4, 100.0), np.array([0.5, 0.9, 0.3, 0.1]), SIGMAS)
    assert kept.tolist() == [1, 2]


def test_the_threshold_itself_is_kept() -> None:
    keypoints, areas = np.stack([pose(0), pose(1)]), np.full(2, 100.0)
    alike = float(oks(keypoints[0], keypoints[1:], 100.0, areas[1:], SIGMAS)[0])
    scores = np.array([0.9, 0.5])
    assert suppress(ONE[:2], keypoints, areas, scores, SIGMAS, threshold=alike).tolist() == [0, 1]
    assert suppress(ONE[:2], keypoints, areas, scores, SIGMAS, threshold=alike - 1e-9).tolist() == [
        0
    ]


def test_of_equal_scores_the_later_stays() -> None:
    assert suppress(ONE[:3], np.stack([pose(0)] * 3), np.ones(3), np.ones(3), SIGMAS).tolist() == [
        2
    ]


def test_softly_nothing_is_lost_up_to_the_limit() -> None:
    keypoints = np.stack([pose(0)] * MAX_KEPT)
    kept = suppress_softly(
        ONE[:MAX_KEPT], keypoints, np.ones(MAX_KEPT), np.linspace(0.1, 1, MAX_KEPT), SIGMAS
    )
    assert sorted(kept.tolist()) == list(range(MAX_KEPT))


def test_softly_duplicates_go_first_where_there_are_too_many() -> None:
    # A weak animal alone stays; of 20 that stand on one spot the last in rank goes.
    keypoints = np.stack([*[pose(0)] * MAX_KEPT, pose(500)])
    scores = np.append(np.linspace(0.5, 1, MAX_KEPT), 0.1)
    kept = suppress_softly(ONE, keypoints, np.ones(MAX_KEPT + 1), scores, SIGMAS).tolist()
    # Each that is chosen takes the others down to exp(-1 / 0.9) = 0.33 of their scores.
    assert kept[:4] == [19, 18, 17, 20]
    assert sorted(kept) == list(range(1, 21))


@pytest.mark.parametrize("choose", [suppress, suppress_softly])
def test_no_animal(choose: type[suppress]) -> None:
    assert choose(ONE[:0], np.zeros((0, 2, 3)), np.zeros(0), np.zeros(0), SIGMAS).shape == (0,)


@pytest.mark.parametrize("block", [1, 7, 2**16])
@pytest.mark.parametrize("choose", [suppress, suppress_softly])
def test_frames_are_apart(
    choose: type[suppress], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many frames at once are as each alone, however many pairs are worked on at a time."""
    monkeypatch.setattr(oks_module, "_BLOCK", block)
    rng = np.random.default_rng(0)
    frame, x = rng.choice([3, 5, 9], 90), rng.integers(0, 3, 90) + rng.random(90) / 10
    keypoints, areas = np.stack([pose(float(v)) for v in x]), np.full(90, 20.0)
    scores = rng.integers(0, 10, 90) / 10
    alone = [
        rows[choose(frame[rows], keypoints[rows], areas[rows], scores[rows], SIGMAS)]
        for rows in (np.flatnonzero(frame == number) for number in (3, 5, 9))
    ]
    together = choose(frame, keypoints, areas, scores, SIGMAS)
    assert together.tolist() == np.concatenate(alone).tolist()
    assert 3 < len(together) < 90


def test_pairs_of_one_frame() -> None:
    first, second = np.array([4, 1, 4, 2]), np.array([1, 4, 4, 7])
    pairs = [tuple(pair) for part in frame_pairs(first, second) for pair in zip(*part, strict=True)]
    assert pairs == [(0, 1), (0, 2), (1, 0), (2, 1), (2, 2)]
