"""Where a contact sheet puts its frames."""

from __future__ import annotations

import numpy as np
import pytest

from aptv2.drawing.contact_sheet import contact_sheet

GREY = 90


def canvas(width: int = 640, height: int = 360) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def test_places_frames_in_reading_order():
    frames = [np.full((20, 40, 3), value, np.uint8) for value in (50, 100, 150, 200, 250)]
    sheet = contact_sheet(frames, 2)
    height, width = sheet.shape[:2]
    assert 3 * 20 < height < 3 * 30
    assert 2 * 40 < width < 2 * 50
    values = [
        int(sheet[int(height * (row + 0.5) / 3), int(width * (column + 0.5) / 2), 0])
        for row in range(3)
        for column in range(2)
    ]
    assert values[:5] == [50, 100, 150, 200, 250]
    assert values[5] < 50


def test_shrinks_to_the_width_and_keeps_the_shape():
    sheet = contact_sheet([canvas(1280, 720)] * 6, 3, width=900)
    assert 880 <= sheet.shape[1] <= 900
    assert sheet.shape[0] / sheet.shape[1] == pytest.approx(2 / 3 * 9 / 16, rel=0.05)


def test_takes_frames_of_different_sizes_and_more_columns_than_frames():
    sheet = contact_sheet([canvas(40, 80), canvas(60, 20)], 9)
    assert (sheet == GREY).all(axis=2).sum() == 40 * 80 + 60 * 20


@pytest.mark.parametrize(
    ("frames", "columns", "width"), [([], 1, 99), ([canvas()], 0, 99), ([canvas()] * 9, 9, 20)]
)
def test_refuses_what_cannot_be_laid_out(frames, columns, width):
    with pytest.raises(ValueError, match="column"):
        contact_sheet(frames, columns, width)
