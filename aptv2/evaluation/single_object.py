"""Scores of animals that were followed from their first boxes: GOT-10k's, OTB's and LaSOT's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from aptv2 import boxes as box_tools
from aptv2.errors import InputError
from aptv2.evaluation.pairing import over_frames_of
from aptv2.evaluation.results import FollowedScores, SingleObjectScores
from aptv2.evaluation.tracking import check_tracks
from aptv2.tables import PoseTable

_SUCCESS = np.linspace(0, 1, 21)  # overlaps, OTB's
_PRECISION = 20  # pixels
_NORMALISED = 0.2  # of the object's sides


def score_followed(truth: PoseTable, found: PoseTable) -> FollowedScores:
    """Score animals that were followed from their first boxes, one by one.

    Parameters
    ----------
    truth, found
        Annotated and predicted animals, each with a box and a track number. A track is the same
        animal in both. Predictions belong to frames by image id; tracks that the ground truth does
        not have play no part.

    Returns
    -------
    FollowedScores
        The numbers of :func:`score_single_object` of all animals, and of each.

    Raises
    ------
    InputError
        If an animal has no box or track number, a track number appears twice in a frame,
        predictions name unknown frames, or follow none of the animals.
    """
    found = over_frames_of(truth, found)
    check_tracks(truth, "ground truth")
    check_tracks(found, "predictions")
    clips, indices = truth.frames.clips[truth.frame], truth.frames.indices[truth.frame]
    truth = truth[np.lexsort((truth.frame, indices, truth.tracks, clips))]
    boxes, seen = boxes_at(truth, found)
    if len(found) and len(truth) and not seen.any():
        raise InputError(
            "The predictions have none of the ground truth's tracks in its frames; an animal "
            "needs the same track number in both."
        )
    keys = np.stack([truth.frames.clips[truth.frame], truth.tracks], axis=1)
    starts = np.flatnonzero((np.diff(keys, axis=0) != 0).any(axis=1)) + 1
    rows_of = np.split(np.arange(len(truth)), starts) if len(truth) else []
    measured = {
        "/".join(map(str, keys[rows[0]].tolist())): _measure(
            truth.boxes[rows], boxes[rows], truth.frames.sizes[truth.frame[rows]]
        )
        for rows in rows_of
    }
    return FollowedScores(
        **_summary(list(measured.values())),
        animals=len(measured),
        frames=len(truth) - len(measured),
        by_animal={name: _summary([one]) for name, one in measured.items()},
    )


def score_single_object(
    ground_truth: ArrayLike,
    predictions: ArrayLike,
    absent: ArrayLike | None = None,
    size: tuple[int, int] | None = None,
) -> SingleObjectScores:
    """Score one object followed from its first box through one clip.

    Parameters
    ----------
    ground_truth, predictions
        Boxes (F, 4), xywh, one a frame. A prediction of NaN overlaps nothing.
    absent
        bool (F,): frames whose object cannot be seen, or is covered. They do not count.
    size
        Width and height of the frames, to which AO and SR confine the boxes.

    Returns
    -------
    SingleObjectScores
        From 0 to 1, NaN where no frame counts.

    Raises
    ------
    ValueError
        Where the lengths differ.

    Notes
    -----
    As GOT-10k's toolkit does it, a box that begins left of or above the frame is moved into it and
    keeps its size as far as there is room; only what reaches beyond the right and lower edge is
    cut off. OTB and LaSOT take boxes as they are and count the first frame. Frames without the
    object are left out of all six; some code for LaSOT counts them as errors of every tracker.

    Examples
    --------
    >>> truth = [[0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10]]
    >>> scores = score_single_object(truth, [[9, 9, 9, 9], [0, 0, 10, 10], [0, 0, 10, 6]])
    >>> scores["AO"], scores["SR50"], scores["SR75"]
    (0.8, 1.0, 0.5)
    """
    truth = np.asarray(ground_truth, np.float64).reshape(-1, 4)
    found = np.asarray(predictions, np.float64).reshape(-1, 4)
    hidden = np.zeros(len(truth), bool) if absent is None else np.asarray(absent, bool)
    if not len(truth) == len(found) == len(hidden):
        raise ValueError(f"{len(truth)} true boxes, {len(found)} predicted, {len(hidden)} flags")
    sizes = np.tile(size or (0, 0), (len(truth), 1))
    return _summary([_measure(truth, found, sizes, ~hidden)])


class _Measured(NamedTuple):
    """How well one object was followed, frame by frame.

    Parameters
    ----------
    confined
        float64: overlaps of the boxes confined to the frame, without the first frame.
    overlaps, errors, normalised
        float64 (F,): overlaps; distances of the centres in pixels, and in the object's sides.
    """

    confined: np.ndarray
    overlaps: np.ndarray
    errors: np.ndarray
    normalised: np.ndarray


def _measure(
    truth: np.ndarray, found: np.ndarray, sizes: np.ndarray, counted: np.ndarray | None = None
) -> _Measured:
    """Compare boxes (F, 4) frame by frame; sizes (F, 2) of the frames are 0 where unknown."""
    truth, found = truth.astype(np.float64), found.astype(np.float64)
    chosen = np.ones(len(truth), bool) if counted is None else counted
    confined = box_tools.paired_iou(_confined(truth, sizes), _confined(found, sizes))
    # OTB's centres are at x + (width - 1) / 2; in a difference the ones cancel.
    offsets = (found[:, :2] - truth[:, :2]) + (found[:, 2:] - truth[:, 2:]) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = offsets / truth[:, 2:]
    return _Measured(
        confined[1:][chosen[1:]],
        box_tools.paired_iou(truth, found)[chosen],
        np.hypot(*offsets[chosen].T),
        np.hypot(*shares[chosen].T),
    )


def _confined(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Boxes in the frame as GOT-10k's toolkit puts them there; unchanged where no size is known."""
    limits = np.where(sizes > 0, sizes, np.inf)
    corners = np.where(sizes > 0, np.clip(boxes[:, :2], 0, limits), boxes[:, :2])
    return np.concatenate([corners, np.clip(boxes[:, 2:], 0, limits - corners)], axis=1)


def _summary(objects: Sequence[_Measured]) -> SingleObjectScores:
    confined = np.concatenate([np.empty(0), *(one.confined for one in objects)])
    seen = [one for one in objects if len(one.overlaps)]
    return SingleObjectScores(
        AO=_mean(confined),
        SR50=_mean(confined > 0.5),
        SR75=_mean(confined > 0.75),
        success=_mean([(one.overlaps[:, None] > _SUCCESS).mean() for one in seen]),
        precision=_mean([(one.errors <= _PRECISION).mean() for one in seen]),
        normalised_precision=_mean([(one.normalised <= _NORMALISED).mean() for one in seen]),
    )


def _mean(values: ArrayLike) -> float:
    array = np.asarray(values)
    return float(array.mean()) if len(array) else float("nan")


def boxes_at(truth: PoseTable, found: PoseTable) -> tuple[np.ndarray, np.ndarray]:
    """The predicted box (N, 4) of each annotated animal, NaN where there is none, and whether."""
    row_of = {
        key: row
        for row, key in enumerate(zip(found.frame.tolist(), found.tracks.tolist(), strict=True))
    }
    keys = zip(truth.frame.tolist(), truth.tracks.tolist(), strict=True)
    rows = np.array([row_of.get(key, -1) for key in keys], np.int64)
    return np.concatenate([found.boxes, np.full((1, 4), np.nan)])[rows], rows >= 0
