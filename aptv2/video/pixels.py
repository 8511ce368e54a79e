"""From a decoded frame to upright RGB bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type
from av.video.format import VideoFormat
from av.video.reformatter import VideoReformatter

from aptv2.levels import Levels

_DEEP = {False: {1: "gray16le", 3: "rgb48le"}, True: {1: "grayf32le", 3: "gbrpf32le"}}


class FrameConverter:
    """Makes upright RGB images of frames; keeps its tables from one to the next.

    Parameters
    ----------
    levels
        Scale of formats of 16 bits and more, see :func:`is_deep`.
    """

    def __init__(self, levels: Levels | None = None) -> None:
        self._levels = levels
        self._converter = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        """uint8 (H, W, 3), RGB, contiguous and upright."""
        if self._levels is None:
            # One thread: the decoder has the other cores.
            image: np.ndarray = self._converter.reformat(
                frame, format="rgb24", threads=1
            ).to_ndarray()
        else:
            image = self._levels.to_bytes(deep_values(frame, self._converter))
            if image.ndim == 2:
                image = np.repeat(image[:, :, None], 3, axis=2)
        matrix = display_matrix(frame)
        return image if matrix is None else np.ascontiguousarray(apply_matrix(image, matrix))


def is_deep(format: VideoFormat) -> bool:
    """Whether the values of grey or RGB pixels have 16 bits or are fractions.

    Cameras put 10 to 14 bits into 16, which the file does not say; so the range is measured.
    Formats of exactly 10 or 12 bits, and those of luma and chroma, say what they are.
    """
    return max(c.bits for c in format.components) >= 16 and (
        format.is_rgb or len(format.components) <= 2
    )


def deep_values(frame: av.VideoFrame, converter: VideoReformatter) -> np.ndarray:
    """uint16 or float32 (H, W) of grey pixels, (H, W, 3) of RGB."""
    fractions = max(c.bits for c in frame.format.components) > 16
    channels = 3 if frame.format.is_rgb else 1
    wanted = _DEEP[fractions][channels]
    values: np.ndarray = converter.reformat(frame, format=wanted, threads=1).to_ndarray()
    return values


def measure_levels(frames: Iterable[av.VideoFrame]) -> Levels:
    """The scale of a video, from some frames of a deep format."""
    converter = VideoReformatter()
    return Levels.of(deep_values(frame, converter) for frame in frames)


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """How a frame is to be turned and mirrored: a, b, c, d of x' = ax + cy, y' = bx + dy.

    None where it is upright.
    """
    sides: Any = frame.side_data  # its keys are members of Type
    side = sides.get(Type.DISPLAYMATRIX) if sides else None
    if side is None:
        return None
    values = np.frombuffer(bytes(side), np.int32, 9).tolist()
    matrix = values[0], values[1], values[3], values[4]
    upright = matrix[0] > 0 and matrix[3] > 0 and abs(matrix[0]) >= abs(matrix[1])
    return None if upright or not any(matrix) else matrix


def apply_matrix(image: np.ndarray, matrix: tuple[int, int, int, int]) -> np.ndarray:
    """A view of an image, turned by the nearest quarter and mirrored, as FFmpeg does it."""
    across, down = matrix[0], matrix[3]
    if is_sideways(matrix):
        image, across, down = image.swapaxes(0, 1), matrix[2], matrix[1]
    if across < 0:
        image = image[:, ::-1]
    return image[::-1] if down < 0 else image


def is_sideways(matrix: tuple[int, int, int, int]) -> bool:
    """Whether width and height change places."""
    a, b, c, d = matrix
    return abs(b) + abs(c) > abs(a) + abs(d)
