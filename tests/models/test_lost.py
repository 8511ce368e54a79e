"""Animals that leave, come back and meet: what every template tracker does with them."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import pytest

import aptv2
from aptv2.errors import InputError
from aptv2.models.trackers.base import GROWTH, LARGEST, LOST, Found, TemplateTracker
from aptv2.similarity import OVERLAPPING_FRAMES

FRAME = np.zeros((240, 320, 3), np.uint8)
BOX = [100, 80, 40, 30]
OTHER = [200, 80, 40, 30]


class Scripted(TemplateTracker):
    """Finds what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = Found(np.empty((0, 4)), np.empty(0))

    def _meet(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        self.met = boxes

    def _find(self, frame: np.ndarray) -> Found:
        return self.answer

    def sees(self, boxes: list[list[float]], certainty: list[float]) -> np.ndarray:
        """One step; confidences."""
        self.answer = Found(np.array(boxes, float), np.array(certainty))
        return self.step(FRAME)[1]


@pytest.fixture
def tracker() -> Scripted:
    return Scripted()


class TestLost:
    def test_one_that_leaves_and_comes_back(self, tracker: Scripted) -> None:
        tracker.start(FRAME, np.array([BOX]))
        assert tracker.lost.tolist() == [False]
        for frame in range(1, 12):
            confidence = tracker.sees([OTHER], [LOST - 0.01])
            np.testing.assert_allclose(confidence, [LOST - 0.01])
            assert tracker.lost.tolist() == [True]
            assert tracker.boxes.tolist() == [BOX]  # where it was last seen
            np.testing.assert_allclose(tracker.reach, min(GROWTH**frame, LARGEST))
        assert tracker.sees([OTHER], [1.7]).tolist() == [1]
        assert tracker.boxes.tolist() == [OTHER]
        assert (tracker.lost.tolist(), tracker.reach.tolist()) == ([False], [1])

    def test_one_that_never_comes_back(self, tracker: Scripted) -> None:
        tracker.start(FRAME, np.array([BOX]))
        for _ in range(500):
            tracker.sees([OTHER], [0.0])
        assert tracker.boxes.tolist() == [BOX]
        assert tracker.reach.tolist() == [LARGEST]


class TestTwoOnOneAnimal:
    @pytest.mark.parametrize(
        ("certainty", "loser"), [([0.9, 0.6], 1), ([0.6, 0.9], 0), ([2, 2], 1)]
    )
    def test_the_less_sure_one_is_lost_until_it_is_elsewhere(
        self, tracker: Scripted, certainty: list[float], loser: int
    ) -> None:
        tracker.start(FRAME, np.array([BOX, OTHER]))
        for _ in range(OVERLAPPING_FRAMES):
            tracker.sees([BOX, BOX], certainty)
            assert not tracker.lost.any()
        for _ in range(30):
            tracker.sees([BOX, BOX], certainty)
            assert tracker.lost.tolist() == [loser == 0, loser == 1]
            assert tracker.confidence[loser] == 0
        apart = [BOX, BOX]
        apart[loser] = OTHER
        tracker.sees(apart, certainty)
        assert not tracker.lost.any()
        assert tracker.boxes.tolist() == apart

    def test_passing_before_another_is_no_matter(self, tracker: Scripted) -> None:
        tracker.start(FRAME, np.array([BOX, OTHER]))
        for _ in range(4):
            for _ in range(OVERLAPPING_FRAMES):
                tracker.sees([BOX, BOX], [0.9, 0.8])
                assert not tracker.lost.any()
            tracker.sees([BOX, OTHER], [0.9, 0.8])

    def test_a_lost_one_takes_no_place(self, tracker: Scripted) -> None:
        tracker.start(FRAME, np.array([BOX, OTHER]))
        for _ in range(2 * OVERLAPPING_FRAMES):
            tracker.sees([BOX, BOX], [0.2, 0.1])
        assert tracker._overlapping.tolist() == [0, 0]

    def test_of_three_one_stays(self, tracker: Scripted) -> None:
        tracker.start(FRAME, np.array([BOX, OTHER, [10, 10, 20, 20]]))
        for _ in range(OVERLAPPING_FRAMES + 1):
            tracker.sees([BOX] * 3, [0.7, 0.9, 0.8])
        assert tracker.lost.tolist() == [True, False, True]


class TestBadInput:
    @pytest.mark.parametrize(
        ("box", "message"),
        [
            ([10, 10, 0, 20], r"box 1 \(x 10, y 10, width 0, height 20\) has no area"),
            ([10, 10, 20, -1], "has no area"),
            ([320, 10, 20, 20], "lies outside the 320 x 240 frame"),
            ([10, -20, 20, 20], "lies outside"),
            ([10, np.nan, 20, 20], "every number must be finite"),
            ([10, 10, 1e9, 20], "far larger than the 320 x 240 frame"),
        ],
    )
    def test_boxes(self, tracker: Scripted, box: list[float], message: str) -> None:
        with pytest.raises(InputError, match=message):
            tracker.start(FRAME, np.array([BOX, box]))

    def test_boxes_of_another_shape(self, tracker: Scripted) -> None:
        with pytest.raises(InputError, match=r"an array \(N, 4\)"):
            tracker.start(FRAME, np.ones((4, 3)))

    def test_two_equal_boxes(self, tracker: Scripted) -> None:
        with pytest.warns(UserWarning, match="boxes 0 and 2 are equal"):
            tracker.start(FRAME, np.array([BOX, OTHER, BOX]))
        for _ in range(OVERLAPPING_FRAMES + 1):
            tracker.sees([BOX, OTHER, BOX], [1, 1, 1])
        assert tracker.lost.tolist() == [False, False, True]

    def test_frames_that_change_size(self, tracker: Scripted) -> None:
        tracker.start(FRAME, np.array([BOX]))
        with pytest.raises(InputError, match="100 x 50 pixels follows frames of 320 x 240"):
            tracker.step(np.zeros((50, 100, 3), np.uint8))
        tracker.start(np.zeros((50, 100, 3), np.uint8), np.array([[1, 2, 3, 4]]))  # anew

    @pytest.mark.parametrize(
        "frame", [FRAME[..., 0], FRAME.astype(np.float32), FRAME[:0], np.zeros((9, 9, 4), np.uint8)]
    )
    def test_frames(self, tracker: Scripted, frame: np.ndarray) -> None:
        with pytest.raises(InputError, match="must be a uint8 array"):
            tracker.start(frame, np.array([BOX]))


@pytest.mark.parametrize("name", ["lite", "vitposetrack_s"])
class TestNetworks:
    def test_two_tracks_of_one_place_part(self, name: str) -> None:
        """Equal boxes stay on one place, whatever the network."""
        rng = np.random.default_rng(0)
        frame = rng.integers(0, 256, (60, 80, 3), np.uint8)
        tracker = aptv2.load_tracker(name, None if name == "lite" else "random", device="cpu")
        with pytest.warns(UserWarning, match="boxes 0 and 1 are equal"):
            tracker.start(frame, np.array([[20, 20, 30, 30], [20, 20, 30, 30]]))
        for _ in range(OVERLAPPING_FRAMES + 1):
            tracker.step(frame)
        assert tracker.lost[1]

    def test_no_animal(self, name: str) -> None:
        tracker = aptv2.load_tracker(name, None if name == "lite" else "random", device="cpu")
        tracker.start(FRAME, np.empty((0, 4)))
        boxes, scores = tracker.step(FRAME)
        assert (boxes.shape, scores.shape) == ((0, 4), (0,))


def test_a_state_holds_all(tracker: Scripted) -> None:
    tracker.start(FRAME, np.array([BOX, OTHER]))
    for _ in range(OVERLAPPING_FRAMES):
        tracker.sees([BOX, BOX], [0.9, 0.5])
    again = Scripted()
    state: Mapping[str, np.ndarray] = copy.deepcopy(tracker.state())
    again.restore(state)
    for each in (tracker, again):
        each.sees([BOX, BOX], [0.9, 0.5])
    assert again.lost.tolist() == tracker.lost.tolist() == [False, True]
