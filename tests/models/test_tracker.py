"""The tracker: templates, search regions, and boxes back in the frame."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aptv2.models.lite.detection import STRIDE, cell_centres
from aptv2.models.lite.network import LiteNetwork
from aptv2.models.lite.tracker import SURE, TRUSTED, LiteTracker, square_frames
from aptv2.models.trackers.base import GROWTH, LARGEST, LOST, SEARCH_SIZE

SIZE = (240, 320)
SEEN, UNSEEN = 3.0, -6.0  # logits


class RedTracking(nn.Module):
    """A tracking head that finds the red box, and keeps what it is asked."""

    def __init__(self, red_corners: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.zeros(1))
        self.red_corners = red_corners
        self.seen = SEEN
        self.marked = torch.empty(0, 4)
        self.painted = torch.empty(0, 4)

    def template(self, features: list[Tensor], boxes: Tensor) -> Tensor:
        self.marked = boxes
        self.painted = self.red_corners(features[0]) / (features[0].shape[3] - 1)
        return torch.zeros(len(boxes), 64, 128)

    def forward(self, template: Tensor, features: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        assert len(template) == len(features[0])
        corners = self.red_corners(features[0]) / (features[0].shape[3] - 1)
        logits = torch.full((len(template), 1, 16, 16), UNSEEN)
        sizes, offsets = torch.full((2, len(template), 2, 16, 16), 0.5)
        for row, corner in enumerate(corners):
            if not corner.isnan().any():
                centre = (corner[:2] + corner[2:]) / 2 * 16
                x, y = centre.long()
                logits[row, 0, y, x] = self.seen
                sizes[row, :, y, x] = corner[2:] - corner[:2]
                offsets[row, :, y, x] = centre - centre.floor()
        return logits, sizes, offsets


class OneDetection(nn.Module):
    """A detection head that finds one box, corners in pixels, in every picture; or none."""

    def __init__(self, corners: list[float] | None = None, logit: float = 0.0) -> None:
        super().__init__()
        self.corners, self.logit = corners, logit

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        count, cells = len(features[0]), SEARCH_SIZE // STRIDE
        logits = torch.full((count, 1, cells, cells), -9.0)
        if self.corners is None:
            return logits, torch.ones(count, 4, cells, cells)
        corners = torch.tensor(self.corners)
        x, y = ((corners[:2] + corners[2:]) / 2 / STRIDE).long()
        logits[:, 0, y, x] = self.logit
        middle = cell_centres(cells, cells)
        away = [middle - corners[:2, None, None], corners[2:, None, None] - middle]
        return logits, torch.cat(away).expand(count, 4, cells, cells)


@pytest.fixture
def red_tracker(
    network: LiteNetwork, sight: type[nn.Module], red_corners: Callable[[Tensor], Tensor]
) -> LiteTracker:
    tracker = LiteTracker(network.search)
    tracker.backbone, tracker.head = sight(), RedTracking(red_corners)
    tracker.detection = OneDetection()
    return tracker


@pytest.fixture(scope="module")
def eager(network: LiteNetwork) -> LiteNetwork:
    """A network that sees its animal in every frame, so that its boxes move."""
    changed = copy.deepcopy(network)
    nn.init.constant_(changed.search.tracking.score[1].bias, 4.0)
    return changed


@pytest.fixture
def tracker(eager: LiteNetwork) -> LiteTracker:
    return LiteTracker(eager.search)


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (60, 80, 3), np.uint8) for _ in range(3)]


class TestGeometry:
    @pytest.mark.parametrize(
        "box", [[100, 80, 60, 40], [140, 60, 20, 90], [0, 0, 50, 50], [280, 200, 39, 39]]
    )
    def test_the_mark_lies_on_the_animal(
        self, red_tracker: LiteTracker, paint: Callable[..., np.ndarray], box: list[float]
    ) -> None:
        red_tracker.start(paint(SIZE, box), np.array([box]))
        np.testing.assert_allclose(red_tracker.head.marked, red_tracker.head.painted, atol=0.015)

    def test_a_moving_box_is_followed(
        self, red_tracker: LiteTracker, paint: Callable[..., np.ndarray]
    ) -> None:
        path = [[100 + 8 * t, 80 + 3 * t, 60 - t, 40 + 2 * t] for t in range(14)]
        red_tracker.start(paint(SIZE, path[0]), np.array([path[0]]))
        for box in path[1:]:
            found, scores = red_tracker.step(paint(SIZE, box))
            np.testing.assert_allclose(found, [box], atol=1.6)
            assert scores.tolist() == [1]
            assert found.dtype == scores.dtype == np.float32

    def test_a_box_wider_than_its_animal_stays_so_in_part(
        self, red_tracker: LiteTracker, paint: Callable[..., np.ndarray]
    ) -> None:
        """Such as one that takes in a tail which the network leaves out."""
        animal, given = [100, 80, 60, 40], [88, 80, 72, 44]
        red_tracker.start(paint(SIZE, animal), np.array([given]))
        found, _ = red_tracker.step(paint(SIZE, [130, 90, 60, 40]))
        left, below = 12 * TRUSTED, 4 * TRUSTED
        np.testing.assert_allclose(found, [[130 - left, 90, 60 + left, 40 + below]], atol=1.6)

    def test_a_box_that_holds_something_else_is_no_measure(
        self, red_tracker: LiteTracker, paint: Callable[..., np.ndarray]
    ) -> None:
        red_tracker.start(paint(SIZE, [100, 80, 60, 40]), np.array([[130, 90, 60, 40]]))
        assert red_tracker.margins.tolist() == [[0, 0, 0, 0]]

    def test_a_box_that_leaves_ends_at_the_frame(
        self, red_tracker: LiteTracker, paint: Callable[..., np.ndarray]
    ) -> None:
        red_tracker.start(paint(SIZE, [250, 100, 50, 50]), np.array([[250, 100, 50, 50]]))
        found, _ = red_tracker.step(paint(SIZE, [285, 110, 50, 50]))
        np.testing.assert_allclose(found, [[285, 110, 35, 50]], atol=1.6)

    def test_the_hidden_animal_is_looked_for_where_it_was(
        self, red_tracker: LiteTracker, paint: Callable[..., np.ndarray]
    ) -> None:
        box = [100, 80, 30, 30]
        red_tracker.start(paint(SIZE, box), np.array([box]))
        empty = paint(SIZE, [0, 0, -2, -2])
        reaches = []
        for _ in range(12):
            found, scores = red_tracker.step(empty)
            assert found.tolist() == [box]
            assert scores[0] < LOST / 2
            reaches.append(float(red_tracker.reach[0]))
        np.testing.assert_allclose(reaches[:3], [GROWTH, GROWTH**2, GROWTH**3])
        assert reaches[-1] == LARGEST
        # It comes out further away than the usual search region reaches.
        found, scores = red_tracker.step(paint(SIZE, [195, 80, 30, 30]))
        np.testing.assert_allclose(found, [[195, 80, 30, 30]], atol=2.5)
        assert scores[0] > 0.9
        assert red_tracker.reach.tolist() == [1]

    def test_the_near_one_of_two_that_look_alike(self, red_tracker: LiteTracker) -> None:
        logits = torch.full((1, 1, 16, 16), UNSEEN)
        logits[0, 0, 8, 9], logits[0, 0, 1, 14] = 1.0, 1.1
        places = torch.stack(torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="xy"))
        boxes = torch.cat([places, torch.ones_like(places)])[None]
        found, scores = red_tracker._best(logits, boxes, np.ones(1))
        assert found[0].tolist() == [8.5, 7.5, 9.5, 8.5]
        np.testing.assert_allclose(scores, torch.sigmoid(torch.tensor([1.0])))


class TestConfidence:
    @pytest.mark.parametrize("share", [0.02, 0.1, 0.4, 0.9, 1.0, 1.1, 3.0])
    def test_is_the_share_of_a_sure_score(
        self,
        red_tracker: LiteTracker,
        paint: Callable[..., np.ndarray],
        share: float,
    ) -> None:
        red_tracker.head.seen = float(torch.tensor(share * SURE).logit())
        start, end = [100, 80, 60, 40], [110, 85, 60, 40]
        red_tracker.start(paint(SIZE, start), np.array([start]))
        found, confidence = red_tracker.step(paint(SIZE, end))
        np.testing.assert_allclose(confidence, min(share, 1), rtol=1e-5)
        assert confidence.dtype == np.float32
        np.testing.assert_allclose(found, [end if share >= LOST else start], atol=1.6)


class TestAgreement:
    OWN = np.array([[100, 80, 160, 140]], np.float32)

    @pytest.mark.parametrize(
        ("corners", "logit", "expected"),
        [
            ([104, 88, 168, 140], 0.0, [102, 84, 164, 140]),
            ([104, 88, 168, 140], -3.0, [100, 80, 160, 140]),
            ([140, 80, 200, 140], 3.0, [100, 80, 160, 140]),
            (None, 0.0, [100, 80, 160, 140]),
        ],
        ids=["half-way", "too faint", "another animal", "nothing detected"],
    )
    def test_with_a_detection(
        self,
        red_tracker: LiteTracker,
        corners: list[float] | None,
        logit: float,
        expected: list[float],
    ) -> None:
        red_tracker.detection = OneDetection(corners, logit)
        own = self.OWN.copy()
        found = red_tracker._agreed(own, [torch.zeros(1, 3, SEARCH_SIZE, SEARCH_SIZE)])
        np.testing.assert_allclose(found, [expected], atol=1e-3)
        np.testing.assert_array_equal(own, self.OWN)

    def test_each_animal_with_its_own(self, red_tracker: LiteTracker) -> None:
        red_tracker.detection = OneDetection([104, 88, 168, 140])
        own = np.concatenate([self.OWN, self.OWN - 70])
        found = red_tracker._agreed(own, [torch.zeros(2, 3, SEARCH_SIZE, SEARCH_SIZE)])
        np.testing.assert_allclose(found, [[102, 84, 164, 140], own[1]], atol=1e-3)


class TestSquares:
    def test_area_grows_with_the_square_of_the_factor(self) -> None:
        boxes = np.array([[10, 20, 40, 10], [0, 0, 30, 30.0]])
        centres, extents = square_frames(boxes, np.array([2.0, 4.0]))
        np.testing.assert_allclose(centres, [[30, 25], [15, 15]])
        np.testing.assert_allclose(extents, [[40, 40], [120, 120]])

    def test_a_tiny_box(self) -> None:
        _, extents = square_frames(np.array([[5, 5, 0, 0.1]]), np.array([2.0]))
        assert extents.min() == 4


class TestAnimals:
    def test_all_in_one_batch_is_one_by_one(
        self, eager: LiteNetwork, frames: list[np.ndarray]
    ) -> None:
        boxes = np.array([[5, 5, 30, 30], [40, 20, 20, 35], [10, 30, 25, 15.0]])
        together = LiteTracker(eager.search)
        together.start(frames[0], boxes)
        alone = [LiteTracker(eager.search) for _ in boxes]
        for each, box in zip(alone, boxes, strict=True):
            each.start(frames[0], box[None])
        for frame in frames[1:]:
            before = together.boxes
            found, scores = together.step(frame)
            assert found.shape == (3, 4)
            assert (found != before).any(axis=1).all()
            for row, each in enumerate(alone):
                box, score = each.step(frame)
                np.testing.assert_allclose(found[row], box[0], atol=0.1)
                np.testing.assert_allclose(scores[row], score[0], atol=1e-3)

    def test_more_may_join(self, tracker: LiteTracker, frames: list[np.ndarray]) -> None:
        tracker.start(frames[0], np.array([[5, 5, 30, 30]]))
        tracker.step(frames[1])
        before = tracker.boxes.copy()
        tracker.add(frames[1], np.array([[40, 20, 20, 35], [10, 30, 25, 15]]))
        np.testing.assert_array_equal(tracker.boxes[:1], before)
        np.testing.assert_array_equal(tracker.boxes[1:], [[40, 20, 20, 35], [10, 30, 25, 15]])
        found, scores = tracker.step(frames[2])
        assert found.shape == (3, 4)
        assert scores.shape == (3,)

    def test_starting_again_forgets(self, tracker: LiteTracker, frames: list[np.ndarray]) -> None:
        tracker.start(frames[0], np.ones((4, 4)) * 20)
        tracker.start(frames[0], np.array([[5, 5, 30, 30]]))
        assert len(tracker.step(frames[1])[0]) == 1
        assert len(tracker.reach) == 1

    def test_none(self, tracker: LiteTracker, frames: list[np.ndarray]) -> None:
        tracker.start(frames[0], np.empty((0, 4)))
        found, scores = tracker.step(frames[1])
        assert found.shape == (0, 4)
        assert scores.shape == (0,)
        tracker.add(frames[1], np.array([[5, 5, 30, 30]]))
        assert len(tracker.step(frames[2])[0]) == 1

    def test_results_are_the_callers_own(
        self, tracker: LiteTracker, frames: list[np.ndarray]
    ) -> None:
        tracker.start(frames[0], np.array([[5, 5, 30, 30]]))
        found, _ = tracker.step(frames[1])
        kept = tracker.boxes.copy()
        found[:] = -1
        np.testing.assert_array_equal(tracker.boxes, kept)

    def test_it_goes_on_from_its_state(self, eager: LiteNetwork, frames: list[np.ndarray]) -> None:
        first, second = LiteTracker(eager.search), LiteTracker(eager.search)
        first.start(frames[0], np.array([[5, 5, 30, 30], [40, 20, 20, 35]]))
        first.step(frames[1])
        state = {name: array.copy() for name, array in first.state().items()}
        second.restore(state)
        for expected, found in zip(first.step(frames[2]), second.step(frames[2]), strict=True):
            np.testing.assert_array_equal(found, expected)
