"""Crop transforms against OpenCV's own, and crops against what was painted into a frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aptv2 import boxes as box_tools
from aptv2 import crops

SIDES = st.floats(1, 500)
PLACES = st.floats(-300, 300)
BOXES = st.tuples(PLACES, PLACES, SIDES, SIDES).map(lambda box: np.array([box]))
SIZES = st.tuples(st.integers(2, 300), st.integers(2, 300))
ANGLES = st.floats(-180, 180)


def one_matrix(box: list[float], size: tuple[int, int], **changes: float) -> np.ndarray:
    return crops.crop_matrices(*crops.crop_frames(np.array([box]), size, 1.0), size, **changes)


def middle(image: np.ndarray) -> np.ndarray:
    """Where (2,) the light of a picture is, on average."""
    light = image.sum(axis=2, dtype=float)
    y, x = np.mgrid[: light.shape[0], : light.shape[1]]
    return np.array([(light * x).sum(), (light * y).sum()]) / light.sum()


class TestCropFrames:
    @given(BOXES, SIZES)
    def test_the_smallest_of_the_right_shape(
        self, boxes: np.ndarray, size: tuple[int, int]
    ) -> None:
        centres, extents = crops.crop_frames(boxes, size, padding=1.0)
        np.testing.assert_allclose(centres, boxes[:, :2] + boxes[:, 2:] / 2, atol=1e-9)
        np.testing.assert_allclose(extents[:, 0] / extents[:, 1], size[1] / size[0])
        grown = extents / boxes[:, 2:]
        assert (grown > 1 - 1e-9).all()
        np.testing.assert_allclose(grown.min(), 1)

    def test_padding(self) -> None:
        centres, extents = crops.crop_frames(np.array([[10, 20, 40, 80]]), (256, 192))
        np.testing.assert_allclose(centres, [[30, 60]])
        np.testing.assert_allclose(extents, [[75, 100]])

    def test_no_boxes(self) -> None:
        centres, extents = crops.crop_frames([], (256, 192))
        assert centres.shape == extents.shape == (0, 2)
        assert crops.crop_matrices(centres, extents, (256, 192)).shape == (0, 2, 3)

    def test_a_box_without_area_still_has_a_crop(self) -> None:
        matrices = one_matrix([5, 6, 0, 0], (64, 64))
        back = crops.transform(crops.invert(matrices), np.full((1, 1, 2), 31.5))
        np.testing.assert_allclose(back, [[[5, 6]]], atol=1e-3)


class TestCleanBoxes:
    def test_inside_and_a_pixel_smaller(self) -> None:
        boxes = [[66, 192, 1092, 512], [-5, -6, 20, 30], [90, 40, 30, 30], [200, 200, 9, 9]]
        found = crops.clean_boxes(np.array(boxes), (867, 1200))
        np.testing.assert_array_equal(found[0], [66, 192, 1091, 511])
        np.testing.assert_array_equal(found[1], [0, 0, 19, 29])
        small = crops.clean_boxes(np.array(boxes), (50, 100))
        np.testing.assert_array_equal(small[2], [90, 40, 9, 9])
        np.testing.assert_array_equal(small[3, 2:], [0, 0])
        assert crops.clean_boxes(np.empty((0, 4)), (5, 5)).shape == (0, 4)

    @given(BOXES)
    def test_it_lies_in_the_frame(self, boxes: np.ndarray) -> None:
        x, y, width, height = crops.clean_boxes(boxes, (120, 200))[0]
        assert width >= 0
        assert height >= 0
        if width and height:
            assert x >= 0
            assert y >= 0
            assert x + width <= 199
            assert y + height <= 119


class TestMatrices:
    @given(PLACES, PLACES, SIDES, SIZES, ANGLES)
    def test_msra_maps_the_box_onto_all_pixels(
        self, x: float, y: float, side: float, size: tuple[int, int], angle: float
    ) -> None:
        centre, extent = np.array([[x, y]]), np.array([[side, side * size[0] / size[1]]])
        found = crops.crop_matrices(centre, extent, size, rotation=angle, udp=False)[0]
        # OpenCV's angle is counter-clockwise.
        expected = cv2.getRotationMatrix2D((x, y), -angle, size[1] / side)
        expected[:, 2] += np.array([size[1], size[0]]) / 2 - [x, y]
        np.testing.assert_allclose(found[:, :2], expected[:, :2], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found[:, 2], expected[:, 2], atol=0.05)

    @given(BOXES, SIZES, st.booleans())
    def test_corners_meet_corners_as_opencv_says(
        self, boxes: np.ndarray, size: tuple[int, int], flip: bool
    ) -> None:
        centres, extents = crops.crop_frames(boxes, size)
        found = crops.crop_matrices(centres, extents, size, flip=flip)[0]
        low, high = centres[0] - extents[0] / 2, centres[0] + extents[0] / 2
        frame = np.float32([low, [high[0], low[1]], [low[0], high[1]]])
        right, bottom = size[1] - 1, size[0] - 1
        crop = np.float32([[0, 0], [right, 0], [0, bottom]])
        if flip:
            crop[:, 0] = right - crop[:, 0]
        expected = cv2.getAffineTransform(frame, crop)
        corners = np.float64([low, high])
        np.testing.assert_allclose(
            corners @ found[:, :2].T + found[:, 2],
            corners @ expected[:, :2].T + expected[:, 2],
            atol=0.05,
        )

    @given(PLACES, PLACES, SIDES, st.integers(2, 300), ANGLES)
    def test_rotation_as_opencv_says(
        self, x: float, y: float, side: float, size: int, angle: float
    ) -> None:
        extent = np.array([[side, side]])
        found = crops.crop_matrices(np.array([[x, y]]), extent, (size, size), rotation=angle)[0]
        # OpenCV's angle is counter-clockwise.
        expected = cv2.getRotationMatrix2D((x, y), -angle, (size - 1) / side)
        expected[:, 2] += (size - 1) / 2 - np.array([x, y])
        np.testing.assert_allclose(found[:, :2], expected[:, :2], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(found[:, 2], expected[:, 2], atol=0.05)

    def test_the_picture_turns_clockwise(self) -> None:
        matrix = one_matrix([0, 0, 100, 100], (101, 101), rotation=90)
        top_left = np.zeros((1, 1, 2))
        np.testing.assert_allclose(crops.transform(matrix, top_left), [[[100, 0]]], atol=1e-4)

    def test_flip_mirrors_the_turned_picture(self) -> None:
        plain = one_matrix([3, 5, 40, 30], (64, 48), rotation=25)
        mirrored = one_matrix([3, 5, 40, 30], (64, 48), rotation=25, flip=True)
        points = np.random.default_rng(0).uniform(0, 50, (1, 20, 2))
        expected = crops.transform(plain, points) * [-1, 1] + [47, 0]
        np.testing.assert_allclose(crops.transform(mirrored, points), expected, atol=1e-4)

    def test_each_crop_its_own_change(self) -> None:
        boxes = np.array([[0, 0, 10, 20], [5, 5, 30, 10], [9, 9, 9, 9.0]])
        frames = crops.crop_frames(boxes, (32, 32))
        together = crops.crop_matrices(
            *frames, (32, 32), rotation=[0, 30, -90], flip=[False, True, False]
        )
        for row, (rotation, flip) in enumerate([(0, False), (30, True), (-90, False)]):
            alone = crops.crop_matrices(
                *(each[row : row + 1] for each in frames), (32, 32), rotation=rotation, flip=flip
            )
            np.testing.assert_allclose(together[row], alone[0])

    @given(BOXES, SIZES, ANGLES, st.booleans(), st.tuples(PLACES, PLACES))
    def test_there_and_back(
        self,
        boxes: np.ndarray,
        size: tuple[int, int],
        rotation: float,
        flip: bool,
        point: tuple[float, float],
    ) -> None:
        frames = crops.crop_frames(boxes, size)
        matrices = crops.crop_matrices(*frames, size, rotation=rotation, flip=flip)
        centre = frames[0][0]
        points = np.array([[centre, centre + np.array(point) / 300 * frames[1][0]]])
        back = crops.transform(crops.invert(matrices), crops.transform(matrices, points))
        np.testing.assert_allclose(back, points, atol=1e-4 * frames[1].max())
        twice = crops.invert(crops.invert(matrices))
        np.testing.assert_allclose(twice, matrices, rtol=1e-6, atol=1e-6)

    def test_transform_leaves_other_numbers_and_its_input_alone(self) -> None:
        keypoints = np.ones((2, 3, 3), np.float32) * 0.25
        matrices = np.repeat(one_matrix([0, 0, 10, 10], (21, 21)), 2, axis=0)
        moved = crops.transform(matrices, keypoints)
        np.testing.assert_allclose(moved[..., :2], 0.5)
        np.testing.assert_allclose(moved[..., 2], 0.25)
        assert moved.dtype == np.float32
        assert (keypoints == 0.25).all()
        assert crops.transform(matrices, np.empty((2, 0, 2))).shape == (2, 0, 2)


class TestParts:
    @pytest.mark.parametrize("scale", [1, 0.5, (0.25, 0.4), 3.0])
    def test_a_point_of_the_part_goes_where_it_goes_from_the_frame(self, scale: Any) -> None:
        matrix = one_matrix([3, 4, 50, 60], (64, 48), rotation=31, flip=True)[0]
        low = np.array([7, 9])
        pixel = np.array([[0, 0], [5, 2.5], [20, 30]])
        in_frame = (pixel + 0.5) / np.array(scale) - 0.5 + low
        moved = crops.for_part(matrix, low, scale)
        np.testing.assert_allclose(
            crops.transform(moved[None], pixel[None]),
            crops.transform(matrix[None], in_frame[None]),
            atol=1e-4,
        )

    @pytest.mark.parametrize("flip", [False, True])
    def test_scale_of_a_turned_crop(self, flip: bool) -> None:
        matrix = one_matrix([10, 20, 100, 100], (26, 26), rotation=33, flip=flip)[0]
        assert crops.scale_of(matrix) == pytest.approx(25 / 100)


class TestSample:
    def test_a_crop_of_the_whole_frame_is_the_frame(self) -> None:
        frame = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)
        matrix = crops.crop_matrices(np.array([[26, 18]]), np.array([[52, 36]]), (37, 53))
        np.testing.assert_array_equal(crops.sample(frame, matrix, (37, 53))[0], frame)

    def test_a_flipped_crop_is_the_crop_flipped(self) -> None:
        frame = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
        plain, flipped = (
            crops.sample(frame, one_matrix([0, 0, 39, 39], (40, 40), flip=flip), (40, 40))[0]
            for flip in (False, True)
        )
        np.testing.assert_array_equal(flipped, plain[:, ::-1])

    @pytest.mark.parametrize("scale", [0.13, 0.24, 0.26, 0.4, 0.6, 1.0, 2.3])
    @pytest.mark.parametrize("rotation", [0, 37])
    def test_what_was_painted_is_where_the_transform_says(
        self, scale: float, rotation: float
    ) -> None:
        frame = np.zeros((400, 500, 3), np.uint8)
        place = np.array([231.0, 158.0])
        cv2.rectangle(frame, (211, 148), (251, 168), (250, 90, 30), -1)
        size = (round(300 * scale), round(400 * scale))
        box = box_tools.xyxy_to_xywh(np.array([50.0, 40, 450, 340])).tolist()
        matrix = one_matrix(box, size, rotation=rotation)
        crop = crops.sample(frame, matrix, size)[0]
        expected = crops.transform(matrix, place[None, None])[0, 0]
        np.testing.assert_allclose(middle(crop), expected, atol=0.15)

    @pytest.mark.parametrize("factor", [2, 3, 5])
    def test_fine_texture_turns_grey_and_not_to_noise(self, factor: int) -> None:
        y, x = np.mgrid[:300, :300]
        frame = np.repeat(((x + y) % 2 * 255)[..., None], 3, axis=2).astype(np.uint8)
        side = 240 // factor
        matrix = one_matrix([30, 30, factor * (side - 1), factor * (side - 1)], (side, side))
        crop = crops.sample(frame, matrix, (side, side))[0]
        assert abs(crop.mean() - 127.5) < 2
        assert crop.std() < 30

    def test_the_surround(self) -> None:
        frame = np.full((20, 20, 3), (200, 100, 0), np.uint8)
        frame[:10] = (100, 200, 50)
        outside = one_matrix([100, 100, 10, 10], (8, 8))
        assert (crops.sample(frame, outside, (8, 8)) == 0).all()
        assert (crops.sample(frame, outside, (8, 8), (1, 2, 3)) == (1, 2, 3)).all()
        assert (crops.sample(frame, outside, (8, 8), None) == (150, 150, 25)).all()

    @pytest.mark.parametrize("side", [0.0, 0.5, 1e4, 1e9])
    def test_extreme_boxes(self, side: float) -> None:
        frame = np.full((20, 30, 3), 255, np.uint8)
        crop = crops.sample(frame, one_matrix([5, 5, side, side], (16, 16)), (16, 16))
        assert crop.shape == (1, 16, 16, 3)
        if side < 1:
            assert (crop == 255).all()

    def test_one_pixel(self) -> None:
        frame = np.full((1, 1, 3), 77, np.uint8)
        crop = crops.sample(frame, one_matrix([0, 0, 1, 1], (5, 5)), (5, 5))[0]
        assert crop[0, 0].tolist() == [77] * 3

    def test_none(self) -> None:
        frame = np.zeros((4, 4, 3), np.uint8)
        assert crops.sample(frame, np.empty((0, 2, 3)), (6, 8)).shape == (0, 6, 8, 3)

    def test_the_frame_stays_as_it_is_and_may_be_a_view(self) -> None:
        whole = np.random.default_rng(1).integers(0, 256, (60, 80, 3), np.uint8)
        before = whole.copy()
        view = whole[:, ::-1]
        matrix = one_matrix([0, 0, 79, 59], (30, 40))
        found = crops.sample(view, matrix, (30, 40))
        np.testing.assert_array_equal(found, crops.sample(view.copy(), matrix, (30, 40)))
        np.testing.assert_array_equal(whole, before)

    @pytest.mark.parametrize("factor", [2, 3, 5])
    def test_a_shrunk_crop_reaches_the_last_pixel_of_the_frame(self, factor: int) -> None:
        """The frame is no multiple of the factor, and its last row and column are bright."""
        side = 20 * factor + factor - 1
        frame = np.zeros((side, side, 3), np.uint8)
        frame[-1], frame[:, -1] = 250, 250
        matrix = crops.crop_matrices(np.full((1, 2), side / 2), np.full((1, 2), side), (21, 21))
        crop = crops.sample(frame, matrix, (21, 21))[0]
        assert (crop[10, 19:] > 20).any()
        assert (crop[19:, 10] > 20).any()
        assert (crop[:18, :18] == 0).all()


class TestPlainBilinear:
    @pytest.mark.parametrize("rotation", [0.0, 37.5])
    def test_close_to_the_exact_one(self, rotation: float) -> None:
        frame = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
        frame = cv2.GaussianBlur(frame, (0, 0), 3)
        matrix = one_matrix([10, 20, 80, 60], (64, 48), rotation=rotation)
        plain = crops.sample(frame, matrix, (64, 48), (9, 8, 7), antialias=False)[0]
        exact = crops.sample(frame, matrix, (64, 48), (9, 8, 7))[0]
        # Positions are off by up to 1/64 pixel, which shows most at the frame's edge.
        assert np.abs(plain.astype(int) - exact).mean() < 0.5
        assert np.abs(plain.astype(int) - exact).max() <= 8

    def test_a_mirrored_crop_is_the_crop_of_the_mirrored_frame(self) -> None:
        frame = np.random.default_rng(0).integers(0, 256, (90, 121, 3), np.uint8)
        extent, size = np.array([[70.0, 70]]), (64, 64)
        mirrored = crops.crop_matrices(
            np.array([[50.0, 40]]), extent, size, rotation=-20, flip=True, udp=False
        )
        plain = crops.crop_matrices(np.array([[70.0, 40]]), extent, size, rotation=20, udp=False)
        np.testing.assert_array_equal(
            crops.sample(frame, mirrored, size, antialias=False),
            crops.sample(np.ascontiguousarray(frame[:, ::-1]), plain, size, antialias=False),
        )

    @pytest.mark.parametrize("side", [0.0, 0.5, 1e4, 1e9])
    def test_extreme_boxes(self, side: float) -> None:
        frame = np.full((20, 30, 3), 255, np.uint8)
        matrix = one_matrix([5, 5, side, side], (16, 16))
        crop = crops.sample(frame, matrix, (16, 16), antialias=False)
        assert side > 1 or (crop == 255).all()
        far = one_matrix([1e7, -1e7, 5, 5], (16, 16))
        assert (crops.sample(frame, far, (16, 16), (1, 2, 3), antialias=False) == (1, 2, 3)).all()
