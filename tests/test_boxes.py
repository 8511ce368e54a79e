"""Boxes: overlaps against torchvision's, and the odd boxes that detectors and files hold."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torchvision.ops import box_iou

from aptv2 import boxes

NOTHING = np.empty((0, 4), np.float32)


def some_boxes(count: int | None = None) -> st.SearchStrategy[np.ndarray]:
    """Boxes on a small grid, so that many touch, contain or equal each other."""
    rows = st.integers(0, 6) if count is None else st.just(count)
    return rows.flatmap(lambda n: arrays(np.float32, (n, 4), elements=st.integers(0, 20)))


def torchvision_iou(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    corners = [torch.from_numpy(boxes.xywh_to_xyxy(each)).double() for each in (first, second)]
    return box_iou(*corners).nan_to_num(0).numpy()


@given(some_boxes(), some_boxes())
def test_iou_is_torchvisions(first: np.ndarray, second: np.ndarray) -> None:
    found = boxes.iou(first, second)
    assert found.shape == (len(first), len(second))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, torchvision_iou(first, second), atol=1e-6)


@given(st.integers(0, 6).flatmap(lambda n: st.tuples(some_boxes(n), some_boxes(n))))
def test_paired_iou_is_the_diagonal(pair: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_allclose(boxes.paired_iou(*pair), np.diag(boxes.iou(*pair)), atol=1e-12)


@given(some_boxes(), some_boxes())
def test_coverage_and_iou_agree(first: np.ndarray, second: np.ndarray) -> None:
    overlap = boxes.coverage(first, second) * boxes.area(first)[:, None]
    union = boxes.area(first)[:, None] + boxes.area(second)[None] - overlap
    np.testing.assert_allclose(overlap, boxes.iou(first, second) * union, atol=1e-6)


def test_coverage_is_the_share_of_the_first() -> None:
    whole, part = (
        np.array([[0, 0, 10, 10]]),
        np.array([[5, 5, 10, 20], [2, 2, 4, 5], [30, 0, 1, 1]]),
    )
    np.testing.assert_allclose(boxes.coverage(whole, part), [[0.25, 0.2, 0]])
    np.testing.assert_allclose(boxes.coverage(part, whole), [[0.125], [1], [0]])


@pytest.mark.parametrize("overlap", [boxes.iou, boxes.coverage])
def test_overlap_of_nothing(overlap) -> None:
    assert overlap(NOTHING, np.ones((3, 4))).shape == (0, 3)
    assert overlap(np.ones((3, 4)), []).shape == (3, 0)


@pytest.mark.parametrize(
    "odd",
    [[3, 3, 0, 5], [3, 3, -2, 5], [3, 3, -2, -2], [np.nan] * 4],
    ids=["no width", "negative width", "both negative", "NaN"],
)
def test_a_box_without_area_overlaps_nothing(odd: list[float]) -> None:
    first, second = np.array([odd]), np.array([[0, 0, 10, 10], odd])
    assert (boxes.iou(first, second) == 0).all()
    assert (boxes.paired_iou(first, second[:1]) == 0).all()
    assert (boxes.coverage(first, second) == 0).all()


@given(some_boxes())
def test_corners_and_back(given_boxes: np.ndarray) -> None:
    corners = boxes.xywh_to_xyxy(given_boxes)
    assert corners.dtype == np.float32
    np.testing.assert_array_equal(boxes.xyxy_to_xywh(corners), given_boxes)


def test_corners_of_one_box() -> None:
    np.testing.assert_array_equal(boxes.xywh_to_xyxy(np.array([1, 2, 3, 4])), [1, 2, 4, 6])


def test_area() -> None:
    np.testing.assert_array_equal(
        boxes.area([[9, 9, 3, 4], [0, 0, -3, 4], [0, 0, -3, -4]]), [12, 0, 0]
    )


@given(some_boxes(), st.integers(1, 15), st.integers(1, 15))
def test_clip_keeps_what_is_inside(given_boxes: np.ndarray, width: int, height: int) -> None:
    shifted = given_boxes - np.array([5, 5, 0, 0], np.float32)
    clipped = boxes.clip(shifted, width, height)
    frame = np.array([[0, 0, width, height]])
    corners = boxes.xywh_to_xyxy(clipped)
    assert (clipped[:, 2:] >= 0).all()
    # A corner is a sum of two numbers, each of which is rounded.
    assert ((corners >= 0) & (corners <= np.array([width, height] * 2) + 1e-4)).all()
    shared = boxes.coverage(shifted, frame)[:, 0] * boxes.area(shifted)
    np.testing.assert_allclose(boxes.area(clipped), shared, atol=1e-4)


def test_clip_outside_leaves_no_area() -> None:
    clipped = boxes.clip(np.array([[50.0, 50, 5, 5], [-9, 2, 4, 4]]), 20, 20)
    assert (boxes.area(clipped) == 0).all()


def test_around_keypoints() -> None:
    keypoints = np.array([[5, 9, 0.5], [1, 2, 0.3], [8, 4, 0.9], [100, 100, 0]], np.float32)
    np.testing.assert_array_equal(boxes.around_keypoints(keypoints), [1, 2, 7, 7])
    np.testing.assert_array_equal(boxes.around_keypoints(keypoints, 0.3), [5, 4, 3, 5])
    assert np.isnan(boxes.around_keypoints(keypoints, 1.0)).all()
    assert boxes.around_keypoints(keypoints).dtype == np.float32
