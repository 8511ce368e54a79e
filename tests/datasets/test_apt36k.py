"""APT-36K: absolute Windows paths, folders whose names were read in the wrong encoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aptv2.datasets import read_annotations
from aptv2.errors import InputError

Save = Callable[..., Path]
Document = dict[str, Any]


@pytest.fixture
def apt36k(document: Document) -> Document:
    """The `document` as APT-36K writes it."""
    document["license"] = []
    for image, clip in zip(document["images"], ("v2c21太多", "clip46√"), strict=True):
        image |= {"file_name": f"D:\\tracking\\data\\cat\\{clip}\\0001.jpg", "video_id": 3}
    for animal in document["annotations"]:
        animal["is_crowd"] = animal.pop("iscrowd")
    return document


def test_paths_and_keys(apt36k: Document, save: Save) -> None:
    table = read_annotations(save(apt36k))
    assert table.frames.names.tolist() == ["cat/v2c21太多/0001.jpg", "cat/clip46√/0001.jpg"]
    assert table.crowd.tolist() == [False, True]
    assert table.root is None


@pytest.mark.parametrize("unpacked", ["cp866", "cp437", "gbk"])
def test_folders_are_found_as_they_were_unpacked(
    apt36k: Document, save: Save, unpacked: str
) -> None:
    apt36k["images"].append(
        {"id": 4, "file_name": "D:\\tracking\\data\\cat\\plain\\0001.jpg", "video_id": 4}
    )
    path = save(apt36k, "annotations/apt36k_annotations.json")
    images = path.parent.parent / "images"
    for clip in ("v2c21太多", "clip46√", "plain"):
        folder = images / "cat" / clip.encode("gbk").decode(unpacked)
        folder.mkdir(parents=True)
        (folder / "0001.jpg").touch()
    table = read_annotations(path)
    assert table.root == images
    assert all((images / name).is_file() for name in table.frames.names)


def test_a_path_that_climbs_out(apt36k: Document, save: Save) -> None:
    apt36k["images"][1]["file_name"] = "D:\\data\\..\\..\\passwd"
    with pytest.raises(InputError, match=r'image 1 \(id 3\): "file_name" .* leads out'):
        read_annotations(save(apt36k))
