"""The baseline of the association: boxes linked by overlap alone.

Each frame's clear detections go to the tracks whose last box they overlap best (Kuhn-Munkres on
intersection over union), without motion or keypoints. Birth, patience and score threshold are those
of `aptv2.tracking.association`, so that what differs is what the comparison is about. It has that
class's methods and can take its place.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from aptv2 import boxes as box_tools

MINIMUM_OVERLAP = 0.3  # as SORT (Bewley et al. 2016) has it


class OverlapTracker:
    """Drop-in for :class:`aptv2.tracking.association.Associator`."""

    def __init__(
        self, fps: float, *, high: float = 0.35, birth_frames: int = 3, patience: float = 2.0
    ) -> None:
        self.high, self.birth_frames = high, birth_frames
        self.patience = patience * fps
        self._boxes = np.zeros((0, 4))
        self._key = np.zeros(0, np.int64)
        self._hits = np.zeros(0, np.int64)
        self._missed = np.zeros(0, np.int64)
        self._next_key = 0
        self._numbers: dict[int, int] = {}

    def carries_on(self, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Which detections can matter: the clear ones, bool (N,)."""
        return np.asarray(scores) >= self.high

    def step(self, boxes: np.ndarray, scores: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
        """Key of each detection's track, int64 (N,), -1 for none; keypoints are ignored."""
        keys = np.full(len(boxes), -1)
        clear = np.flatnonzero(np.asarray(scores) >= self.high)
        overlap = box_tools.iou(self._boxes, np.asarray(boxes, np.float64)[clear])
        self._missed += 1
        for i, j in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[i, j] >= MINIMUM_OVERLAP:
                self._boxes[i], keys[clear[j]] = boxes[clear[j]], self._key[i]
                self._hits[i], self._missed[i] = self._hits[i] + 1, 0
        for j in clear[keys[clear] < 0]:
            keys[j] = self._next_key
            self._boxes = np.concatenate([self._boxes, np.asarray(boxes[j])[None]])
            self._key = np.append(self._key, self._next_key)
            self._hits, self._missed = np.append(self._hits, 1), np.append(self._missed, 0)
            self._next_key += 1
        for key in self._key[self._hits >= self.birth_frames]:
            self._numbers.setdefault(int(key), len(self._numbers) + 1)
        kept = (self._missed == 0) | (
            (self._hits >= self.birth_frames) & (self._missed <= self.patience)
        )
        self._boxes, self._key = self._boxes[kept], self._key[kept]
        self._hits, self._missed = self._hits[kept], self._missed[kept]
        return keys

    def finish(self) -> None:
        """End of the video."""

    def numbers(self, keys: np.ndarray) -> np.ndarray:
        """Track numbers int64 (N,) of keys, -1 where the key never became one."""
        return np.array([self._numbers.get(int(key), -1) for key in keys], np.int64)
