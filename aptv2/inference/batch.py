"""Several videos, one after the other or spread over machines; one that fails stops no other."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aptv2.errors import BrokenVideoError, InputError
from aptv2.inference.output import Output
from aptv2.tables import PoseTable
from aptv2.video.reader import DEFAULT_FPS, open_video
from aptv2.video.sources import expand_sources, output_name

Engine = Literal["local", "ray"]
Job = tuple[Path, Output]
STOPPED = 128
"""Exit codes above this are those of a signal."""


@dataclass(frozen=True)
class Outcome:
    """How it went with one video.

    Parameters
    ----------
    sentence
        Text for the user.
    code
        Exit code of a command that did only this: 0 done, 2 bad input, 3 the video broke off,
        128 and the signal's number where one stopped it (130 Ctrl-C), 1 an error of ours.
    """

    sentence: str
    code: int


def track_videos(
    sources: Sequence[str | Path],
    output: str | Path,
    *,
    boxes: str | Path | None = None,
    export: Sequence[str] = (),
    overlay: bool = True,
    resume: bool = False,
    engine: Engine = "local",
    **options: Any,
) -> Iterator[Outcome]:
    """Run :func:`aptv2.track_video` on every video and yield how it went, one by one.

    Parameters
    ----------
    sources
        Video files, folders of images, folders of videos, glob patterns.
    output
        Folder for the results of all.
    boxes, export, overlay, resume, options
        As :func:`aptv2.track_video` takes them.
    engine
        "local": one video after the other, in this process. "ray": on all devices of a Ray
        cluster, see :mod:`aptv2.inference.cluster`; outcomes come in the order they finish.

    Raises
    ------
    InputError
        Before any work, where the results cannot be written or the options do not fit.
    KeyboardInterrupt
        On Ctrl-C, SIGTERM or SIGHUP, except within a video of the local engine, whose outcome then
        reports it and is the last.
    """
    folder = Path(output)
    Output(folder, "", tuple(export)).check_folder()
    videos, failures = _expand(sources)
    if boxes is not None and len(videos) + len(failures) > 1:
        raise InputError(
            f"--boxes {boxes}: names the animals of one video, but {len(videos) + len(failures)} "
            "videos were given; track them one by one."
        )
    yield from failures
    options |= {"boxes": boxes, "export": export, "overlay": overlay}
    if engine == "ray":
        # A worker has a working directory of its own.
        videos, folder = [video.resolve() for video in videos], folder.resolve()
    jobs = [(video, Output(folder, output_name(video), tuple(export), overlay)) for video in videos]
    if engine == "ray":
        from aptv2.inference.cluster import on_ray

        yield from on_ray(partial(_track_again, options, resume), jobs, _lost)
        return
    # Opened before libraries are loaded that only networks need, so that what is no video is
    # refused at once.
    if len(jobs) == 1 and engine == "local":
        try:
            open_video(jobs[0][0], options.get("fps", DEFAULT_FPS))
        except InputError as error:
            yield Outcome(f"Error: {error}", 2)
            return
    for job in jobs:
        outcome = _track(job, {**options, "resume": resume})
        yield outcome
        if outcome.code > STOPPED:
            return


def _expand(sources: Sequence[str | Path]) -> tuple[list[Path], list[Outcome]]:
    """The videos, and the failures of arguments that lead to none."""
    found, failures = [], []
    for source in sources:
        try:
            found += expand_sources([source])
        except InputError as error:
            failures.append(Outcome(f"Error: {error}", 2))
    return expand_sources(found), failures


def _track_again(options: dict[str, Any], resume: bool, job: Job, retry: bool) -> Outcome:
    """Track on a worker; the work of a dead one is resumed.

    Its warnings are part of the outcome.
    """
    with warnings.catch_warnings(record=True) as warned:
        outcome = _track(job, {**options, "resume": resume or retry, "progress": False})
    about = [str(w.message) for w in warned if str(w.message).startswith(f"{job[0]}: ")]
    return replace(outcome, sentence=" ".join([outcome.sentence, *about]))


def _lost(job: Job, attempts: int) -> Outcome:
    return Outcome(f"Error: {job[0]}: its worker died {attempts} times; --resume tries again.", 3)


def _track(job: Job, options: dict[str, Any]) -> Outcome:
    from aptv2.inference.pipeline import Interrupted, track_video

    video, files = job
    try:
        table = track_video(video, files.folder, **options)
    except BrokenVideoError as error:
        return Outcome(f"Error: {error}", 3)
    except InputError as error:
        return Outcome(f"Error: {error}", 2)
    except Interrupted as error:
        return Outcome(str(error), error.code)
    except Exception as error:  # Whatever one video leads to, the others are tracked.
        traceback.print_exc()
        return Outcome(f"Error: {video}: {type(error).__name__}: {error}", 1)
    return Outcome(_summary(video, table, files), 0)


def _summary(video: Path, table: PoseTable, files: Output) -> str:
    animals, frames = len(np.unique(table.tracks)), len(table.frames)
    found = {0: "no animal found", 1: "1 animal"}.get(animals, f"{animals} animals")
    written = ", ".join(str(path) for path in files.files)
    return f"{video}: {found} in {frames} frames; written: {written}"
