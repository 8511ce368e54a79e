"""Poses of the animals in annotated images: boxes in, the same table with keypoints out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from aptv2 import crops
from aptv2.images import read_image
from aptv2.models.pose.base import BATCH, PoseModel
from aptv2.tables import PoseTable
from aptv2.threads import usable_cpus

_AHEAD = 32  # frames that are read while the network works

_Crops = tuple[np.ndarray, np.ndarray, np.ndarray]


def predict_poses(model: PoseModel, table: PoseTable, flip: bool = False) -> PoseTable:
    """Keypoints of every animal of a table, from its box.

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
        The rows of `table` with the network's keypoints. An animal's score is the mean of its
        keypoint scores times its box's score where it has one, its area that of the crop: the
        padded box with the network's aspect ratio, in pixels of the frame.

    Raises
    ------
    InputError
        Where an image is missing or does not decode.
    """
    keypoints = np.zeros_like(table.keypoints)
    matrices = np.zeros((len(table), 2, 3))
    for rows, pixels, to_crops in _batches(model, table):
        found = model.keypoints(pixels, flip)
        keypoints[rows] = crops.transform(crops.invert(to_crops), found)
        matrices[rows] = to_crops
    scores = keypoints[:, :, 2].mean(axis=1)
    known = np.isfinite(table.scores)
    scores[known] *= table.scores[known]
    height, width = (side - model.codec.udp for side in model.input_size)
    areas = (height * width / np.linalg.det(matrices[:, :, :2])).astype(np.float32)
    return replace(table, keypoints=keypoints, scores=scores, areas=areas)


def _batches(model: PoseModel, table: PoseTable) -> Iterator[_Crops]:
    """Rows, crops and transforms of up to `BATCH` animals at a time, frame by frame."""
    waiting: list[_Crops] = []
    count = 0
    for part in _frames(model, table):
        while len(part[0]):
            room = BATCH - count
            waiting.append((part[0][:room], part[1][:room], part[2][:room]))
            part = part[0][room:], part[1][room:], part[2][room:]
            count += len(waiting[-1][0])
            if count == BATCH:
                yield _joined(waiting)
                waiting, count = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[_Crops]) -> _Crops:
    rows, pixels, matrices = zip(*parts, strict=True)
    return np.concatenate(rows), np.concatenate(pixels), np.concatenate(matrices)


def _frames(model: PoseModel, table: PoseTable) -> Iterator[_Crops]:
    """Rows, crops and transforms of one frame after the other, read ahead by threads."""
    root = Path(table.root or ".")
    order = np.argsort(table.frame, kind="stable")
    frames = np.split(order, np.flatnonzero(np.diff(table.frame[order])) + 1) if len(order) else []

    def cut(rows: np.ndarray) -> _Crops:
        image = read_image(root / table.frames.names[table.frame[rows[0]]])
        return rows, *model.crop(image, table.boxes[rows])

    with ThreadPoolExecutor(min(8, usable_cpus())) as pool:
        ahead: deque[Future[_Crops]] = deque()
        try:
            for rows in frames:
                ahead.append(pool.submit(cut, rows))
                if len(ahead) == _AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
