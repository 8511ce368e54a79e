"""Commands on tables killed at random moments and run again: the files are as undisturbed ones.

Each try starts a command, kills it and its children with SIGKILL at a moment that follows from the
seed, and runs the command again, with --resume where it has it and there is something to resume.
A fault is an exit code that is not 0, a file that differs in any byte from that of an undisturbed
run, or one that is missing or left over. Times, of which reports hold some, are not compared.

    python perf/kills.py [--tries 36] [--seed 0] [--commands test]
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from aptv2.export import write_coco
from aptv2.tables import Frames, PoseTable

SIZE = (160, 120)


class Command(NamedTuple):
    """A command that writes to the last argument.

    Parameters
    ----------
    arguments
        What comes before the output.
    resumes
        Whether it takes --resume.
    compared
        Patterns of the files that hold results.
    """

    arguments: list[str]
    resumes: bool
    compared: tuple[str, ...] = ("**/*",)


def main() -> None:
    """Print the table: command, kills, kills that came in time, faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=36, help="over all commands")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", help="which of them, separated by commas; default: all")
    options = parser.parse_args()
    faults = 0
    print("| command | kills | before its end | faults | seconds |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        commands = make_commands(folder)
        chosen = options.commands.split(",") if options.commands else list(commands)
        for name in chosen:
            began = time.monotonic()
            tries = options.tries // len(chosen)
            killed, found = drive(name, commands[name], folder / "runs", options.seed, tries)
            faults += len(found)
            seconds = time.monotonic() - began
            print(f"| {name} | {tries} | {killed} | {len(found)} | {seconds:.0f} |", flush=True)
            for fault in found:
                print(f"    {name} {fault}", file=sys.stderr)
    raise SystemExit(faults > 0)


def drive(
    name: str, command: Command, folder: Path, seed: int, tries: int
) -> tuple[int, list[str]]:
    """Kill a command so many times; how many kills came before its end, and the faults."""
    whole = folder / "whole" / "out"
    began = time.monotonic()
    code, said = finished(started(command, whole))
    seconds = time.monotonic() - began
    if code:
        raise SystemExit(f"{name}: the undisturbed run ended with {code}: {said}")
    expected = contents(whole, command)
    if not expected:
        raise SystemExit(f"{name}: the undisturbed run left nothing that is compared")
    killed, faults = 0, []
    for number in range(tries):
        output = folder / str(number) / "out"
        moment = random.Random(f"{seed} {name} {number}").uniform(0.1, 1) * seconds
        process = started(command, output)
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        finished(process)
        again = command.resumes and output.exists()
        # A folder of a data set that is there is not written into; here it must be whole.
        if name == "data convert" and output.exists():
            code, said = 0, ""
        else:
            code, said = finished(started(command, output, again))
        if code:
            faults.append(f"{number}: killed after {moment:.2f} s, then exit {code}: {said[-300:]}")
        else:
            found = contents(output, command)
            differ = [path for path in expected | found if expected.get(path) != found.get(path)]
            if differ:
                faults.append(f"{number}: killed after {moment:.2f} s: {sorted(differ)} differ")
        left = [path.name for path in output.parent.iterdir() if path.name != output.name]
        if left:
            faults.append(f"{number}: killed after {moment:.2f} s: {left} left")
        shutil.rmtree(output.parent)
    shutil.rmtree(folder)
    return killed, faults


def started(command: Command, output: Path, again: bool = False) -> subprocess.Popen[bytes]:
    """The command, in a process group of its own."""
    output.parent.mkdir(parents=True, exist_ok=True)
    arguments = [part.replace("OUT", str(output)) for part in command.arguments]
    words = [sys.executable, "-W", "ignore", "-m", "aptv2", *arguments]
    return subprocess.Popen(
        [*words, *(["--resume"] if again else [])],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finished(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    """Its exit code and what it reported."""
    said = process.communicate()[1].decode(errors="replace")
    return process.returncode, said


def contents(output: Path, command: Command) -> dict[str, bytes]:
    """The bytes of each result; and of each file that is no result but was left unfinished."""
    if output.is_file():
        return {"": output.read_bytes()}
    patterns = (*command.compared, "**/.aptv2-*", "**/*.part")
    paths = {path for pattern in patterns for path in output.glob(pattern)}
    return {
        str(path.relative_to(output)): path.read_bytes() if path.is_file() else b""
        for path in paths
    }


def make_commands(folder: Path) -> dict[str, Command]:
    """Inputs that are drawn at random, and the commands that read them."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.integers(0, 255, (*SIZE[::-1], 3), np.uint8), (0, 0), 3)
    labels = folder / "labels"
    labels.mkdir()
    names = [f"{number:03d}.png" for number in range(40)]
    for name in names:
        cv2.imwrite(str(labels / name), np.roll(picture, len(name), axis=0))
    count = len(names)
    keypoints = rng.uniform(20, 100, (count, 17, 3)).astype(np.float32)
    keypoints[:, :, 2] = 2
    table = PoseTable.make(
        Frames.make(names=names, sizes=[SIZE] * count),
        np.arange(count),
        boxes=np.tile(np.float32([15, 15, 100, 100]), (count, 1)),
        keypoints=keypoints,
        species=np.ones(count, int),
        categories={1: "dog"},
    )
    write_coco(table, labels / "labels.json")
    rows = 20_000
    tracks = PoseTable.make(
        Frames.make(rows, indices=np.arange(rows), times=np.arange(rows) / 25, sizes=[SIZE] * rows),
        np.arange(rows),
        boxes=rng.uniform(1, 20, (rows, 4)),
        keypoints=rng.uniform(0.1, 1, (rows, 17, 3)),
        scores=rng.uniform(0, 1, rows),
        tracks=np.ones(rows),
    )
    write_coco(tracks, folder / "clip.tracks.json")
    source = str(labels / "labels.json")
    export = ["export", str(folder / "clip.tracks.json"), "--to"]
    return {
        "data convert": Command(["data", "convert", source, "OUT", "--to", "yolo"], False),
        "export csv": Command([*export, "csv", "-o", "OUT"], False),
        "export dlc": Command([*export, "dlc", "-o", "OUT"], False),
        "test": Command(
            ["test", "lite", "--data", source, "--resamples", "0", "-o", "OUT"],
            True,
            ("**/predictions.json",),
        ),
    }


if __name__ == "__main__":
    main()
