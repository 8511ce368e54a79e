"""Clips of coloured animals, and small networks that find them by looking at the pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from aptv2.skeleton import ANIMAL17, Skeleton

WIDTH, HEIGHT = 160, 96
COLOURS = {"red": (200, 40, 40), "blue": (40, 40, 200), "green": (40, 190, 40)}


def channel_masks(image: np.ndarray) -> list[np.ndarray]:
    """Where each of red, green and blue stands out, bool (H, W)."""
    values = image.astype(np.int16)
    return [values[:, :, c] - np.delete(values, c, axis=2).max(axis=2) > 60 for c in range(3)]


class BlobDetector:
    """Boxes of connected coloured patches; small ones are doubtful."""

    def detect_batch(self, frames: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = []
        for mask in channel_masks(frame):
            _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
            found += [s for s in stats[1:] if s[cv2.CC_STAT_AREA] > 12]
        stats = np.array(found, np.float32).reshape(-1, 5)
        scores = np.clip(stats[:, 4] / 250, 0.05, 0.95).astype(np.float32)
        order = np.argsort(-scores)
        return stats[order, :4], scores[order]


class BlobPose:
    """Keypoints along the patch of colour that fills most of a box, from its left to its right.

    `events` are called at the begin of the n-th call, counted from 0.
    """

    skeleton: Skeleton = ANIMAL17

    def __init__(self) -> None:
        self.flips: set[bool] = set()
        self.calls = 0
        self.events: dict[int, Callable[[], None]] = {}

    def predict(self, frame: np.ndarray, boxes: np.ndarray, flip: bool = False) -> np.ndarray:
        self.events.pop(self.calls, lambda: None)()
        self.calls += 1
        self.flips.add(flip)
        masks = channel_masks(frame)
        keypoints = np.zeros((len(boxes), 17, 3), np.float32)
        for row, (x, y, width, height) in enumerate(np.round(boxes).astype(int)):
            x, y = max(x, 0), max(y, 0)
            parts = [mask[y : y + height, x : x + width] for mask in masks]
            down, right = np.nonzero(max(parts, key=np.count_nonzero))
            columns = np.unique(right)
            if len(columns):
                chosen = columns[np.linspace(0, len(columns) - 1, 17).astype(int)]
                heights = np.array([down[right == column].mean() for column in chosen])
                keypoints[row] = np.stack([chosen + x, heights + y, np.full(17, 0.9)], axis=1)
        return keypoints


class BlobTracker:
    """Follows the colour in the middle of each first box."""

    def __init__(self) -> None:
        self.channels = np.zeros(0, np.int64)
        self.boxes = np.zeros((0, 4), np.float32)

    def start(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        self.__init__()  # type: ignore[misc]
        self.add(frame, boxes)

    def add(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        middles = np.round(boxes[:, :2] + boxes[:, 2:] / 2).astype(int)
        channels = [int(frame[y, x].argmax()) for x, y in middles]
        self.channels = np.append(self.channels, channels)
        self.boxes = np.concatenate([self.boxes, boxes])

    def step(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores, masks = [], channel_masks(frame)
        for row, channel in enumerate(self.channels):
            down, right = np.nonzero(masks[channel])
            scores.append(min(len(right) / 250, 1))
            if len(right) > 12:
                low = np.array([right.min(), down.min()])
                high = np.array([right.max(), down.max()]) + 1
                self.boxes[row] = np.concatenate([low, high - low])
        return self.boxes.copy(), np.array(scores, np.float32)

    def state(self) -> dict[str, np.ndarray]:
        return {"channels": self.channels, "boxes": self.boxes}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        self.channels, self.boxes = state["channels"], state["boxes"].copy()


@pytest.fixture
def blobs() -> dict[str, object]:
    """Networks for `track_video`."""
    return {"detector": BlobDetector(), "tracker": BlobTracker(), "pose": BlobPose()}


def animal_frame(animals: Mapping[str, tuple[float, float]], number: int) -> np.ndarray:
    """Ellipses of 30 x 20 pixels with their centres at x, y on a grey ground with some grain."""
    rng = np.random.default_rng(number)
    image = rng.integers(90, 110, (HEIGHT, WIDTH, 1)).repeat(3, axis=2).astype(np.uint8)
    for name, (x, y) in animals.items():
        cv2.ellipse(image, (round(x), round(y)), (15, 10), 0, 0, 360, COLOURS[name], -1)
    return image


@pytest.fixture
def animal_clip(make_clip: Callable[..., Path]) -> Callable[..., SimpleNamespace]:
    """Makes a clip of animals on straight paths: where they are is known for every frame.

    `paths` gives each colour's first and last centre, and its first and last frame.
    """

    def make(
        paths: Mapping[str, tuple[tuple[float, float], tuple[float, float], int, int]],
        frames: int,
        name: str = "clip.mp4",
    ) -> SimpleNamespace:
        truth: list[dict[str, tuple[float, float]]] = []
        for t in range(frames):
            there = {}
            for colour, (start, end, first, last) in paths.items():
                if first <= t <= last:
                    share = (t - first) / max(last - first, 1)
                    there[colour] = tuple(np.array(start) * (1 - share) + np.array(end) * share)
            truth.append(there)
        images = [animal_frame(there, t) for t, there in enumerate(truth)]
        return SimpleNamespace(
            path=make_clip(name, images, size=(WIDTH, HEIGHT)), truth=truth, images=images
        )

    return make


@pytest.fixture
def two_animals(animal_clip: Callable[..., SimpleNamespace]) -> SimpleNamespace:
    """46 frames: a red animal from the first, a blue one from frame 10 to frame 30."""
    return animal_clip(
        {"red": ((25, 30), (130, 34), 0, 45), "blue": ((130, 70), (30, 66), 10, 30)}, 46
    )


@pytest.fixture
def truncated(two_animals: SimpleNamespace) -> Path:
    """The first two thirds of the file of `two_animals`."""
    content = two_animals.path.read_bytes()
    path: Path = two_animals.path.with_name("cut.mp4")
    path.write_bytes(content[: len(content) * 2 // 3])
    return path
