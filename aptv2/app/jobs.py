"""Long work, one thing at a time, in the order in which it was asked for."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from aptv2.errors import InputError
from aptv2.inference.progress import Report, Stop

State = Literal["waiting", "running", "done", "failed", "cancelled"]


class Job:
    """A piece of work.

    Parameters
    ----------
    title
        What is done, for the user.
    work
        Does it, and reports to the function that it is given; what it returns is kept as `result`.
    """

    def __init__(self, title: str, work: Callable[[Report], object]) -> None:
        self.title, self._work = title, work
        self.state: State = "waiting"
        self.done = 0
        self.total: int | None = None
        self.error = ""  # one sentence, where it failed
        self.result: Any = None
        self._started = 0.0
        self._cancel = threading.Event()

    @property
    def over(self) -> bool:
        """True if nothing more will happen."""
        return self.state in ("done", "failed", "cancelled")

    def cancel(self) -> None:
        """Stop at the next report."""
        self._cancel.set()
        if self.state == "waiting":
            self.state = "cancelled"

    def run(self) -> None:
        """Do the work; how it went is in `state` and `error`."""
        if self._cancel.is_set():
            return
        self.state, self._started = "running", time.monotonic()
        try:
            self.result = self._work(self._report)
            self.state = "done"
        except Stop:
            self.state = "cancelled"
        except InputError as error:
            self.state, self.error = "failed", str(error)
        except MemoryError:
            self.state, self.error = "failed", "The memory is full; close other programs."
        except Exception as error:  # One bad video must not end the server.
            self.state, self.error = "failed", f"Something went wrong ({error!r})."

    def describe(self) -> dict[str, Any]:
        """Its state, for the page."""
        seconds = time.monotonic() - self._started if self.state == "running" else 0.0
        return {
            "title": self.title,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "seconds": round(seconds, 1),
            "error": self.error,
        }

    def _report(self, done: int, total: int | None) -> None:
        self.done, self.total = done, total
        if self._cancel.is_set():
            raise Stop


class BusyError(InputError):
    """Too much is waiting already."""


class Jobs:
    """A thread that does one job after the other.

    Parameters
    ----------
    most
        Jobs that may wait.
    """

    def __init__(self, most: int = 50) -> None:
        self.most = most
        self._queue: queue.Queue[Job | None] = queue.Queue()
        self._current: Job | None = None
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Job:
        """Put a job behind those that wait.

        Raises
        ------
        BusyError
            Where too many wait.
        """
        if self._queue.qsize() >= self.most:
            raise BusyError(f"{self.most} tasks are waiting already; try again later.")
        self._queue.put(job)
        return job

    def clean_up(self, work: Callable[[], object]) -> None:
        """Do what has to be done behind all that waits, however much that is."""
        self._queue.put(Job("Clean up", lambda _: work()))

    def close(self, patience: float = 10.0) -> None:
        """Cancel everything and wait some seconds for the work to end."""
        while True:
            try:
                if (job := self._queue.get_nowait()) is not None:
                    job.cancel()
            except queue.Empty:
                break
        if self._current is not None:
            self._current.cancel()
        self._queue.put(None)
        self._thread.join(patience)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            self._current = job
            job.run()
            self._current = None
