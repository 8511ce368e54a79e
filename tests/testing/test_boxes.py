"""Boxes that poses are predicted in: annotated ones, and those of a detector."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.datasets.read_split import read_split
from aptv2.errors import InputError
from aptv2.tables import PoseTable
from aptv2.testing.boxes import annotated_boxes, given_boxes


@pytest.fixture
def truth(small_release: Path) -> PoseTable:
    return read_split(small_release, "val")


def detection(truth: PoseTable, row: int, **changes: Any) -> dict[str, Any]:
    return {
        "image_id": int(truth.frames.ids[truth.frame[row]]),
        "category_id": int(truth.species[row]),
        "bbox": truth.boxes[row].tolist(),
        "score": 0.5,
        **changes,
    }


def test_boxes_of_a_detector(truth: PoseTable, tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    # A frame of another split, which the file lists too, and a box without area.
    elsewhere = next(
        i for i, c in enumerate(truth.frames.clips) if c not in set(truth.frames.clips[truth.frame])
    )
    path.write_text(
        json.dumps(
            [
                detection(truth, 0),
                detection(truth, 5, score=0.25),
                detection(truth, 0, image_id=int(truth.frames.ids[elsewhere])),
                detection(truth, 1, bbox=[1, 2, 0, 5]),
            ]
        )
    )
    with pytest.warns(UserWarning, match="2 boxes are left out"):
        table = given_boxes(path, truth)
    assert table.scores.tolist() == [0.5, 0.25]
    np.testing.assert_allclose(table.boxes, truth.boxes[[0, 5]])
    assert table.frame.tolist() == truth.frame[[0, 5]].tolist()
    assert table.root == truth.root


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (lambda truth: [detection(truth, 0, image_id=99999)], "image id 99999 is not in the anno"),
        (lambda truth: [detection(truth, 0, category_id=77)], "which no category of the ground"),
        (lambda truth: [{"image_id": int(truth.frames.ids[0])}], '"bbox" is missing'),
        (lambda truth: [detection(truth, 0, bbox=[1, 2, -3, 4])], "negative size"),
        (lambda truth: [detection(truth, 0, score=None)], '"score"'),
        (lambda truth: {"boxes": []}, "is missing or no list"),
        (lambda truth: [], "no box is in a clip of the animals"),
    ],
)
def test_wrong_boxes(
    content: Callable[[PoseTable], Any], problem: str, truth: PoseTable, tmp_path: Path
) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(content(truth)))
    with pytest.raises(InputError, match=problem) as error:
        given_boxes(path, truth)
    assert "boxes.json" in str(error.value)


def test_annotated_boxes_are_those_that_the_reference_takes(truth: PoseTable) -> None:
    truth.keypoints[0, :, 2] = 0
    truth.crowd[1] = True
    truth.boxes[2] = np.nan  # gets one around its keypoints
    truth.boxes[3, 2] = 0
    table = annotated_boxes(truth)
    assert table.ids.tolist() == truth.ids[[2, *range(4, len(truth))]].tolist()
    assert not table.keypoints.any()
    points = truth.keypoints[2][truth.keypoints[2, :, 2] > 0]
    low, high = table.boxes[0, :2], table.boxes[0, :2] + table.boxes[0, 2:]
    assert ((points[:, :2] >= low - 1e-3) & (points[:, :2] <= high + 1e-3)).all()
