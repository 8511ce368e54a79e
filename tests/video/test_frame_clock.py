"""Numbers and times of frames, from made-up packets: clocks that wrap, begin anew or say little."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np

from aptv2.video.frame_clock import FrameClock

MPEG = Fraction(1, 90000)


def packet(pts: int | None, dts: int | None, position: int = 0) -> Any:
    return SimpleNamespace(pts=pts, dts=dts, pos=position, is_discard=False)


def test_a_clock_of_33_bits_wraps() -> None:
    clock = FrameClock(MPEG, 25, joined=True)
    times = [(2**33 - 9000 + 3600 * n) % 2**33 for n in range(8)]
    shown = []
    for time in times:
        one = packet(time, time)
        clock.sent(one)
        shown.append(clock.shown(one.pts, False))
    assert [index for index, _ in shown] == list(range(8))
    np.testing.assert_allclose([time for _, time in shown], np.arange(8) / 25, atol=1e-9)


def test_joined_files_follow_each_other() -> None:
    for first, second in ((126000, 126000), (900_000_000, 126000), (126000, 900_000)):
        clock = FrameClock(MPEG, 25, joined=True)
        times = [first + 3600 * n for n in range(5)] + [second + 3600 * n for n in range(5)]
        shown = []
        for time in times:
            one = packet(time, time)
            clock.sent(one)
            shown.append(clock.shown(one.pts, False))
        assert [index for index, _ in shown] == list(range(10))
        rising = np.diff([time for _, time in shown])
        assert (rising > 0).all()
        if second <= first:  # A later clock may be a true pause.
            np.testing.assert_allclose(rising, 1 / 25, atol=1e-9)


def test_what_is_added_to_a_clock_that_falls_is_taken_off() -> None:
    """FFmpeg takes it for one that wrapped, so the second file would begin a day later."""
    clock = FrameClock(MPEG, 25, joined=True)
    shown = []
    for time in (90_000_000, 90_003_600, 126000 + 2**33, 129600 + 2**33):
        one = packet(time, time)
        clock.sent(one)
        shown.append(clock.shown(one.pts, False))
    np.testing.assert_allclose([time for _, time in shown], np.arange(4) / 25, atol=1e-9)


def test_guessed_times_rise() -> None:
    """AVI: every packet's time is that of decoding, plus one."""
    clock = FrameClock(Fraction(1, 30), 30, guessed=True)
    order = [0, 4, 2, 1, 3, 8, 6, 5, 7, 9]
    for at in range(3):
        clock.sent(packet(at + 1, at))
    shown = []
    for at in range(len(order)):
        shown.append(clock.shown(order[at] + 1, True))
        if at + 3 < len(order):
            clock.sent(packet(at + 4, at + 3))
    assert [place[0] for place in shown if place] == list(range(10))
    np.testing.assert_allclose([place[1] for place in shown if place], np.arange(10) / 30)


def test_packets_that_are_never_shown_are_no_frames() -> None:
    """VP8 stores reference pictures of their own; interlaced pictures may come in halves."""
    clock = FrameClock(Fraction(1, 1000), 25)
    shown = []
    for number in range(10):
        clock.sent(packet(40 * number, 40 * number))
        clock.sent(packet(40 * number + 20, 40 * number + 20))
        shown.append(clock.shown(40 * number, False))
    assert [place[0] for place in shown if place] == list(range(10))
    assert clock.lost == 0


def test_frames_shorter_than_a_tick_have_times_of_their_own() -> None:
    clock = FrameClock(Fraction(1, 1000), 10000)
    shown = []
    for number in range(25):
        clock.sent(packet(number // 10, number // 10))
        shown.append(clock.shown(number // 10, False))
    np.testing.assert_allclose([p[1] for p in shown if p], np.arange(25) / 10000)
