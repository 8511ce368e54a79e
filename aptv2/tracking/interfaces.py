"""What goes from frame to frame: the animals of one, and what reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from aptv2.models.protocols import PoseNetwork, State


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
