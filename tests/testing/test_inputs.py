"""What is tested on: splits of releases and other folders, and boxes from a detector."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.datasets.splits import difficulty_of
from aptv2.errors import InputError
from aptv2.tables import PoseTable
from aptv2.testing.inputs import annotated_boxes, given_boxes, read_split


def difficulties(table: PoseTable) -> set[str]:
    return set(difficulty_of(table)[table.frame].tolist())


@pytest.fixture
def other_layout(small_release: Path) -> Path:
    """The release as the official configurations read it."""
    for part in ("easy", "hard"):
        folder = small_release / f"annotations_{part}"
        folder.mkdir()
        for split in ("val", "test"):
            source = small_release / "annotations" / f"{split}_annotations_{part}.json"
            shutil.move(source, folder / f"{split}_annotations.json")
    shutil.rmtree(small_release / "annotations")
    return small_release


@pytest.mark.parametrize("layout", ["small_release", "other_layout"])
def test_a_release(layout: str, request: pytest.FixtureRequest) -> None:
    root = request.getfixturevalue(layout)
    whole, easy, hard = (read_split(root, "val", part) for part in ("all", "easy", "hard"))
    assert difficulties(easy) == {"easy"}
    assert difficulties(hard) == {"hard"}
    assert 0 < len(easy) < len(hard)
    assert sorted([*easy.ids, *hard.ids]) == sorted(whole.ids)
    assert whole.root == root / "data"
    assert set(read_split(root, "test").ids) != set(whole.ids)


def test_parts_go_by_folder_where_they_have_no_file(small_release: Path) -> None:
    easy = read_split(small_release, "val", "easy")
    (small_release / "annotations" / "val_annotations_easy.json").unlink()
    assert set(read_split(small_release, "val", "easy").ids) == set(easy.ids)


def test_a_file_and_a_folder_of_another_data_set(shared: Path) -> None:
    folder = shared / "data/animal_pose"
    assert len(read_split(folder / "val.json")) == len(read_split(folder, "val")) == 522
    with pytest.raises(InputError, match="animal_pose holds no annotations of test"):
        read_split(folder, "test")
    with pytest.raises(InputError, match='has no folders "easy" and "hard"'):
        read_split(folder, "val", "easy")


def test_what_is_not_there(small_release: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        read_split(tmp_path / "nowhere")
    with pytest.raises(InputError, match="there is no split 'vall'"):
        read_split(small_release, "vall")  # type: ignore[arg-type]
    for file in (small_release / "annotations").glob("test*.json"):
        file.unlink()
    with pytest.raises(InputError, match=r"holds no annotations of test \(.*val_annotations.*\)"):
        read_split(small_release, "test")


def test_without_images(small_release: Path) -> None:
    shutil.rmtree(small_release / "data")
    with pytest.raises(InputError, match="the images that its annotations name are not there"):
        read_split(small_release, "val")


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
