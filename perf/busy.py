"""Keep cores busy, as a browser or another user's work does, then end.

    python perf/busy.py SECONDS [PROCESSES]

Each process computes without a pause on one core. It ends by itself after SECONDS, or as soon as
what started it is gone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

LONGEST = 3600.0  # seconds


def keep_busy(seconds: float) -> None:
    """Compute on one core for some seconds, an hour at most."""
    end = time.monotonic() + min(seconds, LONGEST)
    parent = os.getppid()
    while time.monotonic() < end and os.getppid() == parent:
        sum(range(10_000))


@contextmanager
def busy(processes: int, seconds: float = LONGEST) -> Iterator[None]:
    """Keep as many cores busy while the block runs."""
    command = [sys.executable, __file__, str(seconds)]
    started = [subprocess.Popen(command) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def main() -> None:
    """Keep one core busy, or several."""
    seconds = float(sys.argv[1])
    with busy(int(sys.argv[2]) - 1 if len(sys.argv) > 2 else 0, seconds):
        keep_busy(seconds)


if __name__ == "__main__":
    main()
