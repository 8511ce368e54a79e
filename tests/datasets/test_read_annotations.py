from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aptv2.datasets import read_annotations
from aptv2.errors import InputError

Save = Callable[..., Path]


def test_files_are_known_by_content_not_by_name(document: dict[str, Any], save: Save) -> None:
    annotations = read_annotations(save(document, "results.txt"))
    assert annotations.ids.tolist() == [11, 12]
    result = {"image_id": 1, "category_id": 1, "keypoints": [0] * 51, "score": 1}
    assert read_annotations(save([result], "annotations")).scores.tolist() == [1]


def test_a_clip_folder(tmp_path: Path) -> None:
    (tmp_path / "0001.png").touch()
    (tmp_path / "groundtruth.txt").write_text("1,2,3,4")
    assert read_annotations(str(tmp_path)).boxes.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("content", [{}, {"images": []}, 5, None, "text"])
def test_unknown_content(save: Save, content: Any) -> None:
    path = save(content)
    with pytest.raises(InputError, match=r"of no known format; give one of: .*COCO keypoint") as e:
        read_annotations(path)
    assert str(path) in str(e.value)


def test_a_folder_with_one_annotation_file(document: dict[str, Any], save: Save) -> None:
    path = save(document, "set/annotations/all.json")
    assert len(read_annotations(path.parent.parent)) == 2
    assert len(read_annotations(path.parent)) == 2
    save(document, "set/annotations/more.json")
    with pytest.raises(InputError, match=r"holds 2 annotation files; give one: annotations/all"):
        read_annotations(path.parent.parent)


def test_an_archive(tmp_path: Path) -> None:
    (tmp_path / "task.zip").write_bytes(b"PK\x03\x04rest")
    with pytest.raises(InputError, match=r"task\.zip is a ZIP archive; unpack it"):
        read_annotations(tmp_path / "task.zip")


def test_unknown_folder_and_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="of no known format"):
        read_annotations(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_annotations(tmp_path / "nothing.json")
