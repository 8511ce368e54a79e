"""A release of APTv2, in both layouts."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aptv2.datasets import annotation_files, read_annotations, read_aptv2
from aptv2.errors import InputError

Save = Callable[..., Path]
Document = dict[str, Any]


@pytest.fixture
def splits(document: Document) -> dict[str, Document]:
    """The two animals of `document` as one split each; both list all images."""
    first, second = copy.deepcopy(document), copy.deepcopy(document)
    del first["annotations"][1], second["annotations"][0]
    return {"train": first, "val": second}


def test_files_by_split(save: Save, tmp_path: Path) -> None:
    for name in (
        "annotations/train_annotations.json",
        "annotations/val_annotations.json",
        "annotations/val_annotations_easy.json",
        "annotations/tracking/val_annotations_hard.json",
        "annotations/leaveoneout_train70/Canidae.json",
        "annotations/fewshot/20_shot.json",
        "annotations/notes.txt",
        "annotations_easy/train_annotations.json",
        "annotations_easy/val_annotations.json",
        "elsewhere/test_annotations.json",
    ):
        save({}, name)
    files = annotation_files(tmp_path)
    assert list(files) == [
        *("train", "val", "train_easy", "val_easy"),
        *("fewshot/20_shot", "leaveoneout_train70/Canidae", "tracking/val_hard"),
    ]
    assert files["val_easy"] == tmp_path / "annotations/val_annotations_easy.json"
    assert files["train_easy"] == tmp_path / "annotations_easy/train_annotations.json"
    assert annotation_files(tmp_path / "elsewhere") == {}


def test_a_whole_release(splits: dict[str, Document], save: Save, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    splits["val"]["images"].append({"id": 1, "file_name": "c.jpg"})
    splits["val"]["annotations"][0]["image_id"] = 1
    for name, document in splits.items():
        save(document, f"annotations/{name}_annotations.json")
    table = read_annotations(tmp_path)
    assert table.frames.ids.tolist() == [1, 3, 7]
    assert table.frames.names.tolist() == ["c.jpg", "a.jpg", "b.jpg"]
    assert table.frame.tolist() == [2, 0]
    assert table.ids.tolist() == [11, 12]
    assert table.categories == {1: "dog", 5: "cat"}
    assert table.root == tmp_path / "data"


def test_the_layout_of_the_official_configurations(
    splits: dict[str, Document], save: Save, tmp_path: Path
) -> None:
    splits["val"]["annotations"][0]["id"] = 11
    save(splits["train"], "annotations_easy/train_annotations.json")
    save(splits["val"], "annotations_hard/train_annotations.json")
    table = read_aptv2(tmp_path)
    assert len(table.frames) == 2
    assert table.species.tolist() == [1, 5]
    assert table.ids.tolist() == [1, 2]


def test_an_easy_part_beside_its_split_is_not_read_twice(
    splits: dict[str, Document], save: Save, tmp_path: Path
) -> None:
    for name in ("val_annotations", "val_annotations_easy"):
        save(splits["val"], f"annotations/{name}.json")
    assert len(read_aptv2(tmp_path)) == 1


@pytest.mark.parametrize(
    ("spot", "key", "value", "words"),
    [
        ("images", "file_name", "z.jpg", "image 7: \"file_name\" is 'z.jpg', but 'b.jpg' in"),
        ("categories", "name", "wolf", "category 1: \"name\" is 'wolf', but 'dog' in another"),
        ("categories", "keypoints", ["a"] * 17, "keypoint names repeat"),
    ],
)
def test_splits_that_contradict(
    splits: dict[str, Document],
    save: Save,
    tmp_path: Path,
    spot: str,
    key: str,
    value: Any,
    words: str,
) -> None:
    splits["val"][spot][0][key] = value
    for name, document in splits.items():
        save(document, f"annotations/{name}_annotations.json")
    with pytest.raises(InputError) as caught:
        read_aptv2(tmp_path)
    assert words in str(caught.value)
    assert "val_annotations.json" in str(caught.value)


def test_no_release(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no annotations/train_annotations\.json"):
        read_aptv2(tmp_path)


def test_davis_in_aptv2s_layout(shared: Path) -> None:
    table = read_annotations(shared / "data/davis/apt_layout")
    assert (len(table), len(table.frames)) == (194, 194)
    assert table.root == shared / "data/davis/apt_layout/data"
