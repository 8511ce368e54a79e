"""Ctrl-C and the signals that end a process, which wait for a good moment."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from aptv2.errors import STOP_SIGNALS, Stopped


@contextmanager
def postponed_interrupt() -> Iterator[Callable[[], int]]:
    """Give a function that returns the signal that asked to stop, 0 so far; a second is at once.

    The signals are those of Ctrl-C, of `kill` and cluster schedulers, and of a terminal that is
    closed; those that are ignored, as under nohup, stay so. Whoever does not ask in time is
    interrupted at the end of the block. Outside the main thread, where Python delivers no signals,
    there never is one.

    Raises
    ------
    Stopped
        At the end of the block, where a signal came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    pressed = 0
    before = {
        number: handler
        for number in STOP_SIGNALS
        if (handler := signal.getsignal(number)) not in (signal.SIG_IGN, None)
    }

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def press(number: int, *_: Any) -> None:
        nonlocal pressed
        pressed = number
        restore()

    for number in before:
        signal.signal(number, press)
    try:
        yield lambda: pressed
    finally:
        restore()
    if pressed:
        raise Stopped(pressed)
