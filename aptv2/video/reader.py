"""Video in: a file or a folder of numbered images, frame by frame, in constant memory."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from aptv2.errors import BrokenVideoError, InputError
from aptv2.images import check_size
from aptv2.video.image_folder import ImageFolder
from aptv2.video.sources import VideoFrame, VideoSource, kind_of

DEFAULT_FPS = 25.0
MAX_FPS = 1000
"""Files that declare more give their clock's rate, not the rate of frames."""

# Only containers that hold their own frames, and no protocol but files: a playlist that is called
# .mp4 could otherwise open other files or addresses.
_SAFE_OPTIONS = {
    "protocol_whitelist": "file",
    "format_whitelist": "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc,m4v",
}

_DURATION = re.compile(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d+)?)")
_DURATION_SLACK = 1.0
"""Seconds that Matroska's duration may exceed the last frame's end by."""


class _BreakError(Exception):
    """Why the rest of a video cannot be read."""


def open_video(source: str | Path, fps: float = DEFAULT_FPS, start: int = 0) -> VideoSource:
    """A video file or a folder of images, ready to be read.

    Parameters
    ----------
    source
        Video file, or folder of images (jpg, png, bmp, tif, webp) that are taken in natural order.
    fps
        Frames per second of a folder of images; a file knows its own.
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
        raise InputError(f"{path}: the frame rate {fps} is not between 0 and {MAX_FPS}")
    if start < 0:
        raise InputError(f"{path}: the first frame to read, {start}, is below 0")
    kind = kind_of(path)
    if kind == "folder":
        return ImageFolder.open(path, float(fps), start)
    if kind is None:
        raise InputError(f"{path}: no such file or folder")
    return VideoFile.open(path, start)


@dataclass(frozen=True)
class VideoFile(VideoSource):
    """A video file. Times are the file's own, so a variable frame rate is told truly."""

    @classmethod
    def open(cls, path: Path, start: int) -> VideoFile:
        """Decode one frame: only then are the size and rotation known, and that it can be read.

        Raises
        ------
        InputError
            Where no frame can be decoded, or frames are too large.
        """
        with _opened(path) as (container, stream):
            check_size(path, stream.codec_context.width, stream.codec_context.height)
            rate, count = _frame_rate(stream), _count_frames(container, stream)
            try:
                frame = next(_decode(container, stream), None)
            except (av.FFmpegError, _BreakError) as error:
                raise InputError(f"{path}: no frame can be decoded ({_reason(error)})") from error
            if frame is None:
                raise InputError(f"{path}: the video has no frames")
            width, height = frame.width, frame.height
            if _quarter_turns(frame) % 2:
                width, height = height, width
        check_size(path, width, height)
        return cls(path, width, height, rate, count, start)

    def __iter__(self) -> Iterator[VideoFrame]:
        index, first_time = 0, None
        # One for all frames: it keeps its conversion tables.
        converter = VideoReformatter()
        with _opened(self.path) as (container, stream):
            tick = stream.time_base or Fraction(1)
            try:
                for frame in _decode(container, stream):
                    time = index / self.fps if frame.pts is None else float(frame.pts * tick)
                    first_time = time if first_time is None else first_time
                    if index >= self.start:
                        yield VideoFrame(index, time - first_time, self._image(frame, converter))
                    index += 1
            except (av.FFmpegError, _BreakError) as error:
                of = f" of {self.frame_count}" if self.frame_count else ""
                raise BrokenVideoError(
                    f"{self.path} breaks at frame {index}{of}: {_reason(error)}; copy the file "
                    "again or repair it to have the rest"
                ) from error

    def _image(self, frame: av.VideoFrame, converter: VideoReformatter) -> np.ndarray:
        # One thread: the decoder has the other cores.
        image: np.ndarray = converter.reformat(frame, format="rgb24", threads=1).to_ndarray()
        turns = _quarter_turns(frame)
        if turns:
            image = np.ascontiguousarray(np.rot90(image, turns))
        if image.shape[:2] != (self.height, self.width):
            raise _BreakError(
                f"its frames change from {self.width} x {self.height} to {image.shape[1]} x "
                f"{image.shape[0]} pixels"
            )
        return image


@contextmanager
def _opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """The container and its first video stream that is not a cover picture."""
    try:
        # The prefix keeps FFmpeg from reading a protocol into a file's name.
        container = av.open(f"file:{path}", options=_SAFE_OPTIONS)
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: {_why_not_opened(path, error)}") from error
    with container:
        streams = [
            stream
            for stream in container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not streams:
            raise InputError(f"{path}: holds no video stream")
        if streams[0].codec_context is None:
            raise InputError(f"{path}: its video codec is not supported; convert it to H.264")
        streams[0].thread_type = "AUTO"
        yield container, streams[0]


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Frames in display order.

    Raises
    ------
    _BreakError
        After the last whole frame, where the file ends before it should. Decoders and demuxers
        mostly pass over that in silence.
    """
    indexed = len(stream.index_entries) > 1
    held: av.Packet | None = None
    last: av.Packet | None = None
    packets = 0
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if held is not None:
            yield from held.decode()
        last, packets = packet, packets + 1
        # A file that is cut ends in half a packet, which would decode to half a picture. Damage in
        # the middle is left to the decoder, which mends what it can.
        held = packet if packet.is_corrupt else None
        if held is None:
            yield from packet.decode()
    yield from stream.decode(None)
    if held is not None or (last and _ends_early(stream, last, packets, indexed)):
        raise _BreakError("the file is cut off")


def _ends_early(stream: VideoStream, last: av.Packet, packets: int, indexed: bool) -> bool:
    """Whether a stream promised more than was read, by whatever its container tells.

    A count alone does not do: packets that an edit list hides are in it, but are not read.
    """
    index = stream.index_entries
    if len(index) and last.dts is not None and last.dts < index[-1].timestamp:
        return True
    if not indexed and stream.frames:  # AVI that lost the index at its end.
        return packets < stream.frames
    promised = _DURATION.fullmatch(stream.metadata.get("DURATION", ""))  # Matroska.
    if promised is None or last.pts is None or stream.time_base is None:
        return False
    hours, minutes, seconds = (float(number) for number in promised.groups())
    end = float((last.pts + (last.duration or 0)) * stream.time_base)
    return hours * 3600 + minutes * 60 + seconds - end > _DURATION_SLACK


def _quarter_turns(frame: av.VideoFrame) -> int:
    """How often the display matrix wants a frame turned by 90 degrees, counterclockwise."""
    return round(frame.rotation / 90) % 4


def _frame_rate(stream: VideoStream) -> float:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= MAX_FPS:
            return float(rate)
    return DEFAULT_FPS


def _count_frames(container: InputContainer, stream: VideoStream) -> int | None:
    seconds: Fraction | None = None
    if stream.duration and stream.time_base:
        seconds = stream.duration * stream.time_base
    elif container.duration:
        seconds = Fraction(container.duration, av.time_base)
    by_time = round(seconds * stream.average_rate) if seconds and stream.average_rate else 0
    # The smaller: frames that an edit list hides are counted in one and not in the other.
    return min((n for n in (stream.frames, by_time) if n > 0), default=None)


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
    return "is not a video that can be read"


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
