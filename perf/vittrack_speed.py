"""Speed of ViTTrack and ViTPoseTrack: many animals against one by one, one pass against two.

Random weights and noise: neither changes the work. Candidates take turns in one process; ratios
are taken within each round: median and quartiles. On one thread the clock is processor time, so
that what else the machine does counts for little; on more, and on a GPU, it is the wall's.

- batch: ten animals (or `--animals`) in one tracker over as many trackers with one each, crops,
  network and boxes included.
- fused: a ViTPoseTrack that follows and reads poses in one pass over one that follows alone.
- two backbones: the same tracker, and then the pose network of the same size on a crop of the found
  box, over the tracker alone.
- command (with `--command`): `aptv2 track` on a short clip with all boxes over as many runs with
  one box each, in processor time of whole processes; and the same without what a run on a clip of
  one frame takes, which is mostly the start of Python and PyTorch. Lost animals are not posed.

    python perf/vittrack_speed.py
    python perf/vittrack_speed.py --command --trackers lite vitposetrack_s
    python perf/vittrack_speed.py --device cuda --animals 1 5 20 53
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import machine, markdown
from PIL import Image

import aptv2
from aptv2.models import registry
from aptv2.models.trackers.base import Tracker
from aptv2.weights import write_weights

FRAME = np.random.default_rng(0).integers(0, 256, (360, 640, 3), np.uint8)
Action = Callable[[], object]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--animals", nargs="+", type=int, default=[10])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "auto"])
    parser.add_argument("--trackers", nargs="+", default=["lite", "vitposetrack_s", "vittrack_b"])
    parser.add_argument("--pose-trackers", nargs="+", default=["vitposetrack_b"])
    parser.add_argument("--command", action="store_true", help="whole runs of aptv2 track alone")
    parser.add_argument("--frames", type=int, default=24, help="of the whole runs' clip")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    for table in [command_table] if options.command else [batch_table, fused_table]:
        print(table(options), end="\n\n", flush=True)
    print(machine())


def batch_table(options: argparse.Namespace) -> str:
    """All animals in one batch over one by one, and frames a second."""
    rows: list[list[object]] = []
    for name in options.trackers:
        for dtype in options.dtypes:
            for count in options.animals:
                together, *alone = (load(name, options.device, dtype) for _ in range(count + 1))
                boxes = animals(count)
                together.start(FRAME, boxes)
                for tracker, box in zip(alone, boxes, strict=True):
                    tracker.start(FRAME, box[None])
                seconds = take_turns(
                    [lambda t=together: t.step(FRAME), lambda t=alone: [o.step(FRAME) for o in t]],
                    options,
                )
                rate = 1 / np.median(seconds[:, 0])
                ratio = spread(seconds[:, 0] / seconds[:, 1])
                rows.append([name, dtype, count, f"{rate:.2f}", ratio])
    return markdown(["tracker", "type", "animals", "frames a second", "batch / one by one"], rows)


def fused_table(options: argparse.Namespace) -> str:
    """Following and pose in one pass, and in two, over following alone."""
    rows: list[list[object]] = []
    box = animals(1)
    for name in options.pose_trackers:
        for dtype in options.dtypes:
            alone = load(name, options.device, dtype)
            fused = load(name, options.device, dtype, pose=True)
            pose = aptv2.load_pose_model(
                name.replace("posetrack", "pose"), "random", options.device, dtype
            )
            for tracker in (alone, fused):
                tracker.start(FRAME, box)
            actions: list[Action] = [
                lambda t=alone: t.step(FRAME),
                lambda t=fused: t.step(FRAME),
                lambda t=alone, p=pose: p.predict(FRAME, t.step(FRAME)[0]),
            ]
            seconds = take_turns(actions, options)
            ratios = [spread(seconds[:, i] / seconds[:, 0]) for i in (1, 2)]
            rows.append([name, dtype, *ratios])
    return markdown(["tracker", "type", "fused / alone", "two backbones / alone"], rows)


def command_table(options: argparse.Namespace) -> str:
    """`aptv2 track` with all animals over a run for each."""
    rows: list[list[object]] = []
    for name in options.trackers:
        for count in options.animals:
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                network = [] if name == "lite" else ["--tracker-weights", save(name, place)]
                clip = write_clip(place / "clip", options.frames)
                instant = write_clip(place / "instant", 1)
                command = ["--tracker", name, *network, "--device", options.device]

                def run(
                    source: Path, boxes: np.ndarray, rest: list[str] = command
                ) -> tuple[float, int]:
                    return run_command(source, boxes, rest, options.threads)

                boxes = animals(count)
                start, _ = run(instant, boxes[:1])
                together, found = run(clip, boxes)
                singles = [run(clip, box[None]) for box in boxes]
            alone, found_alone = map(sum, zip(*singles, strict=True))
            net = (together - start) / (alone - count * start)
            seconds = [f"{value:.1f}" for value in (start, together, alone)]
            shares = [f"{each / count / options.frames:.0%}" for each in (found, found_alone)]
            ratios = [f"{together / alone:.2f}", f"{net:.2f}"]
            rows.append([name, count, *seconds, " / ".join(shares), *ratios])
    header = ["tracker", "animals", "start, s", "one run, s", "one by one, s", "posed"]
    return markdown([*header, "one run / one by one", "without starts"], rows)


def save(name: str, folder: Path) -> str:
    """A file of random weights."""
    network = registry.build(name)
    write_weights(folder / f"{name}.safetensors", network.state_dict())
    return str(folder / f"{name}.safetensors")


def write_clip(folder: Path, length: int) -> Path:
    """A folder of equal images."""
    folder.mkdir()
    for number in range(length):
        Image.fromarray(FRAME).save(folder / f"{number:03}.png")
    return folder


def run_command(
    clip: Path, boxes: np.ndarray, options: list[str], threads: int
) -> tuple[float, int]:
    """Processor seconds of one `aptv2 track`, and how many poses it read."""
    out = clip.with_name("out")
    lines = ["frame,x,y,width,height", *(f"0,{x},{y},{w},{h}" for x, y, w, h in boxes.tolist())]
    clip.with_name("boxes.csv").write_text("\n".join(lines))
    command = [sys.executable, "-m", "aptv2", "track", str(clip), "-o", str(out), "--no-video"]
    command += ["--boxes", str(clip.with_name("boxes.csv")), *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    posed = len(aptv2.read_annotations(out / f"{clip.name}.tracks.json"))
    shutil.rmtree(out)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, posed


def load(name: str, device: str, dtype: str, pose: bool = False) -> Tracker:
    """A tracker; those of one name, device and dtype share one network."""
    return aptv2.load_tracker(name, None if name == "lite" else "random", device, dtype, pose)


def animals(count: int) -> np.ndarray:
    """Boxes (count, 4) in different places."""
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, [500, 250], (count, 2))
    return np.column_stack([corners, np.full((count, 2), [90, 70])])


def take_turns(actions: list[Action], options: argparse.Namespace) -> np.ndarray:
    """Seconds of each round (rounds, actions)."""
    for action in actions:
        action()
    taken = np.zeros((options.rounds, len(actions)))
    for row in taken:
        for column, action in enumerate(actions):
            row[column] = clock(action, options)
    return taken


def clock(action: Action, options: argparse.Namespace) -> float:
    """Seconds that an action takes; its results are on the processor when it returns."""
    alone = options.device == "cpu" and options.threads == 1
    now = time.process_time if alone else time.perf_counter
    begin = now()
    action()
    return now() - begin


def spread(ratios: np.ndarray) -> str:
    """Median and quartiles."""
    low, middle, high = np.percentile(ratios, [25, 50, 75])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
