"""The scale of pixels of more than 8 bits: the camera's depth, and one for all images."""

from __future__ import annotations

import numpy as np
import pytest

from aptv2.levels import Levels


@pytest.mark.parametrize(
    ("highest", "white"), [(0, 255), (255, 255), (256, 1023), (3000, 4095), (9999, 16383)]
)
def test_whole_numbers_have_the_depth_of_a_camera(highest: int, white: int) -> None:
    levels = Levels.of([np.array([0, highest], np.uint16), np.zeros(2, np.uint16)])
    assert levels == Levels(0, white)
    found = levels.to_bytes(np.array([0, white // 2, white, 65535], np.uint16))
    np.testing.assert_array_equal(found, [0, 127, 255, 255])


def test_16_bits_keep_their_upper_byte() -> None:
    values = np.arange(0, 65536, 7, dtype=np.uint16)
    np.testing.assert_array_equal(Levels.of([values]).to_bytes(values), values >> 8)


def test_fractions() -> None:
    values = np.array([0, 0.25, 1, np.nan, np.inf], np.float32)
    assert Levels.of([values]) == Levels(0, 1)
    np.testing.assert_array_equal(Levels(0, 1).to_bytes(values), [0, 64, 255, 0, 255])
    assert Levels.of([np.array([0, 200.5])]) == Levels(0, 255)
    assert Levels.of([np.array([-2.0, 6.0])]) == Levels(-2, 6)
    np.testing.assert_array_equal(Levels(-2, 6).to_bytes(np.array([-2.0, 2, 6])), [0, 128, 255])


def test_one_scale_for_all() -> None:
    dark, bright = np.full(4, 100, np.uint16), np.full(4, 4000, np.uint16)
    levels = Levels.of([dark, bright])
    assert levels.to_bytes(dark)[0] == 100 // 16
    assert levels.to_bytes(bright)[0] == 4000 // 16
