"""A progress bar with frames per second and the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Report: TypeAlias = Callable[[int, int | None], None]
"""Takes the frames that are done and their number, None where that is not known. What it raises
ends the work; :class:`Stop` does as Ctrl-C does."""


class Stop(Exception):
    """Exception of a report that stops the work; finished work is kept and can be resumed."""


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:.1f} fps")


@contextmanager
def progress_bar(
    name: str, total: int | None, done: int, shown: bool | Report
) -> Iterator[Callable[[int], None]]:
    """Give a function that takes the number of frames that are done.

    Parameters
    ----------
    name
        What is worked on.
    total
        Number of frames; None where it is not known.
    done
        Frames that were done before.
    shown
        Whether to show anything; or a function that is called instead.
    """
    if callable(shown):
        yield lambda frames: shown(frames, total)
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not shown,
    ) as progress:
        task = progress.add_task(escape(name), total=total, completed=done)
        yield lambda frames: progress.update(task, completed=frames)
