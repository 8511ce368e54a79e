"""The One Euro filter (Casiez, Roussel and Vogel 2012) over tracked points.

A low-pass filter whose cut-off rises with speed: a paw that rests stops trembling, a paw that
swings does not lag behind. It looks back only, so it streams.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

FORGET_SECONDS = 0.5  # after a gap as long as this a track starts anew


class OneEuroFilter:
    """Smooths the points of every track on its own, all points of a frame at once.

    Parameters
    ----------
    cutoff
        Cut-off frequency at rest, in Hz. Lower is smoother.
    speed_gain
        By how many Hz the cut-off rises for each body length per second. Higher lags less.
    speed_cutoff
        Cut-off frequency of the speed itself, in Hz.
    """

    def __init__(
        self, cutoff: float = 1.5, speed_gain: float = 6.0, speed_cutoff: float = 1.0
    ) -> None:
        self.cutoff, self.speed_gain, self.speed_cutoff = cutoff, speed_gain, speed_cutoff
        self._tracks = np.zeros(0, np.int64)
        self._times = np.zeros(0)
        self._points = np.zeros((0, 0, 2))
        self._speeds = np.zeros((0, 0, 2))

    def __call__(
        self, tracks: np.ndarray, points: np.ndarray, lengths: np.ndarray, time: float
    ) -> np.ndarray:
        """Smooth the points of one frame; call with rising times.

        Parameters
        ----------
        tracks
            int (N,): track numbers, each once.
        points
            (N, P, 2): x and y in pixels.
        lengths
            (N,): body length of each animal in pixels, which makes speeds comparable.
        time
            Seconds.

        Returns
        -------
        np.ndarray
            float64 (N, P, 2).
        """
        points = np.asarray(points, np.float64)
        smooth, speeds = points.copy(), np.zeros_like(points)
        _, now, before = np.intersect1d(tracks, self._tracks, return_indices=True)
        recent = time - self._times[before] < FORGET_SECONDS  # No frame may lie in a gap.
        now, before = now[recent], before[recent]
        if len(now):
            step = np.maximum(time - self._times[before], 1e-6)[:, None, None]
            change = (points[now] - self._points[before]) / step
            old = self._speeds[before]
            speeds[now] = old + _share(self.speed_cutoff, step) * (change - old)
            length = np.maximum(lengths[now], 1)[:, None, None]
            speed = np.linalg.norm(speeds[now], axis=2, keepdims=True) / length
            share = _share(self.cutoff + self.speed_gain * speed, step)
            smooth[now] = self._points[before] + share * (points[now] - self._points[before])
        self._remember(tracks, smooth, speeds, time)
        return smooth

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next call depends on, as arrays."""
        return {name: getattr(self, name) for name in _FIELDS}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what :meth:`state` gave."""
        for name in _FIELDS:
            setattr(self, name, state[name])

    def _remember(
        self, tracks: np.ndarray, points: np.ndarray, speeds: np.ndarray, time: float
    ) -> None:
        kept = ~np.isin(self._tracks, tracks) & (time - self._times < FORGET_SECONDS)
        shape = (-1, *points.shape[1:])
        self._points = np.concatenate([self._points[kept].reshape(shape), points])
        self._speeds = np.concatenate([self._speeds[kept].reshape(shape), speeds])
        self._times = np.append(self._times[kept], np.full(len(tracks), time))
        self._tracks = np.append(self._tracks[kept], np.asarray(tracks, np.int64))


_FIELDS = ("_tracks", "_times", "_points", "_speeds")


def _share(cutoff: float | np.ndarray, step: np.ndarray) -> np.ndarray:
    """Weight of the new value in exponential smoothing with a cut-off in Hz and a step in s."""
    turn = 2 * np.pi * cutoff * step
    return turn / (turn + 1)
