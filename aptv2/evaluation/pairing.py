"""Predictions brought together with the ground truth they belong to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.species import canonical
from aptv2.tables import PoseTable

Source = PoseTable | str | Path


def pair(ground_truth: Source, predictions: Source) -> tuple[PoseTable, PoseTable]:
    """Both as tables over the ground truth's frames; predictions find theirs by image id.

    Raises
    ------
    InputError
        Where a file is wrong, or the predictions have other keypoints or unknown image ids.
    """
    truth, found = _table(ground_truth), _table(predictions)
    name = "The predictions" if isinstance(predictions, PoseTable) else str(predictions)
    if len(found.skeleton) != len(truth.skeleton):
        raise InputError(
            f"{name}: {len(found.skeleton)} keypoints an animal, but the ground truth has "
            f"{len(truth.skeleton)}; give files of the same keypoints."
        )
    row_of = {image: row for row, image in enumerate(truth.frames.ids.tolist())}
    images = found.frames.ids[found.frame].tolist()
    unknown = next((image for image in images if image not in row_of), None)
    if unknown is not None:
        raise InputError(
            f"{name}: image id {unknown} is not in the ground truth; "
            "give files that belong together."
        )
    rows = np.array([row_of[image] for image in images], np.int64)
    return truth, replace(found, frames=truth.frames, frame=rows)


def species_of(predictions: PoseTable, truth: PoseTable) -> np.ndarray:
    """int64 (N,): the predictions' species as the ground truth numbers them; -1: it has none such.

    Species are the same by name where the predictions bring names, by number otherwise.
    """
    if not (predictions.categories and truth.categories):
        return predictions.species
    by_name = {canonical(name): key for key, name in truth.categories.items()}
    translate = {
        key: by_name.get(canonical(name), -1) for key, name in predictions.categories.items()
    }
    return np.array([translate.get(key, -1) for key in predictions.species.tolist()], np.int64)


def _table(source: Source) -> PoseTable:
    return source if isinstance(source, PoseTable) else read_annotations(source)
