"""The queue: order, failures and cancelling."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from aptv2.app.jobs import Job, Jobs
from aptv2.errors import InputError

Report = Callable[[int, "int | None"], None]


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    jobs = Jobs()
    yield jobs
    jobs.close()


def endless(started: threading.Event) -> Callable[[Report], None]:
    """Work that reports for ever."""

    def work(report: Report) -> None:
        started.set()
        while True:
            report(3, 10)

    return work


def test_jobs_run_one_after_the_other_and_survive_failures(jobs: Jobs) -> None:
    order: list[str] = []
    last = threading.Event()

    def fail(error: Exception) -> Callable[[Report], None]:
        def work(report: Report) -> None:
            order.append(type(error).__name__)
            raise error

        return work

    bad = jobs.submit(Job("bad", fail(InputError("The file is empty."))))
    bug = jobs.submit(Job("bug", fail(RuntimeError("oops"))))
    good = jobs.submit(Job("good", lambda report: order.append("good")))
    jobs.submit(Job("last", lambda report: last.set()))
    assert last.wait(10)
    assert order == ["InputError", "RuntimeError", "good"]
    assert (bad.state, bad.error) == ("failed", "The file is empty.")
    assert bug.state == "failed"
    assert "oops" in bug.error
    assert good.state == "done"


def test_a_job_is_cancelled_while_it_runs_and_while_it_waits(jobs: Jobs) -> None:
    started, ended = threading.Event(), threading.Event()
    running = jobs.submit(Job("long", endless(started)))
    waiting = jobs.submit(Job("next", lambda report: pytest.fail("it was cancelled")))
    jobs.submit(Job("last", lambda report: ended.set()))
    assert started.wait(10)
    waiting.cancel()
    running.cancel()
    assert ended.wait(10)
    assert (running.state, waiting.state) == ("cancelled", "cancelled")
    assert (running.done, running.total) == (3, 10)


def test_closing_ends_everything() -> None:
    started = threading.Event()
    jobs = Jobs()
    running = jobs.submit(Job("long", endless(started)))
    waiting = jobs.submit(Job("next", lambda report: None))
    assert started.wait(10)
    jobs.close()
    assert running.over
    assert waiting.state == "cancelled"
