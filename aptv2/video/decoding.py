"""Decoding a stream to its end, past damaged packets; and seeing where a file was cut off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from aptv2.video.damage import Damage, find_damage
from aptv2.video.frame_clock import FrameClock

_DURATION = re.compile(r"(\d{1,4}):(\d\d):(\d\d(?:\.\d+)?)")
_DURATION_SLACK = 1.0
"""Seconds that Matroska's duration may exceed the last frame's end by."""


class BreakError(Exception):
    """Why the rest of a video cannot be read."""


class DamagedError(Exception):
    """Something is damaged: frames must be read from the start, and counted with care."""


class Decoding:
    """Frames of an open stream in display order, with their numbers and times."""

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        stream: VideoStream,
        fps: float,
        joined: bool,
        damage: Damage | None,
    ) -> None:
        self._path, self._container, self._stream = path, container, stream
        self._damage, self._searched = damage, False
        self._joined, self._corrupt = joined, False
        self._clock = FrameClock(
            stream.time_base or Fraction(1),
            fps,
            joined=joined,
            guessed=container.format.name == "avi",
            damaged=self._is_damaged,
        )
        self._failure: av.FFmpegError | None = None

    @property
    def lost(self) -> int:
        """Frames between others that could not be decoded."""
        return self._clock.lost

    def __iter__(self) -> Iterator[tuple[int, float, av.VideoFrame]]:
        """Decode.

        Raises
        ------
        BreakError
            After the last whole frame, where the file ends before it should. Decoders and demuxers
            mostly pass over that in silence.
        DamagedError
            Where something is damaged and it is not known what.
        """
        stream = self._stream
        indexed = len(stream.index_entries) > 1
        held: av.Packet | None = None
        last: tuple[int | None, int | None, int] | None = None
        packets = 0
        for packet in self._container.demux(stream):
            if not packet.size:
                continue
            if held is not None:
                self._corrupt = True
                yield from self._decode(held)
            last, packets = (packet.dts, packet.pts, packet.duration or 0), packets + 1
            # A file that is cut ends in half a packet, which would decode to half a picture. Damage
            # in the middle is left to the decoder, which mends what it can.
            held = packet if packet.is_corrupt else None
            if held is None:
                yield from self._decode(packet)
        yield from self._decode(None)
        if self._damage is None and self._clock.unshown:
            raise DamagedError
        if held is not None or (last and _ends_early(stream, *last, packets, indexed)):
            self._search()
            raise BreakError("the file is cut off")
        if self._failure is not None and (self._clock.trailing or not self._clock.index):
            raise self._failure
        if not packets:
            self._search()

    def _decode(self, packet: av.Packet | None) -> Iterator[tuple[int, float, av.VideoFrame]]:
        frames: list[av.VideoFrame] = []
        if packet is not None:
            self._clock.sent(packet)
        try:
            frames = self._stream.decode(packet)
        except av.FFmpegError as error:
            if self._damage is None:
                raise DamagedError from error
            self._failure = error
            if packet is not None:
                self._clock.failed()
        for frame in frames:
            place = self._clock.shown(frame.pts, bool(self._stream.codec_context.has_b_frames))
            if place is not None:
                yield (*place, frame)

    def _is_damaged(self, start: int | None, end: int) -> bool:
        if self._joined:
            corrupt, self._corrupt = self._corrupt, False
            return corrupt
        self._search()
        return self._damage is not None and self._damage.between(start, end)

    def _search(self) -> None:
        """Look for damage that the demuxer passes over, once.

        Raises
        ------
        DamagedError
            Where there is some.
        """
        if self._damage is None and not self._searched:
            self._searched = True
            if find_damage(self._path, self._container.format.name).positions:
                raise DamagedError


def _ends_early(
    stream: VideoStream,
    dts: int | None,
    pts: int | None,
    duration: int,
    packets: int,
    indexed: bool,
) -> bool:
    """Whether a stream promised more than was read, by whatever its container states.

    A count is not enough: packets that an edit list hides are in it, but are not read.
    """
    index = stream.index_entries
    if len(index) and dts is not None and dts < index[-1].timestamp:
        return True
    if not indexed and stream.frames:  # AVI that lost the index at its end.
        return packets < stream.frames
    promised = _DURATION.fullmatch(stream.metadata.get("DURATION", ""))  # Matroska.
    if promised is None or pts is None or stream.time_base is None:
        return False
    hours, minutes, seconds = (float(number) for number in promised.groups())
    end = float((pts + duration) * stream.time_base)
    return hours * 3600 + minutes * 60 + seconds - end > _DURATION_SLACK
