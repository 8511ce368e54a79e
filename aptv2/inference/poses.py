"""Poses of the animals in annotated images: boxes in, the same table with joints out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from aptv2 import crops
from aptv2.inference.images import read_image
from aptv2.models.pose import BATCH, PoseModel
from aptv2.tables import PoseTable


def predict_poses(model: PoseModel, table: PoseTable, flip: bool = False) -> PoseTable:
    """Joints of every animal of a table, from its box.

    Parameters
    ----------
    model
        The pose network.
    table
        Frames with images under `table.root`, and boxes.
    flip
        Average over the mirrored crops as well.

    Returns
    -------
    PoseTable
        The rows of `table` with the network's joints; an animal's score is the mean of its joint
        scores times its box's score where it has one.

    Raises
    ------
    InputError
        Where an image is missing or does not decode.
    """
    joints = np.zeros_like(table.joints)
    root = Path(table.root or ".")
    waiting: list[tuple[int, np.ndarray, np.ndarray]] = []
    order = np.argsort(table.frame, kind="stable")
    image, shown = np.empty((0, 0, 3), np.uint8), -1
    for position, row in enumerate(order):
        if table.frame[row] != shown:
            shown = table.frame[row]
            image = read_image(root / table.frames.names[shown])
        matrix = model.crop_matrices(table.boxes[row])
        waiting.append((row, matrix, crops.sample(image, matrix, model.input_size)))
        if len(waiting) == BATCH or position == len(order) - 1:
            rows, matrices, pixels = zip(*waiting, strict=True)
            found = model.joints(np.concatenate(pixels), flip)
            joints[list(rows)] = crops.transform(crops.invert(np.concatenate(matrices)), found)
            waiting = []
    scores = joints[:, :, 2].mean(axis=1)
    known = np.isfinite(table.scores)
    scores[known] *= table.scores[known]
    return replace(table, joints=joints, scores=scores)
