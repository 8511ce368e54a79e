"""Which detection is which animal: tracking by detection.

The order of the steps follows ByteTrack (Zhang et al. 2022): clear detections are matched first,
doubtful ones may only carry on animals that are already known. Overlap is measured with the box
that a Kalman filter predicts (SORT, Bewley et al. 2016), and joined by how well the keypoints agree
(object keypoint similarity, as PoseTrack's trackers use it). Animals that were hidden are found
again where the filter's own uncertainty allows them to be.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment

from aptv2 import boxes as box_tools
from aptv2.similarity import (
    OVERLAPPING_SECONDS,
    frames_overlapping,
    keypoint_agreement,
    same_animal,
)
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tracking.motion import BoxMotion, cut_edges

KEYPOINT_WEIGHT = 0.4  # share of the keypoints in a similarity, the rest is overlap
MINIMUM_OVERLAP = 0.1  # below it two boxes are no match, whatever their keypoints
MINIMUM_SIMILARITY = 0.2
LARGEST_CHANGE = 2.5  # of a hidden animal's width and height until it is found again
ENDED = -1  # number of a track whose animal goes on under another key
CHI_SQUARE_99 = 9.21  # two degrees of freedom: gate of the distance to a predicted centre
LEAVING_SECONDS = 0.3  # an animal that is gone at the border ends after this
# What looks like no animal to the pose network gets no number: a tyre, a hut, a person far away.
CERTAIN = 0.7  # box score that needs no keypoints: birds and insects have few
KEYPOINT_EVIDENCE = 0.15  # mean score of the three best keypoints, from which they are evidence
EVIDENCE_SECONDS = 0.5  # a number that had no evidence for longer is no longer carried on
LOW_SCORE_SECONDS = 0.5  # doubtful detections carry on only animals seen this recently


class Associator:
    """Gives every detection the track it belongs to, one frame after the other.

    A detection gets a key at once. The key gets a number (1, 2, 3, …) only after the animal was
    seen clearly in `birth_frames` frames in a row, each time with a high score or with keypoints,
    so ask for numbers that many frames later.

    Parameters
    ----------
    fps
        Frames per second of the video.
    width, height
        Size of the frame in pixels.
    skeleton
        The keypoints.
    high, low
        Detections from `high` on start and carry on animals, those from `low` on only carry on.
    birth_frames
        Frames in a row that make an animal.
    patience
        Seconds that an animal may be hidden before its track ends.
    """

    def __init__(
        self,
        fps: float,
        width: int,
        height: int,
        skeleton: Skeleton = ANIMAL17,
        *,
        high: float = 0.35,
        low: float = 0.15,
        birth_frames: int = 3,
        patience: float = 2.0,
    ) -> None:
        self.seconds = 1 / fps
        self.frame_size = width, height
        self.sigmas = np.asarray(skeleton.sigmas)
        self.high, self.low = high, low
        self.birth_frames, self.patience = birth_frames, patience
        self._motion = BoxMotion()
        self._keypoints = np.zeros((0, len(skeleton), 3))
        self._key = np.zeros(0, np.int64)
        self._number = np.zeros(0, np.int64)  # 0 until the animal is confirmed
        self._hits = np.zeros(0, np.int64)
        self._missed = np.zeros(0, np.int64)  # frames since the animal was last seen
        # Frames since the score or the keypoints were evidence.
        self._unproven = np.zeros(0, np.int64)
        self._overlapping = np.zeros(0, np.int64)  # frames on the same animal as an older track
        self._frames = 0
        self._next_key = 0
        self._count = 0  # animals so far
        self._numbers: dict[int, int] = {}  # of every confirmed key, ended ones too

    def step(self, boxes: np.ndarray, scores: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
        """Associate the detections of the next frame.

        Parameters
        ----------
        boxes
            (N, 4) xywh in pixels.
        scores
            (N,) from 0 to 1.
        keypoints
            (N, K, 3): x, y, score.

        Returns
        -------
        np.ndarray
            int64 (N,): key of each detection's track, -1 where it belongs to none.
        """
        boxes, keypoints = np.asarray(boxes, np.float64), np.asarray(keypoints, np.float64)
        scores = np.asarray(scores, np.float64)
        owner = np.full(len(boxes), -1)
        confirmed, clear = self._number > 0, scores >= self.high
        doubtful = ~clear & (scores >= self.low)
        evident = (scores >= CERTAIN) | _shows_keypoints(keypoints)
        starting = clear & evident
        recent = self._missed * self.seconds <= LOW_SCORE_SECONDS
        trusted = self._unproven * self.seconds <= EVIDENCE_SECONDS
        similarity = self._similarity(boxes, keypoints) * (trusted[:, None] | evident)
        _match(owner, similarity, confirmed, clear)
        _match(owner, similarity, confirmed & recent, doubtful)
        _match(owner, similarity, ~confirmed, starting)
        same = same_animal(boxes, keypoints, self.sigmas)
        self._let_go_of_overlapping(owner, same)
        self._update(owner, boxes, keypoints)
        self._unproven += 1
        self._unproven[owner[evident & (owner >= 0)]] = 0
        keys = np.where(owner >= 0, self._key[owner], -1) if len(self._key) else owner
        known = np.flatnonzero(owner >= 0)
        for i in np.flatnonzero(starting & (owner < 0)):
            if not same[i, known].any():
                keys[i] = self._add(boxes[i], keypoints[i])
                known = np.append(known, i)
        self._confirm(self.birth_frames)
        self._frames += 1
        self._end_and_predict()
        return keys

    def carries_on(self, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Which detections of the next frame can matter: the others need no keypoints.

        Returns
        -------
        np.ndarray
            bool (N,): clear detections, and doubtful ones that touch a known animal.
        """
        scores = np.asarray(scores)
        overlap = box_tools.iou(boxes, self._predicted[self._number > 0]).max(axis=1, initial=0)
        return (scores >= self.high) | ((scores >= self.low) & (overlap >= MINIMUM_OVERLAP))

    def finish(self) -> None:
        """End of the video: animals of a video shorter than `birth_frames` count."""
        self._confirm(min(self.birth_frames, self._frames))

    def numbers(self, keys: np.ndarray) -> np.ndarray:
        """Track numbers int64 (N,) of keys, -1 where the key was never confirmed."""
        return np.array([self._numbers.get(int(key), -1) for key in keys], np.int64)

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next step depends on, as arrays."""
        state = {name: getattr(self, name) for name in _TRACK_FIELDS}
        state |= {name: getattr(self._motion, name) for name in _MOTION_FIELDS}
        state["numbers"] = np.array(list(self._numbers.items()), np.int64).reshape(-1, 2)
        state["counters"] = np.array([self._frames, self._next_key, self._count])
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what :meth:`state` gave."""
        for name in _TRACK_FIELDS:
            setattr(self, name, state[name].copy())
        for name in _MOTION_FIELDS:
            setattr(self._motion, name, state[name].copy())
        self._numbers = {int(key): int(number) for key, number in state["numbers"]}
        self._frames, self._next_key, self._count = (int(value) for value in state["counters"])

    @property
    def _predicted(self) -> np.ndarray:
        """float64 (N, 4): the visible part of where each track's animal should be."""
        return box_tools.clip(self._motion.boxes, *self.frame_size)

    def _similarity(self, boxes: np.ndarray, keypoints: np.ndarray) -> np.ndarray:
        """Tracks x detections, 0 to 1: overlap with the predicted box, joined by the keypoints."""
        overlap = box_tools.iou(self._predicted, boxes)
        agreement = keypoint_agreement(
            self._keypoints, keypoints, box_tools.area(boxes), self.sigmas
        )
        mixed = (1 - KEYPOINT_WEIGHT) * overlap + KEYPOINT_WEIGHT * agreement
        similarity = np.where(np.isnan(agreement), overlap, mixed)
        return np.where(overlap >= MINIMUM_OVERLAP, similarity, 0)

    def _let_go_of_overlapping(self, owner: np.ndarray, same: np.ndarray) -> None:
        """Take its detection from a track that has been on an older track's animal for long."""
        found = np.flatnonzero(owner >= 0)
        tracks = owner[found]
        older = self._key[tracks][:, None] > self._key[tracks][None]
        self._overlapping[tracks] = frames_overlapping(
            self._overlapping[tracks], same[np.ix_(found, found)], better=older
        )
        owner[found[self._overlapping[tracks] * self.seconds > OVERLAPPING_SECONDS]] = -1

    def _update(self, owner: np.ndarray, boxes: np.ndarray, keypoints: np.ndarray) -> None:
        found = owner >= 0
        rows = owner[found]
        self._missed += 1
        self._missed[rows] = 0
        self._hits[rows] += 1
        self._keypoints[rows] = keypoints[found]
        hidden = (self._missed > 0) & (self._number > 0)
        animals = np.concatenate([boxes[found], self._predicted[hidden]])
        cut = cut_edges(animals, *self.frame_size)[: len(rows)]
        self._motion.update(rows, boxes[found], cut)

    def _add(self, box: np.ndarray, keypoints: np.ndarray) -> int:
        self._motion.add(box)
        self._keypoints = np.concatenate([self._keypoints, keypoints[None]])
        self._key = np.append(self._key, self._next_key)
        self._hits = np.append(self._hits, 1)
        for name in ("_number", "_missed", "_unproven", "_overlapping"):
            setattr(self, name, np.append(getattr(self, name), 0))
        self._next_key += 1
        return self._next_key - 1

    def _confirm(self, birth_frames: int) -> None:
        """Give tracks that lasted their number: that of an animal that was hidden, or a new one."""
        rows = np.flatnonzero((self._number == 0) & (self._hits >= birth_frames))
        hidden = np.flatnonzero((self._number > 0) & (self._missed > 0))
        closeness = self._closeness(rows, hidden)
        for i, j in zip(*linear_sum_assignment(-closeness), strict=True):
            if closeness[i, j] > 0:
                self._number[rows[i]] = self._number[hidden[j]]
                self._number[hidden[j]] = ENDED
        for row in rows:
            if self._number[row] == 0:
                self._count += 1
                self._number[row] = self._count
            self._numbers[int(self._key[row])] = int(self._number[row])

    def _closeness(self, rows: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        """New tracks x hidden ones, 0 to 1: how likely the place is, 0 where it is impossible.

        Places are as of this frame; the filter knows how uncertain the hidden one's is.
        """
        boxes = self._motion.boxes
        distance = self._motion.distance(boxes[rows])[hidden].T
        ratio = boxes[rows, None, 2:] / boxes[None, hidden, 2:]
        possible = (np.maximum(ratio, 1 / ratio) < LARGEST_CHANGE).all(axis=2)
        # Two that were seen in one frame are two animals.
        possible &= self._hits[rows][:, None] <= self._missed[hidden][None]
        return np.where(possible, np.clip(1 - distance / CHI_SQUARE_99, 0, 1), 0)

    def _end_and_predict(self) -> None:
        """End tracks that are gone, and move the others to where the next frame will see them."""
        hidden = self._missed * self.seconds
        leaving = box_tools.area(self._predicted) < 0.5 * box_tools.area(self._motion.boxes)
        gone = (hidden > self.patience) | (leaving & (hidden > LEAVING_SECONDS))
        keep = ~gone & ((self._number > 0) | (self._missed == 0)) & (self._number != ENDED)
        for name in _TRACK_FIELDS:
            setattr(self, name, getattr(self, name)[keep])
        self._motion.keep(keep)
        before = self._motion.centres
        self._motion.predict(self.seconds, self._missed > 0)
        self._keypoints[:, :, :2] += (self._motion.centres - before)[:, None]


_TRACK_FIELDS = ("_keypoints", "_key", "_number", "_hits", "_missed", "_unproven", "_overlapping")
_MOTION_FIELDS = ("edges", "speeds", "variances")


def _shows_keypoints(keypoints: np.ndarray) -> np.ndarray:
    """Detections that keypoints speak for; all where no keypoints were read."""
    best = -np.sort(-keypoints[..., 2], axis=1)[:, :3]
    return np.isnan(best).all(axis=1) | (np.nan_to_num(best).mean(axis=1) >= KEYPOINT_EVIDENCE)


def _match(
    owner: np.ndarray, similarity: np.ndarray, tracks: np.ndarray, detections: np.ndarray
) -> None:
    """Best one-to-one match (Kuhn-Munkres) of the tracks and detections that are still free."""
    free = np.ones(len(tracks), np.bool_)
    free[owner[owner >= 0]] = False
    rows, columns = np.flatnonzero(tracks & free), np.flatnonzero(detections & (owner < 0))
    part = similarity[np.ix_(rows, columns)]
    for i, j in zip(*linear_sum_assignment(-part), strict=True):
        if part[i, j] >= MINIMUM_SIMILARITY:
            owner[columns[j]] = rows[i]
