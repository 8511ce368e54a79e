"""Animals followed from their first boxes: by hand, and beside a slow second implementation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aptv2.errors import InputError
from aptv2.evaluation import score_followed, score_single_object
from aptv2.tables import Frames, PoseTable

TRUTH = np.array([[0, 0, 10, 10]] * 5, np.float32)
GOT10K = ("AO", "SR50", "SR75")


def moved(boxes: np.ndarray, x: float, y: float) -> np.ndarray:
    return boxes + np.array([x, y, 0, 0])


def test_by_hand() -> None:
    found = np.array(
        [[90, 90, 1, 1], [0, 0, 10, 10], [5, 0, 10, 10], [0, 0, 10, 8], [99, 0, 10, 10]]
    )
    scores = score_single_object(TRUTH, found)
    # The first frame, though wrong, does not count.
    assert scores["AO"] == pytest.approx((1 + 1 / 3 + 0.8 + 0) / 4)
    assert (scores["SR50"], scores["SR75"]) == (0.5, 0.5)
    # Overlaps 0, 1, 1/3, 0.8, 0: of the 21 thresholds 0, 20, 7, 16 and 0 are passed.
    assert scores["success"] == pytest.approx((0 + 20 + 7 + 16 + 0) / 21 / 5)
    # Centres are off by far, 0, 5, 1 and 99 pixels.
    assert scores["precision"] == pytest.approx(3 / 5)
    assert scores["normalised_precision"] == pytest.approx(2 / 5)
    absent = np.array([False, False, True, False, True])
    without = score_single_object(TRUTH, found, absent)
    assert without["AO"] == pytest.approx(0.9)
    assert without["precision"] == pytest.approx(2 / 3)


def test_the_best_there_is() -> None:
    scores = dict(score_single_object(TRUTH, TRUTH))
    assert scores.pop("success") == pytest.approx(20 / 21)  # nothing overlaps by more than 1
    assert set(scores.values()) == {1.0}


def test_a_threshold_has_to_be_passed_but_a_distance_may_be_reached() -> None:
    half = score_single_object(TRUTH, TRUTH * [1, 1, 0.5, 1])
    assert [half[name] for name in GOT10K] == [0.5, 0, 0]
    assert score_single_object(TRUTH, moved(TRUTH, 20, 0))["precision"] == 1
    assert score_single_object(TRUTH, moved(TRUTH, 20.001, 0))["precision"] == 0
    assert score_single_object(TRUTH, moved(TRUTH, 0, 2))["normalised_precision"] == 1
    assert score_single_object(TRUTH, moved(TRUTH, 0, 2.001))["normalised_precision"] == 0


def test_boxes_that_reach_out_of_the_frame_as_the_toolkit_has_it() -> None:
    truth = np.array([[0, 0, 10, 10]] * 2)
    # Beyond the right edge: both end there, 4 of 10 are left.
    right = score_single_object(moved(truth, 90, 0), moved(truth, 96, 0), size=(100, 50))
    assert right["AO"] == pytest.approx(0.4)
    # Left of the frame: moved into it with its size.
    left = score_single_object(truth, truth - [5, 0, 0, 0], size=(100, 50))
    assert left["AO"] == 1
    assert left["success"] < 20 / 21  # OTB takes it as it is
    assert score_single_object(truth, truth - [5, 0, 0, 0])["AO"] == pytest.approx(1 / 3)


def test_lost_or_never_there() -> None:
    lost = score_single_object(TRUTH, np.full((5, 4), np.nan), size=(100, 100))
    assert set(lost.values()) == {0.0}
    for scores in (
        score_single_object(TRUTH, TRUTH, np.ones(5, bool)),
        score_single_object(TRUTH[:0], TRUTH[:0]),
    ):
        assert np.isnan(list(scores.values())).all()
    assert math.isnan(score_single_object(TRUTH[:1], TRUTH[:1])["AO"])


def test_lengths() -> None:
    with pytest.raises(ValueError, match="5 true boxes, 4 predicted"):
        score_single_object(TRUTH, TRUTH[:4])


def slow(objects: list[list[tuple[list[float], list[float] | None]]], size: int) -> dict:
    """The published definitions, box by box: objects of frames of a true and a found box."""

    def overlap(a: list[float], b: list[float] | None) -> float:
        if b is None:
            return 0.0
        wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        both = max(wide, 0) * max(high, 0)
        union = a[2] * a[3] + b[2] * b[3] - both
        return both / union if union else 0.0

    def inside(box: list[float] | None) -> list[float] | None:
        if box is None:
            return None
        x, y = min(max(box[0], 0), size), min(max(box[1], 0), size)
        return [x, y, min(box[2], size - x), min(box[3], size - y)]

    def middle(box: list[float]) -> tuple[float, float]:
        return box[0] + (box[2] - 1) / 2, box[1] + (box[3] - 1) / 2

    ious, success, precision, normalised = [], [], [], []
    for frames in objects:
        ious += [overlap(inside(a), inside(b)) for a, b in frames[1:]]
        passed = near = close = 0
        for a, b in frames:
            passed += sum(overlap(a, b) > step / 20 for step in range(21))
            if b is not None:
                (ax, ay), (bx, by) = middle(a), middle(b)
                near += math.hypot(ax - bx, ay - by) <= 20
                close += math.hypot((ax - bx) / a[2], (ay - by) / a[3]) <= 0.2
        success.append(passed / 21 / len(frames))
        precision.append(near / len(frames))
        normalised.append(close / len(frames))

    def mean(values: list) -> float:
        return sum(values) / len(values) if values else math.nan

    return {
        "AO": mean(ious),
        "SR50": mean([iou > 0.5 for iou in ious]),
        "SR75": mean([iou > 0.75 for iou in ious]),
        "success": mean(success),
        "precision": mean(precision),
        "normalised_precision": mean(normalised),
    }


def clips(rng: np.random.Generator, size: int) -> tuple[PoseTable, PoseTable, list]:
    """Two clips of animals that come and go, and a tracker that loses some; frames in any order."""
    count = 7
    order = rng.permutation(2 * count)
    frames = Frames.make(
        clips=np.repeat([4, 9], count)[order],
        indices=np.tile(np.arange(count), 2)[order],
        sizes=np.full((2 * count, 2), size),
    )
    rows, objects = [], []
    for clip in (4, 9):
        for track in range(rng.integers(0, 3)):
            shown = []
            for index in range(count):
                if rng.random() < 0.3:
                    continue  # out of sight
                # Whole numbers, so that ties are met.
                true = [*rng.integers(-5, size, 2), *rng.integers(1, 12, 2)]
                step = [*rng.integers(-4, 5, 2), *rng.integers(0, 3, 2)]
                found = (
                    None if rng.random() < 0.2 else [a + b for a, b in zip(true, step, strict=True)]
                )
                frame = np.flatnonzero((frames.clips == clip) & (frames.indices == index))[0]
                rows.append((frame, track, true, found))
                shown.append((true, found))
            objects += [shown] if shown else []
    found_rows = [row for row in rows if row[3] is not None]
    truth, found = (
        PoseTable.make(
            frames,
            [row[0] for row in chosen],
            boxes=[row[column] for row in chosen],
            tracks=[row[1] for row in chosen],
        )
        for chosen, column in ((rows, 2), (found_rows, 3))
    )
    return truth, found, objects


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_beside_a_slow_implementation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, found, objects = clips(rng, size=30)
    shuffled = found[rng.permutation(len(found))]
    scores = score_followed(truth, shuffled)
    assert scores["animals"] == len(objects) == len(scores["by_animal"])
    assert scores["frames"] == sum(len(one) - 1 for one in objects)
    for name, value in slow(objects, 30).items():
        assert scores[name] == pytest.approx(value, nan_ok=True), name


def test_every_animal_on_its_own() -> None:
    truth = PoseTable.make(
        Frames.make(clips=[3, 3, 3], indices=[0, 1, 2]),
        [0, 1, 2, 1, 2],
        boxes=[[0, 0, 10, 10]] * 5,
        tracks=[1, 1, 1, 2, 2],
    )
    boxes = truth.boxes.copy()
    boxes[4] = [50, 50, 10, 10]
    found = replace(truth, boxes=boxes)
    scores = score_followed(truth, found)
    assert scores["by_animal"]["3/1"]["AO"] == 1
    assert scores["by_animal"]["3/2"]["AO"] == 0
    assert scores["AO"] == pytest.approx(2 / 3)
    assert scores["precision"] == pytest.approx((1 + 1 / 2) / 2)


def test_what_cannot_be_scored() -> None:
    truth = PoseTable.make(Frames.make(2), [0, 1], boxes=TRUTH[:2], tracks=[1, 1])
    with pytest.raises(InputError, match="none of the ground truth's tracks"):
        score_followed(truth, replace(truth, tracks=np.array([2, 2])))
    with pytest.raises(InputError, match="animals of the predictions have no box"):
        score_followed(truth, replace(truth, boxes=np.full((2, 4), np.nan, np.float32)))
    with pytest.raises(InputError, match="Track 1 of the predictions appears twice"):
        score_followed(truth, replace(truth, frame=np.array([0, 0])))
