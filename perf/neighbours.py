"""The command `aptv2 track` beside other busy processes: what a laptop or a login node gives it.

`track_speed.py --busy 0,1,2` prints its table.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from busy import busy
from common import markdown

from aptv2.threads import usable_cpus

# Run by an interpreter of its own that has the package `ultralytics` (AGPL: beside, never imported
# here), with random weights: no animal is found, so its time is a lower bound.
PEER = """
import sys
from ultralytics import YOLO
model = YOLO("yolo11n-pose.yaml")
for _ in model.track(sys.argv[1], imgsz=640, save=True, stream=True, verbose=False,
                     project=sys.argv[2], exist_ok=True):
    pass
"""


class Case(NamedTuple):
    """A command, and what is added to its environment."""

    command: list[str]
    environment: dict[str, str]


class Run(NamedTuple):
    """Seconds of one run, and of all its processors together."""

    wall: float
    processor: float


def cases(video: Path, output: Path, peer: str | None) -> dict[str, Case]:
    """What is compared: the default, other numbers of threads, threads that spin, the peer."""
    ours = [sys.executable, "-m", "aptv2", "track", str(video), "-o", str(output)]
    found = {
        "aptv2 track": Case(ours, {}),
        "aptv2 track, one thread": Case(ours, {"OMP_NUM_THREADS": "1"}),
        "aptv2 track, idle threads spin": Case(
            ours,
            {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "300000", "KMP_BLOCKTIME": "200"}
            | {"OPENBLAS_THREAD_TIMEOUT": "26", "OPENCV_THREAD_POOL_ACTIVE_WAIT_MAIN": "10000"},
        ),
    }
    if peer is not None:
        found["yolo11n-pose"] = Case([peer, "-c", PEER, str(video), str(output)], {})
    return found


def neighbour_table(
    video: Path, folder: Path, counts: Sequence[int], rounds: int, peer: str | None
) -> str:
    """Seconds of each command beside `counts` busy processes: median, least and most.

    Behind each: how many times its fair share the command took. With `n` neighbours on `c` cores a
    command has max(c - n, c / (n + 1)) cores, so one that keeps `u` cores busy when it runs
    without neighbours fairly takes u / that, and never less than 1, times as long.
    """
    compared = cases(video, folder / "beside", peer)
    runs: dict[tuple[str, int], list[Run]] = defaultdict(list)
    for _ in range(rounds):
        for name, case in compared.items():
            for count in counts:
                with busy(count):
                    runs[name, count].append(timed(case))
    cores = usable_cpus()
    rows: list[list[object]] = []
    for name in compared:
        row: list[object] = [name]
        quiet = runs[name, 0] if 0 in counts else []
        for count in counts:
            seconds = np.array([run.wall for run in runs[name, count]])
            shown = f"{np.median(seconds):.1f} ({seconds.min():.1f} to {seconds.max():.1f})"
            if quiet and count:
                used = np.median([run.processor / run.wall for run in quiet])
                fair = max(1.0, used / max(cores - count, cores / (count + 1)))
                share = np.median(seconds) / (fair * np.median([run.wall for run in quiet]))
                shown += f", {share:.2f} of fair"
            row.append(shown)
        rows.append(row)
    return markdown(["seconds", *(f"{count} busy" for count in counts)], rows)


def timed(case: Case) -> Run:
    """Run a command once."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | case.environment
    # The busy processes are waited for later, so they do not count here.
    subprocess.run(case.command, check=True, capture_output=True, env=environment)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, used)
