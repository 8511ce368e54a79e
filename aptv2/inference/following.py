"""Animals of a video from the first box of each: track, then read the pose in the tracked boxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from aptv2.inference.boxes_file import FirstBoxes
from aptv2.models.protocols import PoseNetwork, State, Tracker
from aptv2.models.trackers.base import LOST
from aptv2.similarity import OVERLAPPING_SECONDS, frames_overlapping, same_animal
from aptv2.tracking.interfaces import (
    Animals,
    find_keypoints,
    part,
    prefixed,
)


class AnimalFollower:
    """Follows the animals of the first boxes, and no others.

    Parameters
    ----------
    tracker, pose
        The networks; without `pose` the tracker reads the keypoints itself.
    first
        The animals and where they first appear.
    fps
        Frames per second of the video.
    flip_test
        Average poses over the mirrored crops too.
    """

    def __init__(
        self,
        tracker: Tracker,
        pose: PoseNetwork | None,
        first: FirstBoxes,
        fps: float,
        flip_test: bool = False,
    ) -> None:
        self.tracker, self.pose = tracker, pose
        self.first, self.fps, self.flip_test = first, fps, flip_test
        self._frame = -1  # number of the last frame; damaged ones are missing
        # Frames that each animal spent on a better-scored one's animal.
        self._overlapping = np.zeros(0, np.int64)

    def step(self, images: Sequence[np.ndarray], numbers: Sequence[int]) -> list[Animals]:
        """Take the next frames; see :class:`aptv2.tracking.interfaces.AnimalReader`."""
        return [self._read(image, at) for image, at in zip(images, numbers, strict=True)]

    def finish(self) -> list[Animals]:
        """Nothing: no frame is pending."""
        return []

    def state(self) -> State:
        """Everything that the next step depends on, as arrays."""
        state: State = {"frame": np.array(self._frame), "overlapping": self._overlapping}
        return state | (prefixed(self.tracker.state(), "tracker") if len(self._overlapping) else {})

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what :meth:`state` gave."""
        self._frame, self._overlapping = int(state["frame"]), state["overlapping"]
        if len(self._overlapping):
            self.tracker.restore(part(state, "tracker"))

    def _read(self, image: np.ndarray, number: int) -> Animals:
        boxes, scores = self._follow(image, number)
        seen = np.flatnonzero(scores >= LOST)
        keypoints = self._keypoints(image, boxes, seen)
        apart = ~self._share_a_place(seen, boxes[seen], scores[seen], keypoints)
        tracks = self.first.tracks[seen]
        self._frame = number
        return Animals(tracks[apart], boxes[seen][apart], scores[seen][apart], keypoints[apart])

    def _keypoints(self, image: np.ndarray, boxes: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Keypoints (S, K, 3) of the animals `seen` (S,) of those in `boxes` (N, 4)."""
        if self.pose is None:
            return self.tracker.keypoints[seen]
        return find_keypoints(self.pose, image, boxes[seen], self.flip_test)

    def _follow(self, image: np.ndarray, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Boxes and scores of the animals that have appeared, in the order of `first`."""
        boxes, scores = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        known = len(self._overlapping)
        if known:
            boxes, scores = self.tracker.step(image)
        # In the place of a damaged frame comes the next.
        due = (self.first.frames > self._frame) & (self.first.frames <= number)
        new = self.first.boxes[due]
        if len(new):
            (self.tracker.add if known else self.tracker.start)(image, new)
            self._overlapping = np.append(self._overlapping, np.zeros(len(new), np.int64))
        return np.concatenate([boxes, new]), np.append(scores, np.ones(len(new), np.float32))

    def _share_a_place(
        self, seen: np.ndarray, boxes: np.ndarray, scores: np.ndarray, keypoints: np.ndarray
    ) -> np.ndarray:
        """bool (N,): animals that have long been on a better-scored one's place, so are lost.

        A template tracker that loses its animal behind another often stays with the other.
        """
        skeleton = (self.pose or self.tracker).skeleton
        same = same_animal(boxes, keypoints, np.asarray(skeleton.sigmas))
        overlapping = frames_overlapping(
            self._overlapping[seen], same, better=scores[:, None] < scores[None]
        )
        self._overlapping = np.zeros_like(self._overlapping)
        self._overlapping[seen] = overlapping
        return overlapping > OVERLAPPING_SECONDS * self.fps
