"""Video files as FFmpeg opens them: the stream, its frame rate and how many frames it holds."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from aptv2.errors import InputError

DEFAULT_FPS = 25.0
MAX_FPS = 1_000_000
"""The fastest cameras reach about this rate."""
_PLAUSIBLE_FPS = 1000
"""Some files state their clock's rate, so a higher one is compared with the frames' times."""
_PROBED_PACKETS = 60

# Only containers that hold their own frames, and no protocol but files: a playlist that is called
# .mp4 could otherwise open other files or addresses.
_SAFE_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc,m4v"
    ",dv,mxf,mjpeg",
}


def open_container(source: str | Path | io.RawIOBase) -> InputContainer:
    """Open a file for reading; the only place where that is done.

    Titles and other metadata that are not UTF-8 are no reason to refuse good pictures.

    Parameters
    ----------
    source
        A path, or a readable and seekable binary file.

    Raises
    ------
    av.FFmpegError, OSError
        Where FFmpeg cannot read it.
    """
    # The prefix keeps FFmpeg from reading a protocol into a file's name.
    file = source if isinstance(source, io.RawIOBase) else f"file:{source}"
    container = av.open(file, options=dict(_SAFE_OPTIONS), metadata_errors="replace")
    assert isinstance(container, InputContainer)
    return container


@contextmanager
def open_stream(
    path: Path, source: io.RawIOBase | None = None
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Give the container and its first video stream that is not a cover picture.

    Parameters
    ----------
    path
        The file.
    source
        Read this in its place.

    Raises
    ------
    InputError
        Where it is not a video, or no decoder is there for it.
    """
    try:
        container = open_container(source or path)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: {_why_not_opened(path, error)}.") from error
    with container:
        streams = [
            stream
            for stream in container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not streams:
            raise InputError(f"{path}: holds no video stream; give a file with pictures.")
        if streams[0].codec_context is None:
            raise InputError(f"{path}: its video codec is not supported; convert it to H.264.")
        streams[0].thread_type = "AUTO"
        yield container, streams[0]


def frame_rate(path: Path, stream: VideoStream) -> float:
    """Frames per second: what the file states, where that is plausible; else measured."""
    stated = [float(r) for r in (stream.average_rate, stream.guessed_rate) if r and r > 0]
    for rate in stated:
        if rate <= _PLAUSIBLE_FPS:
            return rate
    steps = _steps(path)
    if len(steps):
        # The mean, as clocks of milliseconds put several frames of fast cameras on one tick.
        measured = 1 / max(float(steps.mean()), 1 / MAX_FPS)
        for rate in stated:
            if rate <= MAX_FPS and 0.5 < rate / measured < 2:
                return rate
        return measured
    return DEFAULT_FPS


def count_frames(container: InputContainer, stream: VideoStream) -> int | None:
    """Best estimate of the number of frames; None where the file says nothing."""
    seconds: Fraction | None = None
    if stream.duration and stream.time_base:
        seconds = stream.duration * stream.time_base
    elif container.duration:
        seconds = Fraction(container.duration, av.time_base)
    by_time = round(seconds * stream.average_rate) if seconds and stream.average_rate else 0
    # The smaller: frames that an edit list hides are counted in one and not in the other.
    return min((n for n in (stream.frames, by_time) if n > 0), default=None)


def most_frames(path: Path) -> int:
    """How many frames a file can hold: as many as it states, else as it has packets.

    Raises
    ------
    InputError
        Where it cannot be opened.
    """
    with open_stream(path) as (container, stream):
        stated = max(stream.frames, len(stream.index_entries))
        if stream.frames and stated:
            return stated
        packets = 0
        try:
            for packet in container.demux(stream):
                packets += packet.size > 0
        except av.FFmpegError:
            pass  # Reported when the frames are read.
        return packets


def _steps(path: Path) -> np.ndarray:
    """float64: seconds between the first packets, in order of time."""
    times: list[float] = []
    with open_stream(path) as (container, stream):
        tick = stream.time_base or Fraction(1)
        try:
            for packet in container.demux(stream):
                key = packet.dts if packet.pts is None else packet.pts
                if packet.size and key is not None:
                    times.append(float(key * tick))
                if len(times) == _PROBED_PACKETS:
                    break
        except av.FFmpegError:
            pass  # Reported when the frames are read.
    return np.diff(np.sort(times))


def _why_not_opened(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "cannot be read: permission denied"
    with path.open("rb") as file:
        head = file.read(12)
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp":
        return (
            "the video is incomplete: its index (the moov atom), which is written last, is "
            "missing; copy the file again"
        )
    return "is not a video that can be read; convert it to MP4"
