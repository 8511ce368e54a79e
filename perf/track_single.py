"""Following one animal from its first box, beside NanoTrack v2.

Both trackers get the first frame's box and then every later frame, clip by clip in turn, on the
same number of threads. Scored over all frames but the first in which the animal can be seen: the
mean overlap (IoU) with the true box, which is GOT-10k's AO, and the share of frames with an overlap
above 0.5 and 0.75 (SR). Frames per second are those of the step alone, with the frames in memory.
NanoTrack takes whole pixels for its first box, and BGR, which is converted beforehand.

The clips: DAVIS's `camel` and `cows`, which no training saw; the same backwards, at a third of the
frame rate, and as a small picture; every animal of the pasted scenes (`scenes.py`), which others
pass and hide. Apart: the clips `goat` and `libby`, which the lite network was trained on.

    python perf/track_single.py
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np
import torch
from common import machine, markdown, parser, read_clip
from scenes import clip_folder, pasted_scenes

import aptv2
from aptv2.evaluation import score_single_object

VALIDATION, SEEN = ("camel", "cows"), ("goat", "libby")
SMALL = (240, 135)  # width and height
METRICS = ("AO", "SR50", "SR75")


class Task(NamedTuple):
    """An animal to follow: frames RGB uint8, boxes float (F, 4) xywh, NaN where it is hidden."""

    group: str
    name: str
    frames: list[np.ndarray]
    boxes: np.ndarray


class Tracker(Protocol):
    """A tracker of one animal."""

    name: str
    bgr: bool  # whether it takes frames in BGR

    def start(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Begin with the animal at `box` (4,) xywh."""

    def step(self, frame: np.ndarray) -> np.ndarray:
        """Its box (4,) in the next frame."""


class Lite:
    """Ours."""

    name, bgr = "lite", False

    def __init__(self, weights: str | None) -> None:
        self.tracker = aptv2.load_tracker("lite", weights, dtype="auto")

    def start(self, frame: np.ndarray, box: np.ndarray) -> None:
        self.tracker.start(frame, box[None])

    def step(self, frame: np.ndarray) -> np.ndarray:
        boxes, _ = self.tracker.step(frame)
        return boxes[0]


class NanoTrack:
    """NanoTrack v2 as OpenCV runs it."""

    name, bgr = "NanoTrack v2", True

    def __init__(self, folder: Path) -> None:
        self.parameters = cv2.TrackerNano_Params()  # type: ignore[attr-defined]
        self.parameters.backbone = str(folder / "v2_nanotrack_backbone_sim.onnx")
        self.parameters.neckhead = str(folder / "v2_nanotrack_head_sim.onnx")

    def start(self, frame: np.ndarray, box: np.ndarray) -> None:
        self.tracker = cv2.TrackerNano_create(self.parameters)  # type: ignore[attr-defined]
        low, high = np.round(box[:2]), np.round(box[:2] + box[2:])
        self.tracker.init(frame, [int(v) for v in (*low, *(high - low))])

    def step(self, frame: np.ndarray) -> np.ndarray:
        _, box = self.tracker.update(frame)
        return np.array(box, float)


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    # OpenCV 5 warns of a setting that its own tracker makes.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    trackers: list[Tracker] = [
        Lite(options.weights),
        NanoTrack(options.data.parent / "baselines" / "nanotrack_v2"),
    ]
    rows: list[list[object]] = []
    groups: dict[str, list[np.ndarray]] = {}
    times: list[list[float]] = [[] for _ in trackers]
    for task in tasks(options.data):
        scores = np.zeros((len(METRICS), len(trackers)))
        for column, tracker in enumerate(trackers):
            boxes, seconds = follow(tracker, task)
            times[column] += seconds
            score = score_single_object(task.boxes, boxes, np.isnan(task.boxes[:, 0]))
            scores[:, column] = [score[metric] for metric in METRICS]
        rows.append([task.group, task.name, len(task.frames), *scores.ravel().tolist()])
        groups.setdefault(task.group, []).append(scores)
    for group, found in groups.items():
        rows.append([group, "mean", len(found), *np.mean(found, axis=0).ravel().tolist()])
    header = [f"{metric} {tracker.name}" for metric in METRICS for tracker in trackers]
    print(markdown(["group", "clip", "frames", *header], rows))
    print()
    for tracker, seconds in zip(trackers, times, strict=True):
        low, middle, high = 1 / np.percentile(seconds, [75, 50, 25])
        print(f"{tracker.name}: {middle:.0f} frames per second ({low:.0f} to {high:.0f})")
    print(f"Median and quartiles. {machine()}")


def tasks(data: Path) -> Iterator[Task]:
    """The animals to follow."""
    for group, names in (("validation", VALIDATION), ("seen in training", SEEN)):
        for name in names:
            clip = read_clip(clip_folder(data, name))
            yield Task(group, name, clip.frames, clip.boxes)
            if group == "validation":
                yield from _variants(name, clip.frames, clip.boxes)
    for scene in pasted_scenes(data):
        for track in np.unique(scene.truth.tracks):
            rows = scene.truth.tracks == track
            boxes = np.full((len(scene.frames), 4), np.nan)
            boxes[scene.truth.frame[rows]] = scene.truth.boxes[rows]
            yield Task("pasted", f"{scene.name}, animal {track}", scene.frames, boxes)


def follow(tracker: Tracker, task: Task) -> tuple[np.ndarray, list[float]]:
    """Boxes (F, 4) of the tracker, and the seconds that each step took."""
    frames = [np.ascontiguousarray(f[..., ::-1]) if tracker.bgr else f for f in task.frames]
    boxes, seconds = [task.boxes[0]], []
    tracker.start(frames[0], task.boxes[0])
    for frame in frames[1:]:
        begin = time.perf_counter()
        boxes.append(tracker.step(frame))
        seconds.append(time.perf_counter() - begin)
    return np.array(boxes), seconds


def _variants(name: str, frames: list[np.ndarray], boxes: np.ndarray) -> Iterator[Task]:
    yield Task("variants", f"{name}, backwards", frames[::-1], boxes[::-1])
    yield Task("variants", f"{name}, every third frame", frames[::3], boxes[::3])
    small = [cv2.resize(frame, SMALL, interpolation=cv2.INTER_AREA) for frame in frames]
    scale = SMALL[0] / frames[0].shape[1]
    yield Task("variants", f"{name}, {SMALL[0]}x{SMALL[1]}", small, boxes * scale)


if __name__ == "__main__":
    main()
