"""Runs that are killed, and runs that share one folder: every cell is done once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from aptv2.benchmarks.options import Options
from aptv2.benchmarks.store import read_results

Make = Callable[..., Options]

WORKER = """
import sys, time
from pathlib import Path
import torch
torch.set_num_threads(1)
from aptv2.benchmarks import testing
from aptv2.benchmarks.options import Options
from aptv2.benchmarks.run import Runner
from aptv2.benchmarks.leases import LeaseHolder
results, data, weights, log, track, only, pause = sys.argv[1:]

def note(*words):
    with open(log, "a") as file:
        file.write(" ".join(words) + "\\n")

score, follow = testing.score_pose_model, testing.follow_boxes
def score_noted(model, truth, folder, **named):
    note("begin", folder.name)
    time.sleep(float(pause))
    report = score(model, truth, folder, **named)
    note("end", folder.name)
    return report
def follow_noted(truth, tracker, folder, prints):
    note("follow", folder.name)
    return follow(truth, tracker, folder, prints)
testing.score_pose_model, testing.follow_boxes = score_noted, follow_noted
options = Options(Path(results), Path(data), weights=Path(weights), only=only, miniature=True,
                  device="cpu", dtype="float32", resamples=20)
Runner(track, options, LeaseHolder(beat=0.5, stale=60)).run(poll=0.2)
"""


def start(options: Options, log: Path, track: str, pause: float) -> subprocess.Popen[bytes]:
    paths = (options.results, options.data, options.weights, log)
    command = [sys.executable, "-c", WORKER, *map(str, paths), track, options.only, str(pause)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(log: Path, line: str) -> None:
    end = time.monotonic() + 120
    while not (log.exists() and line in log.read_text().splitlines()):
        assert time.monotonic() < end, f"{line} never came"
        time.sleep(0.05)


def test_killed_in_the_middle_and_started_again(options: Make, tmp_path: Path) -> None:
    log = tmp_path / "log"
    mine = options(only="res*-in1k")  # res50, then res101
    worker = start(mine, log, "supervised", pause=1)
    wait_for(log, "begin res101-in1k")
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    before = (mine.results / "cells" / "supervised" / "res50-in1k" / "result.json").read_bytes()
    assert start(mine, log, "supervised", pause=0).wait() == 0
    lines = Counter(log.read_text().splitlines())
    assert lines["begin res50-in1k"] == lines["end res50-in1k"] == 1
    assert (lines["begin res101-in1k"], lines["end res101-in1k"]) == (2, 1)
    results = read_results(mine.results)
    assert [result["status"] for result in results.values()] == ["done", "done"]
    after = (mine.results / "cells" / "supervised" / "res50-in1k" / "result.json").read_bytes()
    assert after == before
    assert not list(mine.results.rglob("lease.*"))


@pytest.mark.slow
def test_two_processes_do_every_cell_once(options: Make, tmp_path: Path) -> None:
    log = tmp_path / "log"
    mine = options(only="*-res*")
    workers = [start(mine, log, "tracking", pause=0.3) for _ in range(2)]
    assert [worker.wait() for worker in workers] == [0, 0]
    lines = Counter(log.read_text().splitlines())
    assert set(lines.values()) == {1}
    assert sum(line.startswith("end") for line in lines) == 8
    assert sum(line.startswith("follow") for line in lines) == 3
    results = read_results(mine.results)
    assert {result["status"] for result in results.values()} == {"done"}
    assert len({result["by"] for result in results.values()}) == 2
