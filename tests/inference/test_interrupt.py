"""Signals that end a process wait for a good moment; the second does not."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from aptv2.errors import Stopped
from aptv2.inference.interrupt import postponed_interrupt

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
DEFAULTS = {signal.SIGINT: signal.default_int_handler}


@pytest.fixture(autouse=True)
def not_ignored() -> Iterator[None]:
    """Tests started in the background or under nohup inherit signals that are ignored."""
    before = {
        number: signal.signal(number, DEFAULTS.get(number, signal.SIG_DFL)) for number in SIGNALS
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_reported_and_raised_at_the_end(number: int) -> None:
    def until_reported() -> None:
        with postponed_interrupt() as stopped:
            assert stopped() == 0
            os.kill(os.getpid(), number)
            assert stopped() == number

    before = [signal.getsignal(each) for each in SIGNALS]
    with pytest.raises(Stopped) as caught:
        until_reported()
    assert caught.value.code == 128 + number
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_the_second_signal_is_at_once() -> None:
    reached = []

    def stop() -> None:
        with postponed_interrupt():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("end")

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert reached == []


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with postponed_interrupt() as stopped:
            os.kill(os.getpid(), signal.SIGHUP)
            assert stopped() == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_are_never_stopped() -> None:
    reported: list[int] = []

    def run() -> None:
        with postponed_interrupt() as stopped:
            reported.append(stopped())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert reported == [0]
