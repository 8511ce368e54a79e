"""Numbers and times of decoded frames, from the packets that they come from.

Decoders do not say which frame was lost, and not every container has true times. The packets know
both: each holds one frame, and shown in the order of their times they are the video.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import av

_CLOCK_BITS = (33, 32, 24)  # of MPEG, and of FLV with and without its extension
_WRAP_SECONDS = 60
"""A clock that falls by its whole range, but for so much, has wrapped; else it began anew."""
_LEAP_SECONDS = 12 * 3600
"""What FFmpeg adds to an MPEG clock that falls, as if it had wrapped, is longer than this."""
_REORDERED = 32
"""Packets that may lie between where a frame is stored and where it is shown."""
_BACK_SECONDS = 1.0
"""Containers that are not made to be joined may put packets in a slightly wrong order."""


class _Packet(NamedTuple):
    key: int  # its time in ticks
    number: int  # in the order of decoding, so that packets compare
    position: int  # in the file, in bytes
    failed: bool


class FrameClock:
    """Follows packets and frames of one stream.

    Parameters
    ----------
    tick
        Seconds of a unit of the stream's times.
    fps
        Frames per second, to find holes and for times where packets have none.
    joined
        Whether the container may consist of parts whose clocks begin anew (MPEG's do).
    guessed
        Whether presentation times may be guesses (AVI stores none).
    damaged
        Says whether the file is damaged between two positions; the first is None at its start.
    """

    def __init__(
        self,
        tick: Fraction,
        fps: float,
        *,
        joined: bool = False,
        guessed: bool = False,
        damaged: Callable[[int | None, int], bool] = lambda *_: False,
    ) -> None:
        self.lost = 0  # frames between others that could not be decoded
        self._tick, self._fps = float(tick), fps
        self._step = max(1 / (fps * self._tick), 1e-9)  # ticks from a frame to the next
        self._joined, self._guessed, self._damaged = joined, guessed, damaged
        self._pending: list[_Packet] = []
        self._sent = self._index = self._failures = 0
        self._positions: deque[int | None] = deque([None], _REORDERED)
        self._leads: set[int] = set()  # pts - dts so far
        self._offset = 0
        self._dts: int | None = None
        self._last: _Packet | None = None
        self._origin = 0
        self._time = -1.0

    def sent(self, packet: av.Packet) -> None:
        """Take a packet before it is decoded; a clock that falls is made to rise."""
        self._unwrap(packet)
        key = packet.dts if packet.pts is None else packet.pts
        if packet.is_discard or key is None:
            return
        if packet.pts is not None and packet.dts is not None and not self._last:
            self._leads.add(packet.pts - packet.dts)
        self._positions.append(packet.pos or 0)
        insort(self._pending, _Packet(key, self._sent, packet.pos or 0, False))
        self._sent += 1

    def failed(self) -> None:
        """The packet sent last could not be decoded."""
        self._failures += 1
        for at, packet in enumerate(self._pending):
            if packet.number == self._sent - 1:
                self._pending[at] = packet._replace(failed=True)

    @property
    def trailing(self) -> int:
        """Failed packets after the last frame."""
        return sum(packet.failed for packet in self._pending)

    @property
    def unshown(self) -> bool:
        """Whether packets whose turn came later than the last frame's gave none."""
        if self._last is None:
            return bool(self._pending)
        return any(p.key > self._last.key + 0.75 * self._step for p in self._pending)

    @property
    def index(self) -> int:
        """Number of the next frame."""
        return self._index

    def shown(self, pts: int | None, reorders: bool) -> tuple[int, float] | None:
        """Number and time in seconds of a decoded frame.

        Parameters
        ----------
        pts
            Its presentation time in ticks, where the decoder gives one.
        reorders
            Whether frames are decoded in another order than they are shown in.

        Returns
        -------
        tuple or None
            None for a frame whose turn is over: decoders show such after damage.
        """
        if self._guessed and self._last is None and reorders and len(self._leads) <= 1:
            self._guessed, pts = True, None
        elif self._last is None:
            self._guessed = False
        at = self._place(pts)
        if at is None:
            return None if self._failures and pts is not None else self._unplaced()
        passed, packet = self._pending[:at], self._pending[at]
        del self._pending[: at + 1]
        self._index += self._count_lost(passed, packet)
        self._last = packet
        return self._numbered((packet.key - self._origin) * self._tick)

    def _place(self, pts: int | None) -> int | None:
        """Which pending packet a frame comes from."""
        if pts is not None and not self._guessed:
            at = bisect_left(self._pending, (pts,))
            if at < len(self._pending) and self._pending[at].key == pts:
                return at
            if self._last is not None and pts <= self._last.key and not self._failures:
                self._guessed = True  # Times that fall without damage are no presentation times.
            elif self._failures:
                return None
        return next((at for at, packet in enumerate(self._pending) if not packet.failed), None)

    def _unplaced(self) -> tuple[int, float]:
        """A frame that no packet explains follows the one before."""
        if self._last is None:
            return self._numbered(self._index / self._fps)
        return self._numbered(self._time + 1 / self._fps)

    def _numbered(self, time: float) -> tuple[int, float]:
        if self._tick * self._fps > 1:  # Frames are shorter than a tick.
            time = self._index / self._fps
        if time <= self._time:
            time = self._time + self._tick / 2
        self._time = time
        self._index += 1
        return self._index - 1, time

    def _count_lost(self, passed: list[_Packet], packet: _Packet) -> int:
        """How many frames are missing before that of a packet."""
        if self._last is None:
            self._origin = packet.key
            if self._failures and passed and not self._joined:
                self._origin, lost = passed[0].key, len(passed)
            elif packet.key > self._step / 2 and not self._joined:
                lost = 0
                if self._damaged(None, packet.position):
                    self._origin, lost = 0, round(packet.key / self._step)
            else:
                return 0
        else:
            room = max(round((packet.key - self._last.key) / self._step) - 1, 0)
            failed = sum(p.failed for p in passed)
            # Of packets that gave no frame, those that leave no hole were never to be shown.
            lost = failed + min(len(passed) - failed, max(room - failed, 0))
            window = self._positions[0], self._positions[-1] or 0
            if room > len(passed) and self._damaged(*window):
                lost = room
        self.lost += lost
        return lost

    def _unwrap(self, packet: av.Packet) -> None:
        if packet.dts is None:
            if packet.pts is not None and self._offset:
                packet.pts += self._offset
            return
        fall = 0 if self._dts is None else self._dts - packet.dts - self._offset
        limit = 0 if self._joined else _BACK_SECONDS / self._tick
        if fall > limit or (self._joined and -fall > _LEAP_SECONDS / self._tick):
            self._offset += self._jump(fall)
        if self._offset:
            packet.dts += self._offset
            if packet.pts is not None:
                packet.pts += self._offset
        self._dts = packet.dts

    def _jump(self, fall: int) -> int:
        """Ticks to add to a clock that fell by so many, or leapt where that is below 0."""
        for bits in _CLOCK_BITS:
            if 0 <= 2**bits - fall < _WRAP_SECONDS / self._tick:
                return 2**bits
        return fall + max(round(self._step), 1)
