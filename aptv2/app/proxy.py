"""The copy of a video that the page plays.

Browsers play few codecs and round the times of frames, so the page always plays a copy: H.264 in
which frame i, as the package counts them, stands at i divided by the frame rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from aptv2.errors import BrokenVideoError
from aptv2.inference.overlay_video import queue_length
from aptv2.inference.progress import Report
from aptv2.video.prefetch import read_ahead
from aptv2.video.sources import VideoSource
from aptv2.video.writer import VideoWriter

MAX_SIDE = 1280
KEYFRAMES = 12
"""Frames from one key frame to the next: a jump decodes six on the mean."""


def frame_rate(fps: float) -> float:
    """The rate that a copy really has: a video file holds a fraction."""
    return float(Fraction(fps).limit_denominator(1001))


def proxy_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of a copy, even and at most `MAX_SIDE`."""
    scale = min(1.0, MAX_SIDE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)


def write_proxy(video: VideoSource, path: Path, report: Report) -> tuple[int, str]:
    """Write the copy of a video.

    Returns
    -------
    tuple of int and str
        Its number of frames; and where the video breaks off, the sentence that says so.

    Raises
    ------
    InputError
        Where the file cannot be written, or the video has no frame.
    """
    broken: list[str] = []

    def images() -> Iterator[np.ndarray]:
        try:
            for frame in frames:
                yield frame.image
        except BrokenVideoError as error:
            broken.append(str(error))

    with closing(read_ahead(video, queue_length(video))) as frames:
        size, fps = (video.width, video.height), video.fps
        count = _write(images(), path, size, fps, video.frame_count, report)
    return count, "".join(broken)


def write_blank(path: Path, size: tuple[int, int], fps: float, count: int, report: Report) -> None:
    """Write a grey copy of a video that is not there: `count` frames of width, height `size`."""
    width, height = proxy_size(*size)
    grey = np.full((height, width, 3), 64, np.uint8)
    _write((grey for _ in range(count)), path, size, fps, count, report)


def _write(
    images: Iterable[np.ndarray],
    path: Path,
    size: tuple[int, int],
    fps: float,
    count: int | None,
    report: Report,
) -> int:
    small = proxy_size(*size)
    done = 0
    with VideoWriter(path, *small, fps, keyframes=KEYFRAMES) as writer:
        for image in images:
            if image.shape[1::-1] != small:
                image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
            writer.write(image)
            done += 1
            report(done, count)
    return done
