"""Animal-Pose: its own 20 keypoints, and the 17 that others map them to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.datasets import read_animal_pose, read_annotations
from aptv2.datasets.animal_pose import ANIMAL_POSE20, as_animal17
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17

Save = Callable[..., Path]
Document = dict[str, Any]


@pytest.fixture
def own() -> Document:
    """A dog in the second of two images, all keypoints but the tail's labelled."""
    keypoints = [[10.0 + keypoint, 2.0 * keypoint, 1] for keypoint in range(20)]
    keypoints[19] = [7, 7, 0]
    return {
        "images": {"12": "a.jpg", "5": "b.jpg"},
        "annotations": [
            {
                "image_id": 5,
                "category_id": 1,
                "bbox": [10, 20, 40, 80],
                "keypoints": keypoints,
                "num_keypoints": 20,
            }
        ],
        "categories": [{"id": 1, "name": "dog", "keypoints": [], "skeleton": [[0, 1]]}],
    }


def test_its_own_file(own: Document, save: Save) -> None:
    table = read_annotations(save(own, "keypoints.json"))
    assert table.skeleton is ANIMAL_POSE20
    assert table.frames.ids.tolist() == [12, 5]
    assert table.frame.tolist() == [1]
    assert table.boxes.tolist() == [[10, 20, 30, 60]]
    assert table.keypoints[0, 3].tolist() == [13, 6, 2]
    assert table.keypoints[0, 19, 2] == 0
    assert table.categories == {1: "dog"}


def test_skeleton_mirrors() -> None:
    names = ANIMAL_POSE20.names
    assert len(names) == 20
    mirrored = [names[twin].replace("right", "left") for twin in ANIMAL_POSE20.flip]
    assert mirrored == [name.replace("right", "left") for name in names]
    assert len(ANIMAL_POSE20.pairs) == 8
    ends = {keypoint for limb in ANIMAL_POSE20.limbs for keypoint in limb}
    assert ends == set(range(20))


def test_seventeen_of_twenty(own: Document, save: Save) -> None:
    keypoints = as_animal17(read_annotations(save(own))).keypoints[0]
    by_name = dict(zip(ANIMAL17.names, keypoints.tolist(), strict=True))
    assert by_name["left_shoulder"] == [15, 10, 2]  # the front elbow
    assert by_name["right_knee"] == [22, 24, 2]  # the back knee
    assert by_name["neck"] == [27.5, 35, 2]  # between throat and withers
    assert by_name["root_of_tail"][2] == 0


def test_mapped_copy_agrees_with_its_17_keypoints(shared: Path) -> None:
    path = shared / "data/animal_pose/val.json"
    mapped, twenty = read_annotations(path), read_animal_pose(path)
    assert twenty.keypoints.shape == (522, 20, 3)
    seventeen = as_animal17(twenty)
    np.testing.assert_array_equal(seventeen.keypoints[:, :, 2] > 0, mapped.keypoints[:, :, 2] > 0)
    # The file's own rounding: half a hundredth of a pixel.
    np.testing.assert_allclose(seventeen.keypoints, mapped.keypoints, atol=0.011)


def test_other_keypoints_are_not_mapped(document: Document, save: Save) -> None:
    with pytest.raises(ValueError, match="20 keypoints"):
        as_animal17(read_annotations(save(document)))


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("images/12", 5, '"images": the file name of image 12 is not text'),
        ("images/12", "../a.jpg", "image 12: '../a.jpg' leads out of the image folder"),
        ("images/x", "c.jpg", "\"images\": 'x' is not the number of an image"),
        ("images/005", "c.jpg", "a number is given to two images"),
        ("annotations/0/image_id", 9, '"image_id" is 9, which no image has'),
        ("annotations/0/category_id", 9, '"category_id" is 9, which no category has'),
        ("annotations/0/bbox", [40, 0, 10, 80], '"bbox" has a negative size'),
        ("annotations/0/keypoints", [[1, 2, 1]] * 17, '"keypoints" does not hold 20 keypoints'),
        ("annotations/0/keypoints/3", [1, 2], '"keypoints" holds a keypoint of not 3 numbers'),
        ("annotations/0/keypoints/3/0", float("nan"), '"keypoints" holds NaN'),
        ("annotations/0/keypoints", None, '"keypoints" is not a list of keypoints'),
        ("categories/0/name", None, '"name" is not text'),
    ],
)
def test_faults_are_named(own: Document, save: Save, where: str, value: Any, words: str) -> None:
    *parents, last = where.split("/")
    spot: Any = own
    for part in parents:
        spot = spot[int(part)] if isinstance(spot, list) else spot[part]
    spot[int(last) if isinstance(spot, list) else last] = value
    path = save(own)
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_copy_without_the_20(document: Document, save: Save) -> None:
    path = save(document)
    with pytest.raises(InputError, match='"keypoints_20" is missing'):
        read_animal_pose(path)
    assert "keypoints_20" not in json.loads(path.read_text())["annotations"][0]
