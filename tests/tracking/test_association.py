"""Association: animals that cross, hide, come and go keep one number each.

Scenes have animals on known paths, and what an imperfect detector and pose network would report.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_scenes import FPS, HEIGHT, POSE, WIDTH, Scene, identity_scores, path, simulate

from aptv2.skeleton import ANIMAL17
from aptv2.tracking.association import Associator


def associate(scene: Scene, **options: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Numbers and boxes of each frame."""
    associator = Associator(FPS, WIDTH, HEIGHT, **options)
    keys = [associator.step(seen.boxes, seen.scores, seen.keypoints) for seen in scene.seen]
    associator.finish()
    found = []
    for key, seen in zip(keys, scene.seen, strict=True):
        numbers = associator.numbers(key)
        found.append((numbers[numbers > 0], seen.boxes[numbers > 0]))
    return found


def rightwards(y: float = 180, frames: int = 100, **options: int) -> np.ndarray:
    return path((60, y), (580, y + 5), frames, **options)


def leftwards(y: float = 175, frames: int = 100, **options: int) -> np.ndarray:
    return path((580, y), (60, y - 3), frames, **options)


@pytest.mark.parametrize("seed", range(4))
def test_crossing_animals_keep_their_numbers(seed: int) -> None:
    scene = simulate([rightwards(), leftwards()], seed=seed)
    scores = identity_scores(scene.truth, associate(scene))
    assert (scores["switches"], scores["numbers"]) == (0, 2)
    assert scores["idf1"] > 0.93


@pytest.mark.parametrize("seed", range(4))
def test_an_animal_hidden_for_a_second_keeps_its_number(seed: int) -> None:
    hidden = {0: range(40, 65)}
    scene = simulate([rightwards(frames=125), leftwards(60)], blind=hidden, seed=seed)
    scores = identity_scores(scene.truth, associate(scene))
    assert (scores["switches"], scores["numbers"]) == (0, 2)


def test_an_animal_hidden_beyond_patience_is_a_new_one() -> None:
    scene = simulate([rightwards(frames=200)], blind={0: range(60, 140)}, false_positives=0)
    assert identity_scores(scene.truth, associate(scene))["numbers"] == 2
    assert identity_scores(scene.truth, associate(scene, patience=4.0))["numbers"] == 1


@pytest.mark.parametrize("seed", range(3))
def test_animals_come_and_go(seed: int) -> None:
    length = 200
    scene = simulate(
        [
            path((-60, 180), (700, 185), 125, length=length),
            path((700, 90), (-60, 92), 125, first=50, length=length),
            path((-60, 280), (700, 280), 100, first=100, length=length),
        ],
        seed=seed,
    )
    scores = identity_scores(scene.truth, associate(scene))
    assert (scores["switches"], scores["numbers"]) == (0, 3)
    assert scores["idf1"] > 0.96


def test_who_left_is_not_taken_for_who_enters_there_soon_after() -> None:
    gone = path((400, 180), (720, 180), 60, length=120)
    enters = path((720, 180), (400, 180), 40, first=72, length=120)
    scene = simulate([gone, enters], jitter=0.01, miss=0, false_positives=0)
    assert identity_scores(scene.truth, associate(scene))["numbers"] == 2


def test_jitter_and_missed_detections_cost_no_number() -> None:
    scene = simulate([rightwards(), leftwards(60)], jitter=0.06, miss=0.25, false_positives=0.3)
    scores = identity_scores(scene.truth, associate(scene))
    assert (scores["switches"], scores["numbers"]) == (0, 2)


def test_flickering_false_positives_get_no_number() -> None:
    scene = simulate([np.full((300, 4), np.nan)], false_positives=1.0)
    assert sum(len(seen.boxes) for seen in scene.seen) > 200
    assert sum(len(numbers) for numbers, _ in associate(scene)) == 0


@pytest.mark.parametrize("step", [1, 3])
def test_frame_rate_does_not_matter(step: int) -> None:
    scene = simulate([rightwards(), leftwards()], seed=1)
    associator = Associator(FPS / step, WIDTH, HEIGHT)
    keys = [associator.step(s.boxes, s.scores, s.keypoints) for s in scene.seen[::step]]
    found = [
        (associator.numbers(key), seen.boxes)
        for key, seen in zip(keys, scene.seen[::step], strict=True)
    ]
    found = [(n[n > 0], boxes[n > 0]) for n, boxes in found]
    scores = identity_scores(scene.truth[::step], found)
    assert (scores["switches"], scores["numbers"]) == (0, 2)


def posed(boxes: list[list[float]], shape: np.ndarray = POSE) -> np.ndarray:
    """Keypoints (N, 17, 3) of animals that fill their boxes."""
    array = np.array(boxes, np.float64).reshape(-1, 4)
    points = array[:, None, :2] + shape * array[:, None, 2:]
    return np.concatenate([points, np.full((len(array), 17, 1), 0.9)], axis=2)


def repeat(
    frames: int, boxes: list[list[float]], scores: list[float], keypoints: np.ndarray
) -> list[np.ndarray]:
    """Numbers per frame of detections that stand still."""
    associator = Associator(FPS, WIDTH, HEIGHT)
    keys = [associator.step(np.array(boxes), np.array(scores), keypoints) for _ in range(frames)]
    associator.finish()
    return [associator.numbers(key) for key in keys]


def test_an_animal_is_there_from_its_first_frame() -> None:
    box = [[100.0, 100, 90, 60]]
    assert [n.tolist() for n in repeat(3, box, [0.9], posed(box))] == [[1], [1], [1]]


def test_an_animal_needs_three_clear_frames_in_a_row() -> None:
    box = np.array([[100.0, 100, 90, 60]])
    keypoints, none = posed(box.tolist()), np.zeros((0, 4))
    associator = Associator(FPS, WIDTH, HEIGHT)
    seen = [1, 1, 0, 1, 1, 0, 1, 1, 1]
    keys = [
        associator.step(box, np.array([0.9]), keypoints)
        if there
        else associator.step(none, np.zeros(0), np.zeros((0, 17, 3)))
        for there in seen
    ]
    numbers = [associator.numbers(key).tolist() for key in keys]
    assert numbers == [[-1], [-1], [], [-1], [-1], [], [1], [1], [1]]


@pytest.mark.parametrize("frames", [1, 2])
def test_a_video_of_few_frames_has_animals(frames: int) -> None:
    box = [[100.0, 100, 90, 60]]
    assert repeat(frames, box, [0.9], posed(box))[0].tolist() == [1]


def test_doubtful_detections_carry_on_but_do_not_start() -> None:
    box = [[100.0, 100, 90, 60]]
    assert repeat(10, box, [0.3], posed(box))[-1].tolist() == [-1]
    associator = Associator(FPS, WIDTH, HEIGHT)
    keys = [
        associator.step(np.array(box), np.array([score]), posed(box))
        for score in [0.9] * 3 + [0.3] * 20
    ]
    assert np.concatenate([associator.numbers(key) for key in keys]).tolist() == [1] * 23


def test_only_detections_that_matter_get_keypoints() -> None:
    boxes = np.array([[100.0, 100, 90, 60], [300, 100, 90, 60], [500, 100, 90, 60]])
    associator = Associator(FPS, WIDTH, HEIGHT)
    for _ in range(3):
        associator.step(boxes[:1], np.array([0.9]), posed(boxes[:1].tolist()))
    scores = np.array([0.3, 0.3, 0.7])
    assert associator.carries_on(boxes, scores).tolist() == [True, False, True]


def test_a_part_of_an_animal_is_no_second_one() -> None:
    whole, head = [100.0, 100, 120, 80], [95.0, 95, 50, 40]
    keypoints = posed([whole, whole])
    keypoints[1, 4:, 2] = 0.05
    numbers = repeat(10, [whole, head], [0.9, 0.8], keypoints)
    assert {tuple(n) for n in numbers} == {(1, -1)}


def test_a_young_one_before_its_mother_is_a_second_animal() -> None:
    mother, young = [100.0, 100, 200, 150], [170.0, 170, 80, 60]
    numbers = repeat(10, [mother, young], [0.9, 0.8], posed([mother, young]))
    assert {tuple(n) for n in numbers} == {(1, 2)}


def test_two_tracks_do_not_stay_on_one_animal() -> None:
    still, comes = path((300, 180), (300, 180), 110), path((420, 180), (304, 181), 60, length=110)
    comes[60:] = comes[59]
    associator = Associator(FPS, WIDTH, HEIGHT)
    told = []
    for boxes in np.stack([still, comes], axis=1):
        keypoints = posed(boxes.tolist())
        told.append(associator.numbers(associator.step(boxes, np.array([0.9, 0.9]), keypoints)))
    assert told[30].tolist() == [1, 2]
    assert told[-1].tolist() == [1, -1]


def test_keypoints_decide_between_boxes_that_overlap_alike() -> None:
    """Two boxes change places; a standing and a rearing animal stay where their keypoints are."""
    rearing = POSE[:, ::-1].copy()
    left, right = [300.0, 150, 80, 80], [312.0, 150, 80, 80]
    associator = Associator(FPS, WIDTH, HEIGHT)
    scores = np.array([0.9, 0.9])
    first = np.concatenate([posed([left]), posed([right], rearing)])
    for _ in range(3):
        keys = associator.step(np.array([left, right]), scores, first)
    middle = [[306.0, 150, 80, 80], [306.5, 150, 80, 80]]
    swapped = np.concatenate([posed(middle[1:], rearing), posed(middle[:1])])
    after = associator.step(np.array(middle), scores, swapped)
    assert after.tolist() == keys.tolist()[::-1]


def test_it_resumes_where_it_stopped() -> None:
    scene = simulate([rightwards(), leftwards()], seed=3)
    whole, second = Associator(FPS, WIDTH, HEIGHT), Associator(FPS, WIDTH, HEIGHT)
    for t, seen in enumerate(scene.seen):
        expected = whole.step(seen.boxes, seen.scores, seen.keypoints)
        if t > 55:
            found = second.step(seen.boxes, seen.scores, seen.keypoints)
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(second.numbers(found), whole.numbers(expected))
        if t == 55:
            second.restore(whole.state())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1.0, 25.0, 240.0]))
def test_whatever_is_detected_a_number_comes_once_a_frame(seed: int, fps: float) -> None:
    rng = np.random.default_rng(seed)
    associator = Associator(fps, WIDTH, HEIGHT)
    keys = []
    for _ in range(20):
        count = rng.integers(0, 8)
        boxes = rng.uniform(-20, 300, (count, 4)) * [1, 1, *rng.choice([0.01, 1], 2)]
        keypoints = rng.uniform(0, 1, (count, len(ANIMAL17), 3)) * [300, 300, 1]
        scores = rng.uniform(0, 1, count)
        assert associator.carries_on(boxes, scores).shape == (count,)
        keys.append(associator.step(boxes, scores, keypoints))
        told = keys[-1][keys[-1] >= 0]
        assert len(np.unique(told)) == len(told)
    associator.finish()
    for key in keys:
        numbers = associator.numbers(key)
        assert len(np.unique(numbers[numbers > 0])) == np.count_nonzero(numbers > 0)
