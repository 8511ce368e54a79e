"""What cells give: frozen dataclasses that read as mappings and are written as `result.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aptv2.evaluation.results import KeypointScores, Result

DONE, FAILED = "done", "failed"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CellSettings(Result):
    """What a cell was, whether it is done or failed.

    Parameters
    ----------
    miniature
        Whether its numbers are a miniature's.
    network, init, tracker
        The network, what its training started from, and the tracker, if any.
    boxes
        Where the boxes come from.
    data, split
        What it was tested on.
    splits_of
        "ours", or the authors' split files by name.
    by
        The process that did it.
    """

    miniature: bool
    network: str
    init: str
    tracker: str | None
    boxes: str
    data: str
    split: str
    splits_of: str
    by: str


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class FailedCell(CellSettings):
    """A cell without scores.

    Parameters
    ----------
    error
        Why there are none, in one sentence.
    """

    status: str = FAILED
    error: str


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class DoneCell(CellSettings):
    """A cell with its scores.

    Parameters
    ----------
    error
        None.
    weights
        File of the network's weights.
    settings, animals, frames, predictions, scores
        As of :class:`aptv2.testing.reports.PoseReport`.
    tracking
        Scores of the tracker by part of the data; None where there is none.
    fingerprints
        Of the data, the weights and the code.
    seconds
        Of training, of the boxes and of the test.
    memory
        Peaks, in bytes.
    speed
        Animals a second, and on which device.
    parameters
        Of the pose network.
    """

    status: str = DONE
    error: None
    weights: str
    settings: dict[str, Any]
    animals: int
    frames: int
    predictions: int
    scores: dict[str, KeypointScores]
    tracking: Mapping[str, Mapping[str, Any]] | None
    fingerprints: dict[str, Any]
    seconds: dict[str, float]
    memory: dict[str, int | None]
    speed: dict[str, Any]
    parameters: int
