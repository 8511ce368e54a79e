from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aptv2.datasets import read_annotations, read_lasot
from aptv2.errors import InputError

MakeClip = Callable[..., Path]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Makes a clip folder of four (empty) images and label files."""

    def make(
        name: str = "zebra/zebra-10",
        boxes: str = "1,2,3,4\n2,2,3,4\n3,2,3,4\n0,0,0,0\n",
        hidden: str = "0,1,0,0",
        away: str = "0,0,0,1\n",
    ) -> Path:
        folder = tmp_path / name
        (folder / "img").mkdir(parents=True)
        for number in (1, 2, 9, 10):
            (folder / f"img/{number}.jpg").touch()
        (folder / "groundtruth.txt").write_text(boxes)
        (folder / "full_occlusion.txt").write_text(hidden)
        (folder / "out_of_view.txt").write_text(away)
        (folder / "nlp.txt").write_text("a striped animal")
        return folder

    return make


def test_one_clip(make_clip: MakeClip) -> None:
    table = read_annotations(make_clip())
    assert table.frames.names.tolist() == ["img/1.jpg", "img/2.jpg", "img/9.jpg", "img/10.jpg"]
    assert table.frame.tolist() == [0, 2]
    assert table.boxes.tolist() == [[1, 2, 3, 4], [3, 2, 3, 4]]
    assert table.categories == {1: "zebra"}


@pytest.mark.parametrize("name", ["set/zebra/zebra-10", "set/zebra-10"])
def test_the_whole_set(make_clip: MakeClip, tmp_path: Path, name: str) -> None:
    make_clip(name)
    make_clip(str(Path(name).with_name("zebra-9")))
    table = read_annotations(tmp_path / "set")
    inner = Path(name).parent.relative_to("set").as_posix().removeprefix(".")
    assert table.frames.names[0] == f"{inner}/zebra-9/img/1.jpg".removeprefix("/")
    assert table.frames.clips.tolist() == [1] * 4 + [2] * 4
    assert table.root == tmp_path / "set"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"boxes": "1,2,3,4\n" * 3}, "groundtruth.txt: lines 3, images 4"),
        ({"boxes": "1,2,3\n" * 4}, "groundtruth.txt: line 1 does not hold 4 finite numbers"),
        ({"boxes": "1,2,3,4\n" * 3 + "1,2,3,inf"}, "groundtruth.txt: line 4 does not hold 4"),
        ({"hidden": "0,0,0"}, "full_occlusion.txt: entries 3, images 4"),
        ({"away": "0,0,no,0"}, "out_of_view.txt: entry 3 is not a finite number"),
    ],
)
def test_faults_are_named(make_clip: MakeClip, files: dict[str, str], words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_lasot(make_clip(**files))
    assert words in str(caught.value)


def test_no_clip(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no clip folders with groundtruth\.txt and img/"):
        read_lasot(tmp_path)
