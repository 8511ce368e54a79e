"""Keypoint-level MOTA: tracked poses as PoseTrack scores them (Andriluka et al., CVPR 2018)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from aptv2 import boxes as box_tools
from aptv2.errors import InputError
from aptv2.evaluation.pairing import over_frames_of
from aptv2.evaluation.results import PoseTrackingNumbers, PoseTrackingScores
from aptv2.evaluation.tracking import check_tracks
from aptv2.tables import PoseTable

_FAR = 1e6  # a cost that no pair within the tolerance has


def score_pose_tracking(
    truth: PoseTable,
    found: PoseTable,
    minimum_score: float = 0.2,
    tolerance: float = 0.1,
) -> PoseTrackingScores:
    """Score tracked keypoints against annotated ones.

    Every keypoint of the skeleton is tracked on its own: in each frame the annotated and the
    predicted left eyes, say, are matched one to one, the nearest first that were matched before.

    Parameters
    ----------
    truth, found
        Annotated and predicted animals, each with keypoints, a box and a track number. Predictions
        belong to frames by image id.
    minimum_score
        A predicted keypoint with a score below is taken for not predicted. Every keypoint that is
        predicted but not annotated is an error, and networks give all keypoints of every animal.
    tolerance
        How far a predicted keypoint may be off, in units of the square root of the animal's area.

    Returns
    -------
    PoseTrackingScores
        MOTA as the mean over keypoints, and the same by keypoint.

    Raises
    ------
    InputError
        If an animal has no box or track number, a track number appears twice in a frame, or
        predictions have other keypoints or unknown frames.

    Notes
    -----
    PoseTrack's tolerance is half the size of the head, which animals' annotations do not hold. On
    a person who stands, that is about a tenth of the square root of the box's area; so is it here.
    The area is the one that scales OKS.

    Frames count in which some animal has an annotated keypoint. A predicted keypoint that matches
    nothing is no error inside the box of an animal without annotated keypoints or of a crowd; there
    PoseTrack ignores all keypoints. Two things that its code does are left out: to drop the last
    frame of a clip, and to count an error of either kind for frames without any animal.
    """
    found = over_frames_of(truth, found)
    truth = truth.with_keypoint_boxes()
    truth = truth[~np.isnan(truth.boxes).any(axis=1)]
    check_tracks(truth, "ground truth")
    check_tracks(found, "predictions")
    if not (truth.num_keypoints > 0).any() and len(found):
        raise InputError("The ground truth holds no annotated keypoints; score boxes alone.")
    names = truth.skeleton.names
    counts = np.zeros((len(names), len(_COUNTS)), np.int64)
    clips = truth.frames.clips
    counted = (truth.num_keypoints > 0) & ~truth.crowd & (truth.scale_areas > 0)
    annotated = np.unique(truth.frame[counted])
    for clip in np.unique(clips[annotated]).tolist():
        frames = annotated[clips[annotated] == clip]
        frames = frames[np.argsort(truth.frames.indices[frames], kind="stable")]
        views = [
            _View.of(truth, counted, found, frame, minimum_score, tolerance) for frame in frames
        ]
        for keypoint in range(len(names)):
            counts[keypoint] += _follow(views, keypoint)
    by_keypoint = {name: _summary(row) for name, row in zip(names, counts, strict=True)}
    defined = [row.MOTA for row in by_keypoint.values() if row.keypoints]
    mean = float(np.mean(defined)) if defined else float("nan")
    total = dict(_summary(counts.sum(axis=0))) | {"MOTA": mean}
    return PoseTrackingScores(**total, by_keypoint=by_keypoint)


_COUNTS = ("keypoints", "missed", "false_positives", "id_switches")


class _View(NamedTuple):
    """One frame: N animals with annotated keypoints, M predicted ones, K keypoints.

    Parameters
    ----------
    animals, tracks
        int64 (N,) and (M,): track numbers.
    labelled, predicted
        bool (N, K) and (M, K): keypoints that are there.
    ignored
        bool (M, K): predicted keypoints in a box whose animal has no annotated keypoints.
    distances
        float64 (N, M, K): in units of the tolerance.
    """

    animals: np.ndarray
    tracks: np.ndarray
    labelled: np.ndarray
    predicted: np.ndarray
    ignored: np.ndarray
    distances: np.ndarray

    @classmethod
    def of(
        cls,
        truth: PoseTable,
        counted: np.ndarray,
        found: PoseTable,
        frame: int,
        minimum_score: float,
        tolerance: float,
    ) -> _View:
        here, others = truth.rows_of(frame), found.rows_of(frame)
        rows, ignored = here[counted[here]], here[~counted[here]]
        real, keypoints = truth.keypoints[rows], found.keypoints[others]
        reach = tolerance * np.sqrt(truth[rows].scale_areas.astype(np.float64))
        apart = real[:, None, :, :2].astype(np.float64) - keypoints[None, :, :, :2]
        corners = box_tools.xywh_to_xyxy(truth.boxes[ignored])[:, None, None]
        points = keypoints[None, :, :, :2]
        inside = ((points >= corners[..., :2]) & (points <= corners[..., 2:])).all(axis=3)
        return cls(
            truth.tracks[rows],
            found.tracks[others],
            real[:, :, 2] > 0,
            keypoints[:, :, 2] >= minimum_score,
            inside.any(axis=0),
            np.linalg.norm(apart, axis=3) / reach[:, None, None],
        )


def _follow(views: list[_View], keypoint: int) -> np.ndarray:
    """Counts (4,) of one keypoint through one clip: CLEAR MOT's matching, frame after frame."""
    keypoints = missed = false_positives = switches = 0
    last: dict[int, int] = {}  # animal -> the track that it was matched with last
    for view in views:
        rows = np.flatnonzero(view.labelled[:, keypoint])
        others = np.flatnonzero(view.predicted[:, keypoint])
        cost = view.distances[np.ix_(rows, others)][..., keypoint]
        animals, tracks = view.animals[rows].tolist(), view.tracks[others].tolist()
        pairs = _match(cost, animals, tracks, last)
        for row, other in pairs:
            switches += last.get(animals[row], tracks[other]) != tracks[other]
            last[animals[row]] = tracks[other]
        matched = {other for _, other in pairs}
        keypoints += len(rows)
        missed += len(rows) - len(pairs)
        false_positives += sum(
            place not in matched and not view.ignored[other, keypoint]
            for place, other in enumerate(others)
        )
    return np.array([keypoints, missed, false_positives, switches])


def _match(
    cost: np.ndarray, animals: list[int], tracks: list[int], last: dict[int, int]
) -> list[tuple[int, int]]:
    """Pairs of places: who was matched before stays so; of the rest as many as can be, the nearest.

    Costs (N, M) above 1 forbid a pair.
    """
    place = {track: other for other, track in enumerate(tracks)}
    pairs: list[tuple[int, int]] = []
    for row, animal in enumerate(animals):
        other = place.get(last.get(animal, -1), -1)
        if other >= 0 and cost[row, other] <= 1 and other not in {taken for _, taken in pairs}:
            pairs.append((row, other))
    rows = [row for row in range(len(animals)) if row not in {done for done, _ in pairs}]
    others = [other for other in range(len(tracks)) if other not in {done for _, done in pairs}]
    rest = cost[np.ix_(rows, others)]
    chosen = zip(*linear_sum_assignment(np.where(rest <= 1, rest, _FAR)), strict=True)
    return pairs + [(rows[i], others[j]) for i, j in chosen if rest[i, j] <= 1]


def _summary(counts: np.ndarray) -> PoseTrackingNumbers:
    keypoints, *errors = counts.tolist()
    mota = 1 - sum(errors) / keypoints if keypoints else float("nan")
    return PoseTrackingNumbers(MOTA=mota, **dict(zip(_COUNTS, counts.tolist(), strict=True)))
