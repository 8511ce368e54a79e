"""Predictions brought together with the ground truth they belong to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aptv2.errors import InputError
from aptv2.species import canonical
from aptv2.tables import PoseTable


def over_frames_of(truth: PoseTable, found: PoseTable, name: str = "The predictions") -> PoseTable:
    """Predictions over the ground truth's frames, which they find by image id.

    Parameters
    ----------
    truth, found
        Annotated and predicted animals.
    name
        What messages call the predictions: their file.

    Raises
    ------
    InputError
        If the predictions have other keypoints or unknown image ids.
    """
    if len(found.skeleton) != len(truth.skeleton):
        raise InputError(
            f"{name}: {len(found.skeleton)} keypoints an animal, but the ground truth has "
            f"{len(truth.skeleton)}; give files of the same keypoints."
        )
    if found.frames is truth.frames:
        return found
    row_of = {image: row for row, image in enumerate(truth.frames.ids.tolist())}
    images = found.frames.ids[found.frame].tolist()
    unknown = next((image for image in images if image not in row_of), None)
    if unknown is not None:
        raise InputError(
            f"{name}: image id {unknown} is not in the ground truth; "
            "give files that belong together."
        )
    rows = np.array([row_of[image] for image in images], np.int64)
    return replace(found, frames=truth.frames, frame=rows)


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
