"""Video out: H.264 in MP4, which every player and browser shows."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, VideoReformatter
from av.video.stream import VideoStream

from aptv2.errors import InputError
from aptv2.files import atomic_write

MIN_FPS = 1
"""Slower videos, such as those of trail cameras, are shown at this rate: players want one."""


def overlay_rate(fps: float) -> Fraction:
    """Frames per second of a video that is written."""
    # 1001 gives back 30000/1001 from 29.97003, as cameras have it.
    return Fraction(max(fps, MIN_FPS)).limit_denominator(1001)


class _DiscardError(Exception):
    """What an output's block ends with where it is to leave nothing."""


class VideoWriter:
    """Writes frames of a constant rate to an MP4 file, which appears at `path` on :meth:`close`.

    A context manager. Where its body fails, nothing appears and a file that was there stays,
    unless `keep` is set. A video without frames is not written.

    Parameters
    ----------
    path
        The file.
    width, height
        Size of the frames in pixels. H.264 wants even sizes: an odd one gets a black row or column.
    fps
        Frames per second; at least `MIN_FPS` is written.
    keep
        Finish and keep the video where the body fails.
    keyframes
        Frames from one key frame to the next; fewer make jumps faster and the file larger. None
        leaves it to the encoder.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        width: int,
        height: int,
        fps: float,
        keep: bool = False,
        keyframes: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.keep = keep
        self._shape = (height, width, 3)
        self._canvas = np.zeros((height + height % 2, width + width % 2, 3), np.uint8)
        self._converter = VideoReformatter()
        self._frames = 0
        rate = overlay_rate(fps)
        # Entered by hand: its block ends in close() or discard().
        self._output = atomic_write(self.path)
        self._part = self._output.__enter__()
        self._container = av.open(
            f"file:{self._part}", "w", format="mp4", container_options={"movflags": "faststart"}
        )
        self._stream = self._add_stream(rate)
        if keyframes is not None:
            self._stream.gop_size = keyframes
        self._open = True

    def write(self, frame: np.ndarray) -> None:
        """Append a frame: uint8 (height, width, 3), RGB.

        Raises
        ------
        InputError
            Where the disk is full or gone. The video is then discarded.
        """
        if not self._open:
            raise ValueError(f"{self.path} is closed")
        if frame.shape != self._shape or frame.dtype != np.uint8:
            raise ValueError(f"a frame is {frame.dtype} {frame.shape}, not uint8 {self._shape}")
        if self._canvas.shape != self._shape:
            self._canvas[: self._shape[0], : self._shape[1]] = frame
            frame = self._canvas
        picture = self._converter.reformat(
            av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"),
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            threads=1,
        )
        picture.pts = self._frames
        try:
            self._container.mux(self._stream.encode(picture))
        except (av.FFmpegError, OSError) as error:
            self.discard()
            raise self._failure(error) from error
        self._frames += 1

    def close(self) -> None:
        """Finish the file and move it into place. After :meth:`discard` there is nothing to do.

        Raises
        ------
        InputError
            Where the disk is full or gone.
        """
        if not self._open:
            return
        if not self._frames:
            self.discard()
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        except (av.FFmpegError, OSError) as error:
            self.discard()
            raise self._failure(error) from error
        self._open = False
        self._output.__exit__(None, None, None)

    def discard(self) -> None:
        """Stop and leave nothing. FFmpeg may crash where it goes on after an error."""
        if not self._open:
            return
        self._open = False
        with suppress(av.FFmpegError, OSError):  # Such as that of a full disk, once more.
            self._container.close()
        self._output.__exit__(_DiscardError, _DiscardError(), None)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or self.keep:
            self.close()
        else:
            self.discard()

    def _add_stream(self, rate: Fraction) -> VideoStream:
        height, width = self._canvas.shape[:2]
        if "libx264" in av.codecs_available:
            stream = self._container.add_stream("libx264", rate=rate)
            stream.options = {"crf": "20", "preset": "veryfast"}
        else:
            # FFmpeg builds without GPL parts have no H.264 of their own. MPEG-4 is in all of them.
            stream = self._container.add_stream("mpeg4", rate=rate)
            stream.bit_rate = max(1_000_000, round(width * height * rate / 4))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        # Said in the file: players guess otherwise, and by the frame's size.
        context = stream.codec_context
        context.colorspace = Colorspace.ITU709
        context.color_primaries = ColorPrimaries.BT709
        context.color_trc = ColorTrc.BT709
        return stream

    def _failure(self, error: Exception) -> InputError:
        reason = getattr(error, "strerror", None) or str(error)
        return InputError(f"{self.path} cannot be written: {reason}.")
