"""Boxes that poses are predicted in: the annotated ones, or a detector's."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np

from aptv2.datasets.records import Records, load_json
from aptv2.datasets.splits import clips_of
from aptv2.errors import InputError
from aptv2.tables import PoseTable


def given_boxes(path: str | Path, truth: PoseTable) -> PoseTable:
    """Boxes of a detector as a table without keypoints, over the frames of the ground truth.

    Parameters
    ----------
    path
        COCO results: `image_id`, `category_id`, `bbox`, `score` a detection.
    truth
        The animals that are tested on. As a split of APTv2 lists the images of all splits, boxes
        in clips that show none of these animals are left out.

    Raises
    ------
    InputError
        Where the file is wrong, or has no box in these clips.
    """
    path = Path(path)
    detections = Records(path, "detection", load_json(path))
    if unknown := set(detections.integers("image_id").tolist()) - set(truth.frames.ids.tolist()):
        raise InputError(
            f"{path}: image id {min(unknown)} is not in the annotations; give boxes for the same "
            "images."
        )
    boxes = detections.rows("bbox", 4)
    detections.refuse_negative("bbox", boxes[:, 2:])
    known = np.array(sorted(truth.categories), np.int64)
    detections.lookup("category_id", known, "category of the ground truth")
    table = PoseTable.make(
        truth.frames,
        detections.lookup("image_id", truth.frames.ids, "image of the ground truth"),
        boxes=boxes,
        scores=detections.floats("score"),
        species=detections.integers("category_id"),
        tracks=detections.integers("track_id", -1),
        keypoints=np.zeros((len(boxes), len(truth.skeleton), 3)),
        skeleton=truth.skeleton,
        categories=truth.categories,
        root=truth.root,
    )
    clips = clips_of(truth)
    inside = np.isin(clips[table.frame], clips[truth.frame]) & (table.boxes[:, 2:] > 0).all(axis=1)
    if not inside.any():
        raise InputError(f"{path}: no box is in a clip of the animals that are tested on.")
    if not inside.all():
        warnings.warn(
            f"{path}: {np.count_nonzero(~inside)} boxes are left out: they are in other clips, or "
            "have no area.",
            stacklevel=2,
        )
    return table[inside]


def annotated_boxes(truth: PoseTable) -> PoseTable:
    """The boxes of the animals that the reference predicts: those with keypoints, and no crowds.

    An animal without a box gets one around its keypoints.
    """
    table = truth.with_keypoint_boxes()
    usable = (table.num_keypoints > 0) & ~table.crowd & (table.boxes[:, 2:] > 0).all(axis=1)
    blank = replace(
        table,
        keypoints=np.zeros_like(table.keypoints),
        scores=np.full(len(table), math.nan, np.float32),
        crowd=np.zeros(len(table), bool),
    )
    return blank[usable]
