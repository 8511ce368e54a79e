"""Splits of releases and other folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from aptv2.datasets.read_split import read_split
from aptv2.datasets.splits import difficulty_of
from aptv2.errors import InputError
from aptv2.tables import PoseTable


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
