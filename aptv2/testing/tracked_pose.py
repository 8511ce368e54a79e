"""The paper's tracking test: follow every animal from its first box, pose it, score both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aptv2.datasets.splits import Subset, subset
from aptv2.errors import InputError
from aptv2.evaluation import score_followed, score_pose_tracking, score_tracking
from aptv2.export.coco import write_coco
from aptv2.locks import held
from aptv2.models.pose.base import PoseModel
from aptv2.models.protocols import Tracker
from aptv2.models.trackers.base import LOST
from aptv2.tables import PoseTable
from aptv2.testing.boxes import annotated_boxes
from aptv2.testing.follow import follow_annotated, on_annotated
from aptv2.testing.pose import (
    CHUNKS,
    check_keypoints,
    counts_of,
    finish,
    official_results,
    parts_of,
    scores_by_part,
    settings_of,
)
from aptv2.testing.reports import TrackedPoseReport, TrackScores
from aptv2.testing.resumable import predict_in_chunks

TRACKS = "tracks.json"


def score_tracked_poses(
    model: PoseModel,
    tracker: Tracker | PoseTable,
    truth: PoseTable,
    output: str | Path,
    *,
    flip: bool = True,
    oks_nms: bool | Literal["soft"] = True,
    devices: int = 1,
    resume: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    metadata: dict[str, Any] | None = None,
    progress: bool = False,
) -> TrackedPoseReport:
    """Follow the animals of a split from their first boxes, pose them there, and score all of it.

    Parameters
    ----------
    model
        The pose network.
    tracker
        The tracker; or what :func:`aptv2.testing.follow.follow_annotated` gave with it.
    truth
        The annotated animals, with their images (:func:`aptv2.datasets.read_split.read_split`).
    output
        Folder for `report.json`, what is returned; `predictions.json`, the COCO results that the
        AP on tracked boxes is of; and `tracks.json`, every followed animal in every frame, with
        its keypoints in the annotated ones.
    flip, oks_nms, devices, resume, resamples, seed, metadata, progress
        As in :func:`aptv2.testing.pose.score_pose_model`. The animals are followed anew when
        a run is resumed.

    Returns
    -------
    TrackedPoseReport
        Scores of poses on tracked and on annotated boxes, and of the tracks.

    Raises
    ------
    InputError
        Where data and networks do not fit together, or the output cannot be written.

    Notes
    -----
    An animal's first box is the annotated one; its pose counts in AP as every other does, while
    the scores of single objects leave it out as their definitions say. A pose's score is its mean
    keypoint score, as in the official test, times the tracker's confidence.
    """
    check_keypoints(model, truth)
    folder = Path(output)
    targets = annotated_boxes(truth)
    if not len(targets):
        raise InputError(f"{truth.root}: there is no annotated animal to test on.")
    with held(folder, "testing into"):
        if isinstance(tracker, PoseTable):
            followed = tracker
        else:
            followed = follow_annotated(truth.with_keypoint_boxes(), tracker, progress)
        # Where nothing is annotated, nothing can be said of a pose.
        annotated = np.isin(followed.frame, targets.frame)
        posed, posed_truly = (
            predict_in_chunks(
                model,
                table,
                folder / CHUNKS / name,
                flip=flip,
                devices=devices,
                resume=resume,
                progress=progress,
            )
            for name, table in (("tracked", followed[annotated]), ("true", targets))
        )
        box_scores = followed.scores[annotated]
        wanted, seen = _among(posed, targets), box_scores >= LOST
        results = {
            "scores": official_results(posed[wanted], box_scores[wanted], oks_nms),
            "true_boxes": official_results(posed_truly, targets.scores, oks_nms),
            "reported": official_results(posed[seen], box_scores[seen], oks_nms),
        }
        keypoints = followed.keypoints.copy()
        keypoints[annotated] = posed.keypoints
        tracks = replace(followed, keypoints=keypoints)
        scores = {
            name: scores_by_part(truth, found, resamples, seed) for name, found in results.items()
        }
        report = TrackedPoseReport(
            settings={
                **(metadata or {}),
                "boxes": "tracked",
                **settings_of(model, flip, oks_nms, resamples, seed),
            },
            **counts_of(truth, results["scores"]),
            scores=scores["scores"],
            true_boxes=scores["true_boxes"],
            reported=scores["reported"],
            tracking={name: score_tracks(truth, tracks, name) for name in parts_of(truth)},
        )
        write_coco(tracks, folder / TRACKS)
        finish(folder, results["scores"], report)
    return report


def score_tracks(truth: PoseTable, followed: PoseTable, part: Subset = "all") -> TrackScores:
    """Scores of what :func:`aptv2.testing.follow.follow_annotated` gave, as reported here.

    Parameters
    ----------
    truth
        The annotated animals. Crowds and animals without a box play no part.
    followed
        Every box, lost or not; with keypoints where some are to be scored.
    part
        All animals, or those of easy or hard clips.
    """
    boxed = subset(truth.with_keypoint_boxes(), part)
    boxed = boxed[~np.isnan(boxed.boxes).any(axis=1) & ~boxed.crowd]
    tracks = subset(followed, part)
    reported = tracks[tracks.scores >= LOST]
    single, many = score_followed(boxed, tracks), score_tracking(boxed, reported)
    given = on_annotated(tracks, boxed)
    posed = bool((tracks.num_keypoints > 0).any())
    return TrackScores(
        **{name: value for name, value in single.items() if name != "by_animal"},
        **{name: value for name, value in many.items() if name != "by_clip"},
        lost=float((given.scores < LOST).sum() / max(1, single.frames)),
        joint_MOTA=score_pose_tracking(boxed, reported).MOTA if posed else None,
    )


def _among(found: PoseTable, targets: PoseTable) -> np.ndarray:
    """bool (N,): whether a followed animal is one of the targets: track and frame are the same."""
    keys = set(zip(targets.frame.tolist(), targets.tracks.tolist(), strict=True))
    pairs = zip(found.frame.tolist(), found.tracks.tolist(), strict=True)
    return np.fromiter((pair in keys for pair in pairs), bool, len(found))
