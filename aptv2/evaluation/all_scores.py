"""Every score that two tables allow: what `aptv2 score` prints."""

from __future__ import annotations

from typing import Literal

import numpy as np

from aptv2 import boxes as box_tools
from aptv2.errors import InputError
from aptv2.evaluation.keypoints import score_keypoints
from aptv2.evaluation.pairing import over_frames_of
from aptv2.evaluation.pose_tracking import score_pose_tracking
from aptv2.evaluation.results import AllScores
from aptv2.evaluation.single_object import boxes_at, score_followed
from aptv2.evaluation.tracking import score_tracking
from aptv2.tables import PoseTable

_GIVEN = 0.99  # overlap of a first box with the annotated one: the tracker was given it


def score_all(
    truth: PoseTable,
    found: PoseTable,
    rescore: bool = False,
    oks_nms: bool | Literal["soft"] = False,
) -> AllScores:
    """Score predictions in every way that both sides hold enough for.

    Parameters
    ----------
    truth, found
        Annotated and predicted animals.
    rescore, oks_nms
        As in :func:`aptv2.score_keypoints`.

    Returns
    -------
    AllScores
        Of followed animals where the predictions were given the first boxes: every track of theirs
        is one of the ground truth and begins on its box.

    Raises
    ------
    InputError
        If the two have neither keypoints nor tracks in common.
    """
    found = over_frames_of(truth, found)
    keypoints = bool((truth.num_keypoints > 0).any())
    posed = keypoints and bool((found.num_keypoints > 0).any() or not _tracked(found))
    tracked = _tracked(truth) and _tracked(found)
    if not (posed or tracked):
        raise InputError(
            "The ground truth and the predictions have neither keypoints nor boxes with track "
            "numbers in common; give files with the same of these."
        )
    given = tracked and _from_first_boxes(truth, found)
    return AllScores(
        keypoints=score_keypoints(truth, found, rescore, oks_nms) if posed else None,
        tracking=score_tracking(truth, found) if tracked else None,
        pose_tracking=score_pose_tracking(truth, found) if posed and tracked else None,
        single_object=score_followed(truth, found) if given else None,
    )


def _tracked(table: PoseTable) -> bool:
    """Whether all animals, of which there are some, have a box and a track number."""
    known = (table.tracks != -1).all() and not np.isnan(table.boxes).any()
    return bool(len(table) and known)


def _from_first_boxes(truth: PoseTable, found: PoseTable) -> bool:
    """Whether every predicted track begins on the first box of the same track."""
    clips, indices = found.frames.clips[found.frame], found.frames.indices[found.frame]
    order = np.lexsort((indices, found.tracks, clips))
    keys = np.stack([clips, found.tracks])[:, order]
    first_rows = order[np.append(True, (np.diff(keys, axis=1) != 0).any(axis=0))]
    boxes, _ = boxes_at(found[first_rows], truth)
    return bool((box_tools.paired_iou(found.boxes[first_rows], boxes) > _GIVEN).all())
