"""What goes from frame to frame: the animals of one, and the networks that find them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from aptv2.skeleton import Skeleton

State = dict[str, np.ndarray]


class Animals(NamedTuple):
    """The animals of one frame.

    Parameters
    ----------
    tracks
        int64 (N,): track numbers, each once.
    boxes
        float32 (N, 4): x, y, width, height in pixels.
    scores
        float32 (N,): confidence from 0 to 1.
    keypoints
        float32 (N, K, 3): x, y in pixels, score from 0 to 1.
    """

    tracks: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    keypoints: np.ndarray


class Detector(Protocol):
    """Finds animals in whole frames."""

    def detect_batch(self, frames: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Boxes (N, 4) xywh and scores (N,) of each frame, doubtful ones too, overlaps removed."""


class PoseNetwork(Protocol):
    """Finds the keypoints of animals whose boxes are known."""

    skeleton: Skeleton

    def predict(self, frame: np.ndarray, boxes: np.ndarray, flip: bool = False) -> np.ndarray:
        """Keypoints (N, K, 3) of the animals in boxes (N, 4) xywh, all in one batch."""


class TemplateTracker(Protocol):
    """Follows animals from the first box of each, all in one batch."""

    def start(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        """Begin with animals at boxes (N, 4) xywh."""

    def add(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        """Follow more animals from this frame on; they come after those there are."""

    def step(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) and scores (N,) in the next frame."""

    def state(self) -> State:
        """Everything that the next step depends on, as arrays."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what `state` gave, in place of `start`."""


class FusedTracker(TemplateTracker, Protocol):
    """A template tracker that reads the poses of its animals in the same pass."""

    skeleton: Skeleton
    keypoints: np.ndarray
    """float32 (N, K, 3): x, y in pixels, score, of all animals in the last frame."""


class AnimalReader(Protocol):
    """Turns the frames of a video, in order, into the animals of each.

    The animals of a frame may come some frames late, when more is known about them.
    """

    def step(self, images: Sequence[np.ndarray], numbers: Sequence[int]) -> list[Animals]:
        """Take the next frames and return the animals of the earliest that are still pending.

        Parameters
        ----------
        images
            uint8 (H, W, 3) each, RGB.
        numbers
            Of the frames in the video, rising; those of damaged frames are missing.
        """

    def finish(self) -> list[Animals]:
        """The animals of the frames that are still pending, at the end of the video."""

    def state(self) -> State:
        """Everything that the next step depends on, as arrays."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what `state` gave."""


def find_keypoints(
    pose: PoseNetwork, image: np.ndarray, boxes: np.ndarray, flip_test: bool
) -> np.ndarray:
    """Keypoints float32 (N, K, 3) of the animals of one frame, in one batch; none for no animal."""
    if not len(boxes):
        return np.zeros((0, len(pose.skeleton), 3), np.float32)
    return np.asarray(pose.predict(image, boxes, flip=flip_test), np.float32)


def part(state: Mapping[str, np.ndarray], name: str) -> State:
    """The arrays of one component, stored as `name.array`."""
    start = f"{name}."
    return {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}


def prefixed(state: Mapping[str, np.ndarray], name: str) -> State:
    """Inverse of :func:`part`."""
    return {f"{name}.{key}": value for key, value in state.items()}
