"""Trails: where the animals of a video have been lately."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import ArrayLike

_MAX_TRAIL = 600  # frames; some containers state a frame rate in the thousands


class Trails:
    """Recent paths of the animals: the centres of their boxes, per track.

    Parameters
    ----------
    seconds
        How far back a trail reaches.
    fps
        Calls of :meth:`update` per second of video.

    Raises
    ------
    ValueError
        Where either is not a positive number.
    """

    def __init__(self, seconds: float = 1.5, fps: float = 25.0) -> None:
        length = seconds * fps
        if not (math.isfinite(length) and seconds > 0 and fps > 0):
            raise ValueError(f"a trail of {seconds} s at {fps} frames per second has no length")
        frames = max(2, round(min(length, _MAX_TRAIL)))
        self._history: deque[dict[int, tuple[float, float]]] = deque(maxlen=frames)

    def update(self, tracks: ArrayLike, boxes: ArrayLike) -> None:
        """Add one frame: track numbers (N,) and xywh boxes (N, 4) in pixels.

        Call it for frames without animals too, so that old trails fade. Tracks below 0 and boxes
        with NaN leave no trail.
        """
        numbers = np.asarray(tracks, np.int64).reshape(-1)
        corners = np.asarray(boxes, np.float64).reshape(-1, 4)
        centres = corners[:, :2] + corners[:, 2:] / 2
        known = (numbers >= 0) & np.isfinite(centres).all(axis=1)
        self._history.append(
            {
                int(number): (float(x), float(y))
                for number, (x, y) in zip(numbers[known], centres[known], strict=True)
            }
        )

    def paths(self) -> list[tuple[int, np.ndarray, np.ndarray]]:
        """Unbroken stretches, oldest first: track, points (M, 2) in pixels and freshness (M,).

        Freshness runs from 0, about to be forgotten, to 1, the newest frame. A track that was
        away for some frames has a stretch before and one after.
        """
        span = (self._history.maxlen or 2) - 1
        newest = len(self._history) - 1
        points: dict[tuple[int, int], list[tuple[float, float]]] = {}
        start: dict[int, int] = {}
        previous: dict[int, tuple[float, float]] = {}
        for step, frame in enumerate(self._history):
            for track, centre in frame.items():
                if track not in previous:
                    start[track] = step
                points.setdefault((track, start[track]), []).append(centre)
            previous = frame
        return [
            (track, np.array(path), 1 - (newest - first - np.arange(len(path))) / span)
            for (track, first), path in points.items()
        ]
