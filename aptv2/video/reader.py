"""Video in: a file or a folder of numbered images, frame by frame, in constant memory."""

from __future__ import annotations

import math
import warnings
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.format import Flags

from aptv2.errors import BrokenVideoError, InputError
from aptv2.images import IMAGE_SUFFIXES, check_size
from aptv2.levels import Levels
from aptv2.video.container import (
    DEFAULT_FPS,
    MAX_FPS,
    count_frames,
    frame_rate,
    most_frames,
    open_stream,
)
from aptv2.video.damage import Damage, PatchedFile, find_damage
from aptv2.video.decoding import BreakError, DamagedError, Decoding
from aptv2.video.image_folder import ImageFolder
from aptv2.video.pixels import (
    FrameConverter,
    display_matrix,
    is_deep,
    is_sideways,
    measure_levels,
)
from aptv2.video.sources import VideoFrame, VideoSource, kind_of

_LEVEL_SAMPLES = 16
"""Frames, spread over a video, that its range of values is measured in."""


def open_video(source: str | Path, fps: float = DEFAULT_FPS, start: int = 0) -> VideoSource:
    """Open a video file, a folder of images or a multi-page image for reading.

    Parameters
    ----------
    source
        Video file; or folder of images (jpg, png, bmp, tif, webp) that are taken in natural order,
        where the pages of a TIFF are frames too; or one such TIFF.
    fps
        Frames per second of images; a video file knows its own.
    start
        Index of the first frame to yield. Frames before it are decoded and dropped, which is exact
        for every codec.

    Returns
    -------
    VideoSource
        Iterate over it for :class:`VideoFrame` (index, time, image); each time reads anew.

    Raises
    ------
    InputError
        Where there is no such file, or it is not a video that can be read.

    Examples
    --------
    >>> video = open_video("clip.mp4")  # doctest: +SKIP
    >>> for index, seconds, image in video:  # doctest: +SKIP
    ...     print(index, seconds, image.shape)
    """
    path = Path(source).expanduser()
    if not (math.isfinite(fps) and 0 < fps <= MAX_FPS):
        raise InputError(f"{path}: the frame rate {fps} is not between 0 and {MAX_FPS}.")
    if start < 0:
        raise InputError(f"{path}: the first frame to read, {start}, is below 0.")
    kind = kind_of(path)
    if kind is None:
        raise InputError(f"{path}: no such file or folder.")
    if kind == "folder" or path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFolder.open(path, float(fps), start)
    return VideoFile.open(path, start)


@dataclass(frozen=True)
class VideoFile(VideoSource):
    """A video file. Times are the file's own, so a variable frame rate keeps its times.

    A frame that cannot be decoded is left out: its number stays free, and a warning counts those
    that are missing.

    Parameters
    ----------
    levels
        Scale of pixels of 16 bits or fractions; None for others.
    """

    levels: Levels | None = None

    @classmethod
    def open(cls, path: Path, start: int) -> VideoFile:
        """Decode one frame: only then are the size and rotation known, and that it can be read.

        Raises
        ------
        InputError
            Where no frame can be decoded, or frames are too large.
        """
        with open_stream(path) as (container, stream):
            check_size(path, stream.codec_context.width, stream.codec_context.height)
            rate, count = frame_rate(path, stream), count_frames(container, stream)
        video = cls(path, 0, 0, rate, count, start)
        try:
            with closing(video._frames()) as frames:
                first = next(frames, None)
        except (av.FFmpegError, BreakError) as error:
            raise InputError(f"{path}: no frame can be decoded ({_reason(error)}).") from error
        if first is None:
            raise InputError(f"{path}: the video has no frames.")
        frame = first[2]
        width, height = frame.width, frame.height
        matrix = display_matrix(frame)
        if matrix is not None and is_sideways(matrix):
            width, height = height, width
        check_size(path, width, height)
        levels = measure_levels(_samples(path)) if is_deep(frame.format) else None
        return cls(path, width, height, rate, count, start, levels)

    @property
    def most_frames(self) -> int:
        return most_frames(self.path)

    def __iter__(self) -> Iterator[VideoFrame]:
        index = 0
        converter = FrameConverter(self.levels)
        frames = self._frames()
        try:
            for index, time, frame in frames:
                if index >= self.start:
                    yield VideoFrame(index, time, self._image(frame, converter))
                index += 1
        except (av.FFmpegError, BreakError) as error:
            of = f" of {self.frame_count}" if (self.frame_count or 0) >= index else ""
            raise BrokenVideoError(
                f"{self.path} breaks at frame {index}{of}: {_reason(error)}; copy the file "
                "again or repair it to have the rest."
            ) from error
        finally:
            frames.close()

    def _frames(self) -> Generator[tuple[int, float, av.VideoFrame], None, None]:
        """Numbers, times and frames; at the first damage once more from the start, with care."""
        last = -1
        try:
            for index, time, frame in self._read(None):
                last = index
                yield index, time, frame
        except DamagedError:
            pass
        else:
            return
        with open_stream(self.path) as (container, _):
            damage = find_damage(self.path, container.format.name)
        for index, time, frame in self._read(damage):
            if index > last:
                yield index, time, frame

    def _read(self, damage: Damage | None) -> Iterator[tuple[int, float, av.VideoFrame]]:
        """The same.

        Parameters
        ----------
        damage
            What is known to be damaged; None raises :class:`DamagedError` where something is.
        """
        source = PatchedFile(self.path, damage.patches) if damage and damage.patches else None
        with open_stream(self.path, source) as (container, stream):
            if damage is not None:
                # With several threads, errors come late and take good frames with them.
                stream.thread_type, stream.codec_context.thread_count = "NONE", 1
            discontinuous: Any = Flags.ts_discont.value
            joined = bool(container.format.flags & discontinuous)
            decoding = Decoding(self.path, container, stream, self.fps, joined, damage)
            yield from decoding
            if decoding.lost:
                warnings.warn(
                    f"{self.path}: {decoding.lost} damaged "
                    f"{'frame is' if decoding.lost == 1 else 'frames are'} left out; the others "
                    "keep their numbers and times.",
                    stacklevel=2,
                )

    def _image(self, frame: av.VideoFrame, converter: FrameConverter) -> np.ndarray:
        image = converter(frame)
        if image.shape[:2] != (self.height, self.width):
            raise BreakError(
                f"its frames change from {self.width} x {self.height} to {image.shape[1]} x "
                f"{image.shape[0]} pixels"
            )
        return image


def _samples(path: Path) -> Iterator[av.VideoFrame]:
    """Frames that are spread over a video."""
    with open_stream(path) as (container, stream):
        length = stream.duration or 0
        for sample in range(_LEVEL_SAMPLES):
            with suppress(av.FFmpegError):  # What cannot be sampled is reported when it is read.
                if length:
                    offset = (stream.start_time or 0) + length * sample // _LEVEL_SAMPLES
                    container.seek(offset, stream=stream)
                frame = next(container.decode(stream), None)
                if frame is not None:
                    yield frame


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
