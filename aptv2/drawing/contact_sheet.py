"""Contact sheets: many frames on one image."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

_BACKGROUND = 24


def contact_sheet(frames: Sequence[np.ndarray], columns: int, width: int = 1600) -> np.ndarray:
    """Frames side by side on one image, to look at many at once.

    Parameters
    ----------
    frames
        uint8 (H, W, 3), RGB, in reading order; sizes may differ.
    columns
        Frames in a row.
    width
        Most pixels that the sheet is wide; frames are shrunk to fit, never enlarged.

    Returns
    -------
    np.ndarray
        uint8, RGB: cells as large as the largest frame, on dark grey.

    Raises
    ------
    ValueError
        Without a frame, with fewer than one column, or where a frame gets no pixel.
    """
    if not frames or columns < 1:
        raise ValueError("A contact sheet needs at least one frame and one column.")
    columns = min(columns, len(frames))
    gap = max(2, width // 320)
    largest = max(frame.shape[1] for frame in frames)
    scale = min(1.0, (width - gap * (columns + 1)) / (columns * largest))
    if scale * largest < 1:
        raise ValueError(f"{columns} columns do not fit in {width} pixels")
    small = [_shrink(frame, scale) for frame in frames]
    cell_height = max(frame.shape[0] for frame in small)
    cell_width = max(frame.shape[1] for frame in small)
    rows = -(-len(small) // columns)
    sheet = np.full(
        (gap + rows * (cell_height + gap), gap + columns * (cell_width + gap), 3),
        _BACKGROUND,
        np.uint8,
    )
    for index, image in enumerate(small):
        row, column = divmod(index, columns)
        top = gap + row * (cell_height + gap) + (cell_height - image.shape[0]) // 2
        left = gap + column * (cell_width + gap) + (cell_width - image.shape[1]) // 2
        sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def _shrink(frame: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return frame
    size = (max(1, int(frame.shape[1] * scale)), max(1, int(frame.shape[0] * scale)))
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
