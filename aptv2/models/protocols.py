"""Detector, pose network and tracker: what the package asks of each, whoever wrote it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from aptv2.skeleton import Skeleton

State = dict[str, np.ndarray]


class Detector(Protocol):
    """Finds animals in whole frames."""

    def detect(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) xywh and scores (N,) of one frame uint8 (H, W, 3) RGB, best first."""

    def detect_batch(self, frames: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Boxes (N, 4) xywh and scores (N,) of each frame, doubtful ones too, overlaps removed."""


class PoseNetwork(Protocol):
    """Finds the keypoints of animals whose boxes are known."""

    skeleton: Skeleton

    def predict(self, frame: np.ndarray, boxes: np.ndarray, flip: bool = False) -> np.ndarray:
        """Keypoints (N, K, 3) of the animals in boxes (N, 4) xywh, all in one batch."""


class Tracker(Protocol):
    """Follows animals from the first box of each, all in one batch.

    Attributes
    ----------
    skeleton
        The K keypoints of the poses that it reads in the same pass; none where it reads none.
    keypoints
        float32 (N, K, 3): x, y in pixels, score, of all animals in the last frame.
    """

    skeleton: Skeleton
    keypoints: np.ndarray

    def start(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        """Begin with animals at boxes (N, 4) xywh."""

    def add(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        """Follow more animals from this frame on; they come after those there are."""

    def step(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Boxes (N, 4) xywh and scores (N,) from 0 to 1 in the next frame."""

    def state(self) -> State:
        """Everything that the next step depends on, as arrays."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what `state` gave, in place of `start`."""
