"""Association: animals that cross, hide, come and go keep one number each.

Scenes have animals on known paths, and what an imperfect detector and pose network would report.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from aptv2 import boxes as box_tools
from aptv2.skeleton import ANIMAL17
from aptv2.tracking.association import Associator

WIDTH, HEIGHT, FPS = 640, 360, 25.0

# A quadruped seen from its left, in a box from 0 to 1: the 17 keypoints of ANIMAL17.
POSE = np.array(
    [
        [0.08, 0.14], [0.11, 0.13], [0.02, 0.25], [0.20, 0.22], [0.95, 0.25],
        [0.27, 0.50], [0.25, 0.70], [0.24, 0.98], [0.33, 0.50], [0.33, 0.70], [0.34, 0.97],
        [0.80, 0.50], [0.83, 0.72], [0.80, 0.98], [0.87, 0.50], [0.92, 0.72], [0.91, 0.97],
    ]
)  # fmt: skip


@dataclass
class Seen:
    """What the detector reports of one frame."""

    boxes: np.ndarray
    scores: np.ndarray
    keypoints: np.ndarray


@dataclass
class Scene:
    """Frames of detections, and of the animals that are really there: (numbers, boxes)."""

    seen: list[Seen]
    truth: list[tuple[np.ndarray, np.ndarray]]


def path(
    start: tuple[float, float],
    end: tuple[float, float],
    frames: int,
    size: tuple[float, float] = (90, 60),
    first: int = 0,
    length: int | None = None,
) -> np.ndarray:
    """float64 (length, 4): a box whose centre walks straight; NaN before and after its frames."""
    boxes = np.full((length or first + frames, 4), np.nan)
    share = np.linspace(0, 1, frames)[:, None]
    centre = np.array(start) * (1 - share) + np.array(end) * share
    boxes[first : first + frames] = np.concatenate(
        [centre - np.array(size) / 2, np.tile(size, (frames, 1))], axis=1
    )
    return boxes


def simulate(
    paths: list[np.ndarray],
    *,
    jitter: float = 0.03,
    miss: float = 0.03,
    false_positives: float = 0.1,
    blind: dict[int, range] | None = None,
    seed: int = 0,
) -> Scene:
    """Detections of animals; a later path is nearer to the camera and hides the earlier ones.

    Parameters
    ----------
    jitter
        Standard deviation of box edges and keypoints, as a share of the box.
    miss
        Share of clearly visible animals that the detector overlooks.
    false_positives
        Mean number of boxes without an animal in a frame.
    blind
        Frames in which an animal (by its place in `paths`) is there but not found.
    """
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, len(paths))
    shapes = POSE + rng.normal(0, 0.04, (len(paths), *POSE.shape))
    seen, truth = [], []
    for t in range(max(map(len, paths))):
        whole = np.array([p[t] if t < len(p) else np.full(4, np.nan) for p in paths])
        inside = box_tools.clip(np.nan_to_num(whole), WIDTH, HEIGHT)
        share = box_tools.area(inside) / np.maximum(box_tools.area(np.nan_to_num(whole)), 1)
        present = np.flatnonzero(share > 0.15)
        poses = _poses(whole, shapes, phases + t / FPS * 2 * np.pi * 1.5)
        boxes, scores, keypoints = [], [], []
        for place, animal in enumerate(present):
            front = present[place + 1 :]
            visible = _visible_part(inside[animal], inside[front])
            clear = box_tools.area(visible) / box_tools.area(inside[animal])
            unseen = blind is not None and t in blind.get(int(animal), range(0))
            if unseen or clear < 0.35 or rng.random() < miss + 0.5 * (1 - clear) ** 2:
                continue
            side = np.tile(visible[2:], 2)
            boxes.append(visible + rng.normal(0, jitter, 4) * side)
            scores.append(np.clip(0.9 * clear**0.5 + rng.normal(0, 0.08), 0.05, 1))
            keypoints.append(_measured_keypoints(poses, animal, front, inside, jitter, rng))
        for _ in range(rng.poisson(false_positives)):
            side = rng.uniform(20, 90, 2)
            corner = rng.uniform(0, 1, 2) * (np.array([WIDTH, HEIGHT]) - side)
            boxes.append(np.concatenate([corner, side]))
            scores.append(rng.uniform(0.1, 0.65))
            noise = np.concatenate([rng.random((17, 2)), rng.uniform(0, 0.3, (17, 1))], axis=1)
            keypoints.append(noise * [*side, 1] + [*corner, 0])
        seen.append(_suppressed(boxes, scores, keypoints))
        truth.append((present, inside[present]))
    return Scene(seen, truth)


def identity_scores(
    truth: list[tuple[np.ndarray, np.ndarray]], found: list[tuple[np.ndarray, np.ndarray]]
) -> dict[str, float]:
    """IDF1 (Ristani et al. 2016), identity switches and numbers used, at an IoU of 0.5."""
    overlaps: dict[tuple[int, int], int] = {}
    last: dict[int, int] = {}
    switches = total_truth = total_found = 0
    for (ids, boxes), (numbers, reported) in zip(truth, found, strict=True):
        total_truth, total_found = total_truth + len(ids), total_found + len(numbers)
        iou = box_tools.iou(boxes, reported)
        for i, j in zip(*np.nonzero(iou >= 0.5), strict=True):
            key = (int(ids[i]), int(numbers[j]))
            overlaps[key] = overlaps.get(key, 0) + 1
        for i, j in zip(*linear_sum_assignment(-iou), strict=True):
            if iou[i, j] >= 0.5:
                animal, number = int(ids[i]), int(numbers[j])
                switches += last.setdefault(animal, number) != number
                last[animal] = number
    rows = sorted({a for a, _ in overlaps})
    columns = sorted({b for _, b in overlaps})
    table = np.zeros((len(rows), len(columns)))
    for (a, b), count in overlaps.items():
        table[rows.index(a), columns.index(b)] = count
    hits = table[linear_sum_assignment(-table)].sum()
    numbers_used = {int(n) for numbers, _ in found for n in numbers}
    return {
        "idf1": 2 * hits / max(total_truth + total_found, 1),
        "switches": switches,
        "numbers": len(numbers_used),
        "found": total_found / max(total_truth, 1),
    }


def _poses(boxes: np.ndarray, shapes: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """float64 (animals, 17, 2): legs swing, the rest stays."""
    swing = np.zeros((len(boxes), 17))
    for leg, offset in ((7, 0.0), (10, np.pi), (13, np.pi), (16, 0.0)):
        swing[:, leg] = 0.10 * np.sin(phases + offset)
        swing[:, leg - 1] = 0.05 * np.sin(phases + offset)
    local = shapes.copy()
    local[:, :, 0] += swing
    return boxes[:, None, :2] + local * boxes[:, None, 2:]


def _visible_part(box: np.ndarray, front: np.ndarray) -> np.ndarray:
    """What is left of a box when those in front cut away the side that they cover."""
    left, top, right, bottom = box_tools.xywh_to_xyxy(box)
    for other in box_tools.xywh_to_xyxy(front):
        if min(bottom, other[3]) - max(top, other[1]) < 0.5 * (bottom - top):
            continue
        if other[0] <= left < other[2]:
            left = min(other[2], right)
        elif other[0] < right <= other[2]:
            right = max(other[0], left)
    return np.array([left, top, right - left, bottom - top])


def _measured_keypoints(
    poses: np.ndarray,
    animal: int,
    front: np.ndarray,
    boxes: np.ndarray,
    jitter: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Noisy keypoints; a covered keypoint is reported at random or at the covering animal's."""
    points = poses[animal] + rng.normal(0, jitter, (17, 2)) * boxes[animal, 2:]
    scores = rng.uniform(0.5, 0.95, 17)
    for other in front:
        x, y, w, h = boxes[other]
        covered = (np.abs(points - [x + w / 2, y + h / 2]) < np.array([w, h]) / 2).all(axis=1)
        wrong = covered & (rng.random(17) < 0.5)
        points[wrong] = poses[other][wrong]
        scores[covered] = rng.uniform(0.1, 0.6, int(covered.sum()))
    return np.concatenate([points, scores[:, None]], axis=1)


def _suppressed(boxes: list, scores: list, keypoints: list) -> Seen:
    """Sorted by score, with overlaps above 0.6 removed, as the detector does."""
    order = np.argsort(scores)[::-1]
    all_boxes = np.array(boxes).reshape(-1, 4)[order]
    iou, kept = box_tools.iou(all_boxes, all_boxes), []
    for i in range(len(order)):
        if all(iou[i, j] < 0.6 for j in kept):
            kept.append(i)
    return Seen(
        all_boxes[kept].astype(np.float32),
        np.array(scores)[order][kept].astype(np.float32),
        np.array(keypoints).reshape(-1, 17, 3)[order][kept].astype(np.float32),
    )


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
