"""Work on files that people give, in a process of its own: a decoder that crashes ends that one."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aptv2.app.proxy import write_proxy
from aptv2.errors import InputError
from aptv2.inference.progress import Report
from aptv2.video.reader import open_video

_STEP = 0.1  # seconds between two reports
_OPENING = 60.0  # seconds that opening a video may take


def check_video(path: Path) -> None:
    """Open a video and decode its first frame.

    Raises
    ------
    InputError
        Where it cannot be read, takes too long, or crashes the decoder.
    """
    run(_open, (path,), path, patience=_OPENING)


def write_checked_proxy(path: Path, fps: float, target: Path, report: Report) -> tuple[int, str]:
    """As :func:`aptv2.app.proxy.write_proxy`, of the video of this path and frame rate.

    Raises
    ------
    InputError
        As there, and where the video crashes the decoder.
    """
    done: tuple[int, str] = run(_write, (path, fps, target), path, report)
    return done


def run(
    work: Callable[..., Any],
    arguments: tuple[Any, ...],
    path: Path,
    report: Report = lambda done, total: None,
    patience: float | None = None,
) -> Any:
    """Call a function in a new process.

    Parameters
    ----------
    work
        Takes the arguments and a function to report to; both it and they can be pickled.
    arguments
        What it is given.
    path
        The file that it works on, for the sentence where it crashes.
    report
        Takes the progress; what it raises ends the process.
    patience
        Seconds until it is given up; None waits as long as it takes.

    Returns
    -------
    object
        What the function returns.

    Raises
    ------
    InputError
        That of the function; or where its process crashes or takes too long.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(sender, work, arguments), daemon=True)
    process.start()
    sender.close()
    try:
        while receiver.poll(patience):
            kind, value = receiver.recv()
            if kind == "report":
                report(*value)
            elif kind == "error":
                raise InputError(value)
            else:
                return value
        raise InputError(f"{path}: takes too long to open; convert it to MP4.")
    except EOFError:
        process.join()
        raise InputError(f"{path}: crashes the decoder; convert it to MP4.") from None
    finally:
        process.kill()
        process.join()
        receiver.close()


def _run(sender: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The server ends it.
    last = 0.0

    def report(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last >= _STEP:
            last = time.monotonic()
            sender.send(("report", (done, total)))

    try:
        sender.send(("done", work(*arguments, report)))
    except InputError as error:
        sender.send(("error", str(error)))
    except BrokenPipeError:  # The server is gone.
        pass


def _open(path: Path, report: Report) -> None:
    next(iter(open_video(path)))


def _write(path: Path, fps: float, target: Path, report: Report) -> tuple[int, str]:
    return write_proxy(open_video(path, fps), target, report)
