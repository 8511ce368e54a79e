"""The detector: what its head finds on the canvas is reported in pixels of the frame."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from aptv2 import boxes as box_tools
from aptv2 import crops
from aptv2.models.lite.detection import STRIDE, cell_centres, confidence
from aptv2.models.lite.detector import APART, FAINTEST, LONG_SIDE, LiteDetector
from aptv2.models.lite.network import LiteNetwork


class RedDetection(nn.Module):
    """A detection head that finds the red box."""

    def __init__(self, red_corners: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.zeros(1))
        self.red_corners = red_corners

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        rows, columns = (side // STRIDE for side in features[0].shape[2:])
        logits = torch.full((len(features[0]), 1, rows, columns), -9.0)
        corners = self.red_corners(features[0])
        middle = cell_centres(rows, columns)
        away = torch.cat(
            [middle - corners[:, :2, None, None], corners[:, 2:, None, None] - middle], 1
        )
        for picture, corner in enumerate(corners):
            if not corner.isnan().any():
                x, y = ((corner[:2] + corner[2:]) / 2 / STRIDE).long()
                logits[picture, 0, y, x] = 2 - picture
        return logits, away


@pytest.fixture
def red_detector(
    network: LiteNetwork, sight: type[nn.Module], red_corners: Callable[[Tensor], Tensor]
) -> LiteDetector:
    detector = LiteDetector(network.search)
    detector.backbone, detector.head = sight(), RedDetection(red_corners)
    return detector


class TestGeometry:
    @pytest.mark.parametrize(
        ("size", "box"),
        [
            ((384, 384), [100, 50, 80, 120]),
            ((360, 640), [200, 100, 150, 90]),
            ((720, 405), [20, 500, 300, 200]),
            ((97, 131), [60, 30, 33, 41]),
            ((64, 700), [600, 10, 70, 45]),
        ],
    )
    def test_a_red_box_is_found(
        self,
        red_detector: LiteDetector,
        paint: Callable[..., np.ndarray],
        size: tuple[int, int],
        box: list[float],
    ) -> None:
        found, scores = red_detector.detect(paint(size, box))
        # Pixels of the canvas are as much coarser as it is smaller than the frame.
        pixel = max(1, max(size) / LONG_SIDE)
        np.testing.assert_allclose(found, [box], atol=1.2 * pixel)
        np.testing.assert_allclose(scores, confidence(torch.tensor([2.0])))
        assert found.dtype == scores.dtype == np.float32

    def test_nothing_is_found_where_nothing_is(
        self, red_detector: LiteDetector, paint: Callable[..., np.ndarray]
    ) -> None:
        found, scores = red_detector.detect(paint((200, 300), [0, 0, -2, -2]))
        assert found.shape == (0, 4)
        assert scores.shape == (0,)

    def test_each_frame_of_a_batch_its_own(
        self, red_detector: LiteDetector, paint: Callable[..., np.ndarray]
    ) -> None:
        boxes = [[30, 40, 90, 60], [0, 0, -2, -2], [150, 80, 100, 50]]
        results = red_detector.detect_batch([paint((200, 300), box) for box in boxes])
        assert [len(found) for found, _ in results] == [1, 0, 1]
        for row in (0, 2):
            np.testing.assert_allclose(results[row][0], [boxes[row]], atol=1.5)
        assert results[0][1] > results[2][1]

    @given(st.integers(1, 3000), st.integers(1, 3000))
    def test_the_canvas(self, height: int, width: int) -> None:
        detector = LiteDetector.__new__(LiteDetector)
        detector.long_side = LONG_SIDE
        matrix, canvas = detector._fit(height, width)
        assert all(side % 32 == 0 and 0 < side <= LONG_SIDE for side in canvas)
        corners = np.array([[[0, 0], [width, height]]], np.float64)
        low, high = crops.transform(matrix, corners)[0]
        # The whole frame is on it, in its own shape, as large as it can be.
        assert (low >= -0.51).all()
        assert (high <= np.array(canvas[::-1]) - 0.49).all()
        np.testing.assert_allclose((high - low).max(), LONG_SIDE, rtol=1e-4)
        np.testing.assert_allclose(matrix[0, 0, 0], matrix[0, 1, 1])
        assert (np.array(canvas[::-1]) - (high - low) < 32.01).all()

    @given(
        st.tuples(st.integers(16, 2000), st.integers(16, 2000)),
        st.tuples(*[st.floats(0, 1)] * 4),
    )
    def test_there_and_back(self, size: tuple[int, int], shares: tuple[float, ...]) -> None:
        height, width = size
        x, y = (
            sorted((shares[0] * width, shares[1] * width)),
            sorted((shares[2] * height, shares[3] * height)),
        )
        box = np.array([x[0], y[0], x[1] - x[0], y[1] - y[0]])
        detector = LiteDetector.__new__(LiteDetector)
        detector.long_side = LONG_SIDE
        matrix, _ = detector._fit(height, width)
        corners = crops.transform(matrix, box_tools.xywh_to_xyxy(box).reshape(1, 2, 2))
        found, scores = detector._to_frame(
            torch.from_numpy(corners.reshape(1, 4)), torch.tensor([0.7]), matrix, width, height
        )
        if (box[2:] > 1.1).all():
            np.testing.assert_allclose(found, [box], atol=0.01)
            assert scores.tolist() == pytest.approx([0.7])
        elif (box[2:] < 0.9).any():
            assert len(found) == 0


class TestSelection:
    @pytest.fixture
    def select(self, network: LiteNetwork) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
        detector = LiteDetector(network.search)
        matrix, _ = detector._fit(384, 384)

        def run(corners: list[list[float]], scores: list[float]) -> tuple[np.ndarray, np.ndarray]:
            tensors = torch.tensor(corners).float().reshape(-1, 4), torch.tensor(scores)
            return detector._to_frame(*tensors, matrix, 384, 384)

        return run

    def test_the_better_of_two_that_overlap(self, select: Callable) -> None:
        boxes, scores = select(
            [[10, 10, 110, 110], [15, 10, 115, 110], [200, 10, 300, 110]], [0.5, 0.9, 0.7]
        )
        np.testing.assert_allclose(scores, [0.9, 0.7])
        pooled = (0.9 * 15 + 0.5 * 10) / 1.4  # both say where the one animal is
        np.testing.assert_allclose(boxes[:, 0] - boxes[0, 0], [0, 200 - pooled], atol=0.01)

    def test_one_behind_another_lives_with_less_score(self, select: Callable) -> None:
        """An overlap of 0.675 is half-way between two animals and one."""
        width = 100 * (1 - 0.675) / 1.675  # apart, of 100: what leaves that overlap
        boxes, scores = select([[10, 10, 110, 110], [10 + width, 10, 110 + width, 110]], [0.9, 0.8])
        np.testing.assert_allclose(scores, [0.9, 0.4], rtol=1e-3)
        np.testing.assert_allclose(boxes[1, 0] - boxes[0, 0], width, atol=0.01)

    def test_boxes_around_one_are_one_voice(self, select: Callable) -> None:
        """The mean by score of what overlaps it by more than 0.7; its score is the best one's."""
        boxes, scores = select([[100, 10, 200, 110], [104, 10, 204, 110]], [0.9, 0.3])
        np.testing.assert_allclose(scores, [0.9])
        np.testing.assert_allclose(boxes[0], [101, 10, 100, 100], atol=0.6)

    def test_a_third_may_overtake_a_suppressed_second(self, select: Callable) -> None:
        _, scores = select(
            [[10, 10, 110, 110], [20, 10, 120, 110], [200, 200, 300, 300]], [0.9, 0.8, 0.3]
        )
        assert (np.diff(scores) < 0).all()
        assert scores[1] == pytest.approx(0.3)

    def test_two_that_overlap_little_are_two(self, select: Callable) -> None:
        boxes, _ = select([[10, 10, 110, 110], [40, 10, 140, 110]], [0.5, 0.9])
        assert len(boxes) == 2
        assert box_tools.iou(boxes, boxes)[0, 1] < APART + 0.1

    def test_faint_ones_are_dropped(self, select: Callable) -> None:
        boxes, scores = select([[10, 10, 60, 60], [100, 100, 160, 160]], [FAINTEST, 0.06])
        assert len(boxes) == 1
        np.testing.assert_allclose(scores, [0.06])
        assert select([[10, 10, 60, 60]], [0.01])[0].shape == (0, 4)

    def test_boxes_end_at_the_frame(self, select: Callable) -> None:
        boxes, scores = select([[-50, 300, 90, 500], [390, 10, 450, 60]], [0.5, 0.9])
        assert len(boxes) == len(scores) == 1
        corners = box_tools.xywh_to_xyxy(boxes)
        assert corners.min() >= 0
        assert corners.max() <= 384
        np.testing.assert_allclose(scores, [0.5])


class TestNetwork:
    def test_a_batch_is_its_frames(self, network: LiteNetwork) -> None:
        detector = LiteDetector(network.search, long_side=96)
        rng = np.random.default_rng(0)
        frames = [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(3)]
        for (boxes, scores), frame in zip(detector.detect_batch(frames), frames, strict=True):
            alone, alone_scores = detector.detect(frame)
            np.testing.assert_allclose(boxes, alone, atol=0.05)
            np.testing.assert_allclose(scores, alone_scores, atol=1e-4)

    def test_results_are_as_promised(self, network: LiteNetwork) -> None:
        frame = np.random.default_rng(0).integers(0, 256, (100, 150, 3), np.uint8)
        eager = copy.deepcopy(network)
        nn.init.constant_(eager.search.detection.score[-1].bias, 0.0)
        eager.search.detection.score[-1].weight.mul_(0.01)
        boxes, scores = LiteDetector(eager.search, long_side=160).detect(frame)
        assert len(boxes) == len(scores) > 1
        assert (np.diff(scores) <= 0).all()
        assert (scores > FAINTEST).all()
        corners = box_tools.xywh_to_xyxy(boxes)
        assert ((corners >= 0) & (corners <= [150, 100, 150, 100])).all()
        overlaps = box_tools.iou(boxes, boxes) - np.eye(len(boxes))
        assert boxes[:, 2:].min() >= 1
        assert overlaps.max() <= 1

    def test_no_frames(self, network: LiteNetwork) -> None:
        assert LiteDetector(network.search).detect_batch([]) == []

    def test_one_pixel(self, network: LiteNetwork) -> None:
        boxes, _ = LiteDetector(network.search, 64).detect(np.zeros((1, 1, 3), np.uint8))
        assert boxes.shape[1:] == (4,)
