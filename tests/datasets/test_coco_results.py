from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.datasets import read_coco, read_coco_results
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17

Save = Callable[..., Path]


def detection(**fields: Any) -> dict[str, Any]:
    """A detection in image 7 of the `document` fixture."""
    keypoints = [value for keypoint in range(17) for value in (keypoint, 2 * keypoint, 0.5)]
    return {"image_id": 7, "category_id": 1, "keypoints": keypoints, "score": 0.75} | fields


def test_frames_of_the_ground_truth(document: dict[str, Any], save: Save) -> None:
    truth = read_coco(save(document))
    path = save([detection(), detection(image_id=3, bbox=[1, 2, 3, 4], area=7)], "results.json")
    table = read_coco_results(path, truth)
    assert table.frames is truth.frames
    assert table.frame.tolist() == [0, 1]
    assert table.categories == truth.categories
    assert table.scores.tolist() == [0.75, 0.75]
    assert table.keypoints[0, 2].tolist() == [2, 4, 0.5]
    assert np.isnan(table.boxes[0]).all()
    assert table.boxes[1].tolist() == [1, 2, 3, 4]
    assert np.isnan(table.areas[0])
    assert table.areas[1] == 7


def test_without_a_ground_truth_frames_are_the_ids_that_occur(save: Save) -> None:
    table = read_coco_results(save([detection(image_id=9), detection(image_id=4), detection()]))
    assert table.frames.ids.tolist() == [4, 7, 9]
    assert table.frame.tolist() == [2, 0, 1]
    assert table.species.tolist() == [1, 1, 1]
    assert table.skeleton is ANIMAL17


def test_other_numbers_of_keypoints(save: Save) -> None:
    table = read_coco_results(save([detection(keypoints=[1, 2, 1] * 5)]))
    assert table.keypoints.shape == (1, 5, 3)


def test_no_detection(document: dict[str, Any], save: Save) -> None:
    truth, path = read_coco(save(document)), save([], "results.json")
    assert len(read_coco_results(path, truth)) == 0
    assert len(read_coco_results(path).frames) == 0


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"image_id": 8}, '"image_id" is 8, which no image of the ground truth has'),
        ({"category_id": 2}, '"category_id" is 2, which no category of the ground truth has'),
        ({"score": None}, '"score" is not a number'),
        ({"score": float("nan")}, '"score" holds NaN'),
        ({"keypoints": [1, 2]}, '"keypoints" does not hold 51 numbers'),
        ({"keypoints": None}, '"keypoints" is not a list of numbers'),
        ({"bbox": [0, 0, -1, 1]}, '"bbox" has a negative size'),
    ],
)
def test_faults_are_named(
    document: dict[str, Any], save: Save, fields: dict[str, Any], words: str
) -> None:
    truth, path = read_coco(save(document)), save([detection(), detection(**fields)], "r.json")
    with pytest.raises(InputError) as caught:
        read_coco_results(path, truth)
    assert f"{path}: detection 1" in str(caught.value)
    assert words in str(caught.value)


def test_annotations_are_no_results(document: dict[str, Any], save: Save) -> None:
    with pytest.raises(InputError, match="not a list of detections"):
        read_coco_results(save(document))
