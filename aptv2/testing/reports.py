"""What tests give: frozen dataclasses that read as mappings and are written as `report.json`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aptv2.evaluation.results import (
    FollowedNumbers,
    FollowedScores,
    KeypointScores,
    Result,
    TrackNumbers,
)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PoseReport(Result):
    """The test of a pose network.

    Parameters
    ----------
    settings
        How it was run, and on what.
    animals, frames, predictions
        Annotated animals, the frames that show them, and the poses that are scored.
    scores
        By part of the data: `all`, and `easy` and `hard` where the images lie in folders of these
        names.
    """

    settings: dict[str, Any]
    animals: int
    frames: int
    predictions: int
    scores: dict[str, KeypointScores]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TrackScores(TrackNumbers, FollowedNumbers):
    """Scores of animals that were followed from their first boxes, as the paper reports them.

    The numbers of single animals are of every box, lost or not; those of many animals, and of
    their keypoints, are of the reported ones.

    Parameters
    ----------
    by_species
        Numbers of many animals by name of their species.
    lost
        Share of annotated animals after their first boxes that the tracker holds for lost.
    joint_MOTA
        MOTA of keypoints; left out where nothing was posed.
    """

    by_species: dict[str, TrackNumbers]
    lost: float
    joint_MOTA: float | None = None


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TrackedPoseReport(PoseReport):
    """The test of a pose network on the boxes of a tracker; each of these by part of the data.

    Parameters
    ----------
    scores
        On tracked boxes. Every animal that is annotated in a frame is posed there in the box that
        its tracker gives, whether that holds it for lost or not: the APTv2 paper's, which gives
        every animal a box in every frame.
    true_boxes
        The same animals in their annotated boxes.
    reported
        What the tracker stands for. Animals that it holds for lost are left out, and those that it
        still reports after their annotations end count as false.
    tracking
        Of the tracks.
    """

    true_boxes: dict[str, KeypointScores]
    reported: dict[str, KeypointScores]
    tracking: dict[str, TrackScores]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TrackerReport(FollowedScores):
    """The test of a tracker without poses; NaN and 0 frames where only first boxes are known.

    Parameters
    ----------
    fps
        Followed frames a second, without the reading of images.
    """

    fps: float
