"""What detection learns from: annotated pictures, background, and what a teacher adds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from aptv2 import boxes as box_tools
from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.tables import Frames, PoseTable
from aptv2.testing.boxes import given_boxes
from aptv2.training.data.detection import BoxSource
from aptv2.training.data.pose import Images
from aptv2.training.recipes import Scenes
from aptv2.video.sources import images_in

SURE, FAINT = 0.5, 0.2  # a teacher's score from which a box is an animal, or may be one
APART = 0.3  # overlap with an annotated box up to which the teacher's is of another animal
WITHIN = 0.5  # share of the teacher's box inside of an annotated one: a part of that animal


def read_scenes(settings: Scenes, root: Path) -> PoseTable:
    """The table of a recipe's scenes; a folder of images alone is background.

    Raises
    ------
    InputError
        Where it cannot be read, or shows none of the animals that the recipe names.
    """
    path = root / settings.path
    if settings.background:
        files = images_in(path)
        if settings.held_out is not None:
            files = [f for n, f in enumerate(files, 1) if n % settings.held_out]
        if not files:
            raise InputError(f"{path}: holds no images for data.scenes.")
        frames = Frames.make(len(files), names=[file.name for file in files])
        return PoseTable.make(frames, [], root=path)
    table = read_annotations(path).with_keypoint_boxes()
    if settings.animals is None:
        return table
    known = table.categories.values()
    if unknown := sorted(set(settings.animals) - set(known)):
        raise InputError(
            f"data.scenes: no clip of {path} shows '{unknown[0]}'; known are "
            f"{', '.join(sorted(known))}."
        )
    wanted = [number for number, name in table.categories.items() if name in settings.animals]
    return table[np.isin(table.species, wanted)]


def box_source(table: PoseTable, images: Images, settings: Scenes, root: Path) -> BoxSource:
    """A table's pictures with the boxes that are wanted there, and those that may be.

    Raises
    ------
    InputError
        Where images or the teacher's file are missing or wrong.
    """
    source = BoxSource.from_table(table, images, settings.complete)
    if settings.teacher is None:
        return source
    found = given_boxes(root / settings.teacher, table)
    boxes, doubtful = [], []
    for frame, own in enumerate(source.boxes):
        rows = found.rows_of(frame)
        added, unsure = added_boxes(own, found.boxes[rows].astype(float), found.scores[rows])
        boxes.append(np.concatenate([own, added]))
        doubtful.append(unsure)
    return replace(source, boxes=boxes, doubtful=doubtful)


def added_boxes(
    own: np.ndarray, found: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of a teacher that annotators left out.

    Parameters
    ----------
    own
        float (N, 4): the annotated boxes.
    found, scores
        float (M, 4) and (M,): the teacher's boxes, and its scores from 0 to 1.

    Returns
    -------
    tuple of numpy.ndarray
        Boxes of surely other animals, and those that may be of another.
    """
    if not len(found):
        return np.empty((0, 4)), np.empty((0, 4))
    overlap = box_tools.iou(found, own).max(axis=1, initial=0)
    part = box_tools.coverage(found, own).max(axis=1, initial=0)
    group = box_tools.coverage(own, found).max(axis=0, initial=0)
    other = (overlap < APART) & (part < WITHIN) & (group < WITHIN)
    sure = other & (scores >= SURE)
    unsure = ~sure & (overlap < APART) & (part < WITHIN) & (scores >= FAINT)
    return found[sure], found[unsure]
