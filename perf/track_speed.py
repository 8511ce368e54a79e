"""Speed: the whole command, where its time goes, and pose beside a ResNet-50.

Three tables, of one run on one machine.

1. `aptv2 track`, with the overlay, on a clip of 640x360 with one, five and twenty animals (cut out
   of DAVIS clips and pasted, `scenes.py`), which it detects, or follows from their first boxes. In
   frames per second of the whole command, and without its start-up, which is the time that a clip
   of a few frames takes. Rounds alternate between the cases; medians, and least and most.
2. The parts of the pipeline one after the other in one process, in milliseconds a frame. The
   command overlaps decoding, networks, and drawing with encoding, so it is faster than their sum.
3. Pose of one crop beside timm's `resnet50` forward at 256x256, on the same threads. The candidates
   take turns; the ratio is taken within each round: median and quartiles. "predict" is everything
   from the frame to keypoints in the frame: crop, network, decoding.

    python perf/track_speed.py

With `--busy` one other table: the whole command beside other busy processes (`neighbours.py`).

    python perf/track_speed.py --busy 0,1,2 --video clip.mp4 [--peer PYTHON_WITH_ULTRALYTICS]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import timm
import torch
from common import machine, markdown, parser
from neighbours import neighbour_table
from pasting import Scene, compose, walker
from scenes import background, side_views, write

import aptv2
from aptv2.drawing import Trails, draw_overlay
from aptv2.inference.pipeline import CHUNK
from aptv2.models.protocols import Detector, PoseNetwork, Tracker
from aptv2.tracking.association import Associator
from aptv2.tracking.interfaces import (
    Animals,
    find_keypoints,
)
from aptv2.video.reader import open_video
from aptv2.video.sources import VideoSource
from aptv2.video.writer import VideoWriter

ANIMALS = {1: (1, 1, 220), 5: (3, 2, 120), 20: (5, 4, 68)}  # columns, rows, height in pixels
SHORT = 8  # frames of the clip that measures the start-up time
WARM_UP = 5  # rounds that do not count


def main() -> None:
    """Print the tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--frames", type=int, default=250, help="length of the clips")
    arguments.add_argument("--rounds", type=int, default=3, help="runs of each command")
    arguments.add_argument("--pose-rounds", type=int, default=100)
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments.add_argument("--busy", help="numbers of busy processes beside the command: 0,1,2")
    arguments.add_argument("--video", type=Path, help="clip for --busy; default: camel.mp4")
    arguments.add_argument("--peer", help="interpreter that has ultralytics, for --busy")
    options = arguments.parse_args()
    if options.busy is not None:
        print_neighbours(options)
        return
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        scenes = {count: crowd(options.data, count, options.frames) for count in ANIMALS}
        videos = {count: write(scene, folder) for count, scene in scenes.items()}
        boxes = {count: write_boxes(scene, folder) for count, scene in scenes.items()}
        print(command_table(options, scenes, videos, boxes, folder))
        print()
        print(stage_table(options, scenes, videos, folder))
    print()
    print(pose_table(options))
    print()
    print(machine())


def print_neighbours(options: argparse.Namespace) -> None:
    """Print the table of the command beside busy processes."""
    video = options.video or options.data / "clips" / "camel.mp4"
    counts = [int(count) for count in options.busy.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        print(neighbour_table(video, folder, counts, options.rounds, options.peer))
    print()
    print(machine())


def crowd(data: Path, count: int, length: int) -> Scene:
    """Animals in rows that take a few steps to and fro."""
    cutouts = side_views(data)
    columns, rows, height = ANIMALS[count]
    actors = []
    for i in range(count):
        row, column = divmod(i, columns)
        x, y = (column + 0.5) * 640 / columns, (row + 1) * 340 / rows
        # Dogs and cows are longer than high.
        cutout = cutouts[i % len(cutouts)]
        width = height * cutout.boxes[0, 2] / cutout.boxes[0, 3]
        fitting = height * min(1, 0.85 * 640 / columns / width)
        actors.append(walker(cutout, [(x - 8, y), (x + 8, y), (x - 8, y)], fitting, length))
    return compose(f"{count} animals", background(data, "car-shadow", length), actors)


def write_boxes(scene: Scene, folder: Path) -> Path:
    """The first frame's boxes as the command line takes them."""
    path = folder / f"{scene.name}.csv"
    lines = [",".join(f"{v:.1f}" for v in box) for box in scene.truth.boxes[scene.truth.rows_of(0)]]
    path.write_text("frame,x,y,width,height\n" + "".join(f"0,{line}\n" for line in lines))
    return path


def command_table(
    options: argparse.Namespace,
    scenes: dict[int, Scene],
    videos: dict[int, Path],
    boxes: dict[int, Path],
    folder: Path,
) -> str:
    """Frames per second of `aptv2 track` as a command."""
    short = write(_beginning(scenes[1]), folder)
    cases: dict[tuple[int, str], list[str]] = {}
    for count in ANIMALS:
        cases[count, "detected"] = [str(videos[count])]
        cases[count, "--boxes"] = [str(videos[count]), "--boxes", str(boxes[count])]
    cases[0, "detected"] = [str(short)]
    cases[0, "--boxes"] = [str(short), "--boxes", str(boxes[1])]
    seconds: dict[tuple[int, str], list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for case, extra in cases.items():
            begin = time.perf_counter()
            command = [sys.executable, "-m", "aptv2", "track", *extra, "-o", str(folder / "out")]
            subprocess.run(command, check=True, capture_output=True)
            seconds[case].append(time.perf_counter() - begin)
    rows: list[list[object]] = []
    for count, how in cases:
        if count == 0:
            continue
        start = float(np.median(seconds[0, how]))
        taken = np.array(seconds[count, how])
        low, middle, high = np.percentile(options.frames / taken, [0, 50, 100])
        steady = (options.frames - SHORT) / (np.median(taken) - start)
        spread = f"{middle:.1f} ({low:.1f} to {high:.1f})"
        rows.append([f"{count} {how}", spread, f"{steady:.1f}", f"{start:.1f} s"])
    return markdown(["animals", "frames per second", "without start-up", "start-up"], rows)


def stage_table(
    options: argparse.Namespace, scenes: dict[int, Scene], videos: dict[int, Path], folder: Path
) -> str:
    """Milliseconds a frame of each part."""
    columns: dict[str, dict[str, float]] = {}
    found: dict[str, float] = {}
    for count, scene in scenes.items():
        for how in ("detected", "--boxes"):
            name = f"{count} {how}"
            boxes = scene.truth.boxes[scene.truth.rows_of(0)] if how == "--boxes" else None
            columns[name], found[name] = profile(options.weights, videos[count], boxes, folder)
    stages = list(dict.fromkeys(stage for column in columns.values() for stage in column))
    rows: list[list[object]] = [
        [stage, *(f"{column[stage]:.1f}" if stage in column else "" for column in columns.values())]
        for stage in stages
    ]
    rows.append(["sum", *(f"{sum(column.values()):.1f}" for column in columns.values())])
    rows.append(["animals posed", *(f"{value:.1f}" for value in found.values())])
    return markdown(["ms a frame", *columns], rows)


class Stopwatch:
    """Adds up the time that each stage takes."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[stage] += time.perf_counter() - begin


def profile(
    weights: str | None, path: Path, boxes: np.ndarray | None, folder: Path
) -> tuple[dict[str, float], float]:
    """Milliseconds a frame of each part, and animals a frame; with boxes, following those."""
    pose = aptv2.load_pose_model("lite", weights, dtype="auto")
    watch, video = Stopwatch(), open_video(path)
    trails = Trails(fps=video.fps)
    if boxes is None:
        associator = Associator(video.fps, video.width, video.height)
        detector = aptv2.load_detector("lite", weights, dtype="auto")
        read = _find(video, watch, pose, detector, associator)
    else:
        read = _follow(video, watch, pose, aptv2.load_tracker("lite", weights, dtype="auto"), boxes)
    frames, posed = 0, 0
    with VideoWriter(folder / "profile.mp4", video.width, video.height, video.fps) as writer:
        for image, animals in read:
            with watch("draw"):
                trails.update(animals.tracks, animals.boxes)
                columns = animals.boxes, animals.keypoints, animals.tracks, animals.scores
                drawn = draw_overlay(image, *columns, trails=trails)
            with watch("encode"):
                writer.write(drawn)
            frames, posed = frames + 1, posed + len(animals.tracks)
    return {stage: 1000 * value / frames for stage, value in watch.seconds.items()}, posed / frames


def _find(
    video: VideoSource,
    watch: Stopwatch,
    pose: PoseNetwork,
    detector: Detector,
    associator: Associator,
) -> Iterator[tuple[np.ndarray, Animals]]:
    images = _decode(video, watch)
    while chunk := list(islice(images, CHUNK)):
        with watch("detect"):
            detections = detector.detect_batch(chunk)
        for image, (boxes, scores) in zip(chunk, detections, strict=True):
            with watch("associate"):
                matters = associator.carries_on(boxes, scores)
            boxes, scores = boxes[matters], scores[matters]
            with watch("pose"):
                keypoints = find_keypoints(pose, image, boxes, flip_test=False)
            with watch("associate"):
                tracks = associator.step(boxes, scores, keypoints)
            yield image, Animals(tracks, boxes, scores, keypoints)


def _follow(
    video: VideoSource,
    watch: Stopwatch,
    pose: PoseNetwork,
    tracker: Tracker,
    boxes: np.ndarray,
) -> Iterator[tuple[np.ndarray, Animals]]:
    scores, started = np.ones(len(boxes), np.float32), False
    for image in _decode(video, watch):
        with watch("follow"):
            if started:
                boxes, scores = tracker.step(image)
            else:
                tracker.start(image, boxes)
                started = True
        with watch("pose"):
            keypoints = find_keypoints(pose, image, boxes, flip_test=False)
        yield image, Animals(np.arange(1, len(boxes) + 1), boxes, scores, keypoints)


def _decode(video: VideoSource, watch: Stopwatch) -> Iterator[np.ndarray]:
    frames = iter(video)
    while True:
        with watch("decode"):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame.image


def pose_table(options: argparse.Namespace) -> str:
    """Times of one crop, and their ratio to ResNet-50's."""
    candidates = pose_candidates(options.weights)
    times = np.zeros((WARM_UP + options.pose_rounds, len(candidates)))
    for row in times:
        for column, run in enumerate(candidates.values()):
            begin = time.perf_counter()
            run()
            row[column] = time.perf_counter() - begin
    times = times[WARM_UP:]
    ratios = times / times[:, :1]
    rows: list[list[object]] = []
    for name, taken, ratio in zip(candidates, times.T, ratios.T, strict=True):
        low, middle, high = np.percentile(ratio, [25, 50, 75])
        spread = f"{middle:.2f} ({low:.2f} to {high:.2f})"
        rows.append([name, f"{1000 * np.median(taken):.1f}", spread])
    return markdown(["one crop", "ms", "ratio to resnet50"], rows)


def pose_candidates(weights: str | None) -> dict[str, Callable[[], object]]:
    """Candidates of the comparison, ResNet-50 first."""
    generator = np.random.default_rng(0)
    frame = generator.integers(0, 256, (360, 640, 3)).astype(np.uint8)
    boxes = np.array([[200, 100, 180, 140]], np.float32)
    images = torch.from_numpy(generator.normal(size=(1, 3, 256, 256)).astype(np.float32))

    def forward(network: torch.nn.Module) -> Callable[[], object]:
        given = images.to(next(network.parameters()).dtype)
        return torch.inference_mode()(lambda: network(given))

    resnet = timm.create_model("resnet50").eval()
    last = timm.create_model("resnet50").eval().to(memory_format=torch.channels_last)
    exact = aptv2.load_pose_model("lite", weights, dtype="float32")
    fast = aptv2.load_pose_model("lite", weights, dtype="auto")
    return {
        "resnet50, float32": forward(resnet),
        "resnet50, float32, channels last": forward(last),
        "lite, float32": forward(exact),
        "lite, float32, predict": lambda: exact.predict(frame, boxes),
        "lite, auto": forward(fast),
        "lite, auto, predict": lambda: fast.predict(frame, boxes),
    }


def _beginning(scene: Scene) -> Scene:
    return Scene("beginning", scene.frames[:SHORT], scene.truth, scene.ignored)


if __name__ == "__main__":
    main()
