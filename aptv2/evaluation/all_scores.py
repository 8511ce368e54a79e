"""Every score that two tables, or files, allow: what `aptv2 score` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from aptv2 import boxes as box_tools
from aptv2.datasets.got10k_results import is_got10k_results, read_got10k_results
from aptv2.errors import InputError
from aptv2.evaluation.keypoints import score_keypoints
from aptv2.evaluation.pairing import Source, pair
from aptv2.evaluation.pose_tracking import score_pose_tracking
from aptv2.evaluation.single_object import boxes_at, score_followed
from aptv2.evaluation.tracking import score_tracking
from aptv2.tables import PoseTable

_GIVEN = 0.99  # overlap of a first box with the annotated one: the tracker was given it


def score_all(
    ground_truth: Source,
    predictions: Source,
    rescore: bool = False,
    oks_nms: bool | Literal["soft"] = False,
) -> dict[str, dict[str, Any]]:
    """Score predictions in every way that both sides hold enough for.

    Parameters
    ----------
    ground_truth
        A table, or what :func:`aptv2.read_annotations` reads.
    predictions
        The same, or a folder of GOT-10k results.
    rescore, oks_nms
        As in :func:`aptv2.score_keypoints`.

    Returns
    -------
    dict
        `keypoints` (:func:`aptv2.score_keypoints`) where both have keypoints; `tracking`
        (:func:`aptv2.score_tracking`) where both have boxes and track numbers, and
        `pose_tracking` (:func:`score_pose_tracking`) where they have keypoints as well;
        `single_object` (:func:`score_followed`) where the predictions were given the first boxes:
        every track of theirs is one of the ground truth and begins on its box. GOT-10k results
        have this last one alone.

    Raises
    ------
    InputError
        Where a file is wrong, or the two have neither keypoints nor tracks in common.
    """
    if not isinstance(predictions, PoseTable) and is_got10k_results(Path(predictions)):
        truth, _ = pair(ground_truth, ground_truth)
        found = read_got10k_results(predictions, truth)
        return {"single_object": score_followed(truth, found)}
    truth, found = pair(ground_truth, predictions)
    scores: dict[str, dict[str, Any]] = {}
    keypoints = bool((truth.num_keypoints > 0).any())
    posed = keypoints and bool((found.num_keypoints > 0).any() or not _tracked(found))
    if posed:
        scores["keypoints"] = score_keypoints(truth, found, rescore, oks_nms)
    if _tracked(truth) and _tracked(found):
        scores["tracking"] = score_tracking(truth, found)
        if posed:
            scores["pose_tracking"] = score_pose_tracking(truth, found)
        if _from_first_boxes(truth, found):
            scores["single_object"] = score_followed(truth, found)
    if not scores:
        raise InputError(
            "The ground truth and the predictions have neither keypoints nor boxes with track "
            "numbers in common; give files with the same of these."
        )
    return scores


def _tracked(table: PoseTable) -> bool:
    """Whether all animals, of which there are some, have a box and a track number."""
    known = (table.tracks != -1).all() and not np.isnan(table.boxes).any()
    return bool(len(table) and known)


def _from_first_boxes(truth: PoseTable, found: PoseTable) -> bool:
    """Whether every predicted track begins on the first box of the same track."""
    clips, indices = found.frames.clips[found.frame], found.frames.indices[found.frame]
    order = np.lexsort((indices, found.tracks, clips))
    keys = np.stack([clips, found.tracks])[:, order]
    firsts = order[np.append(True, (np.diff(keys, axis=1) != 0).any(axis=0))]
    boxes, _ = boxes_at(found[firsts], truth)
    return bool((box_tools.paired_iou(found.boxes[firsts], boxes) > _GIVEN).all())
