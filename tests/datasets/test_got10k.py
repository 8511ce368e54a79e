from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aptv2.datasets import read_annotations, read_got10k
from aptv2.errors import InputError

MakeClip = Callable[..., Path]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Makes a clip folder of (empty) images and label files; None leaves a file out."""

    def make(
        name: str = "run",
        images: int = 4,
        boxes: str | None = "1,2,3,4\n2,2,3,4\n3,2,3,4\n4.5,2,3,4\n",
        absence: str | None = "0\n0\n0\n0\n",
        cover: str | None = "8\n8\n8\n8\n",
        meta: str | None = "[METAINFO]\nobject_class: deer\nresolution: (640, 360)\n",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for number in range(1, images + 1):
            (folder / f"{number}.jpg").touch()
        files = {
            "groundtruth.txt": boxes,
            "absence.label": absence,
            "cover.label": cover,
            "meta_info.ini": meta,
        }
        for file, text in files.items():
            if text is not None:
                (folder / file).write_text(text)
        return folder

    return make


def test_one_clip(make_clip: MakeClip) -> None:
    folder = make_clip()
    table = read_got10k(folder)
    assert table.root == folder
    assert table.frames.names.tolist() == ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert table.frames.indices.tolist() == [0, 1, 2, 3]
    assert table.frames.sizes.tolist() == [[640, 360]] * 4
    assert table.boxes[3].tolist() == [4.5, 2, 3, 4]
    assert table.tracks.tolist() == [1] * 4
    assert table.categories == {1: "deer"}
    assert not table.keypoints.any()


def test_a_folder_of_clips(make_clip: MakeClip) -> None:
    make_clip("set/b", meta="[METAINFO]\nobject_class: fox\n")
    folder = make_clip("set/a", images=12, boxes="1,2,3,4\n" * 12, absence=None, cover=None).parent
    (folder / "list.txt").write_text("a\nb\n")
    table = read_got10k(folder)
    assert table.frames.clips.tolist() == [1] * 12 + [2] * 4
    assert table.frames.indices.tolist() == [*range(12), *range(4)]
    assert table.frames.names[9:13].tolist() == ["a/10.jpg", "a/11.jpg", "a/12.jpg", "b/1.jpg"]
    assert table.categories == {1: "deer", 2: "fox"}
    assert table.species.tolist() == [1] * 12 + [2] * 4
    assert table.frames.sizes[-1].tolist() == [0, 0]


def test_a_missing_absence_label_is_told_once(make_clip: MakeClip, tmp_path: Path) -> None:
    for name in "abc":
        make_clip(f"set/{name}", absence="0\n" * 4 if name == "a" else None)
    with pytest.warns(UserWarning, match=r"set/b has no absence\.label \(2 of 3 clips") as reported:
        table = read_got10k(tmp_path / "set")
    assert len(reported) == 1
    assert len(table) == 12


def test_the_whole_data_set(make_clip: MakeClip, tmp_path: Path) -> None:
    for name in ("set/val/a", "set/train/b", "set/train/a"):
        make_clip(name, images=1, boxes="1,2,3,4\n", absence="0\n", cover="8\n")
    table = read_annotations(tmp_path / "set")
    assert table.frames.names.tolist() == ["train/a/1.jpg", "train/b/1.jpg", "val/a/1.jpg"]
    assert table.frames.clips.tolist() == [1, 2, 3]


def test_frames_without_the_object_have_no_row(make_clip: MakeClip) -> None:
    folder = make_clip(
        boxes="1,2,3,4\n2,2,3,4\n3,2,3,4\n0,0,0,0\n", absence="0\n1\n0\n0\n", cover="8\n8\n0\n1\n"
    )
    table = read_got10k(folder)
    assert len(table.frames) == 4
    assert table.frame.tolist() == [0]


def test_the_first_box_alone(make_clip: MakeClip) -> None:
    table = read_got10k(make_clip(boxes="1\t2\t3\t4"))
    assert (len(table.frames), table.frame.tolist()) == (4, [0])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"boxes": "1,2,3,4\n1,2,3,4\n"}, "groundtruth.txt: lines 2, images 4"),
        ({"boxes": ""}, "groundtruth.txt: lines 0, images 4"),
        ({"boxes": "1,2,3,4\n1,2,3\n"}, "groundtruth.txt: line 2 does not hold 4 finite numbers"),
        ({"boxes": "1,2,3,4\n\n1,2,3,4\n"}, "groundtruth.txt: line 2 does not hold 4"),
        ({"boxes": "1,2,3,x\n"}, "groundtruth.txt: line 1 does not hold 4 finite numbers"),
        ({"boxes": "1,2,3,nan\n"}, "groundtruth.txt: line 1 does not hold 4 finite numbers"),
        ({"boxes": "1,2,3,-4\n"}, "groundtruth.txt: line 1 has a negative size"),
        ({"absence": "0\n"}, "absence.label: entries 1, images 4"),
        ({"cover": "8\n8\nfull\n8\n"}, "cover.label: entry 3 is not a finite number"),
        ({"meta": "resolution: (640, 360)\n"}, "meta_info.ini is not a valid INI file"),
        (
            {"meta": "[METAINFO]\nresolution: wide\n"},
            "\"resolution\" is 'wide', not (width, height)",
        ),
        ({"images": 0}, "holds no numbered .jpg or .png images"),
    ],
)
def test_faults_are_named(make_clip: MakeClip, files: dict[str, str], words: str) -> None:
    folder = make_clip(**files)
    with pytest.raises(InputError) as caught:
        read_got10k(folder)
    assert words in str(caught.value)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_binary_label_file(make_clip: MakeClip) -> None:
    folder = make_clip()
    (folder / "cover.label").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"cover\.label is not a text file"):
        read_got10k(folder)


def test_no_clip(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no groundtruth\.txt"):
        read_got10k(tmp_path)
    with pytest.raises(InputError, match=r"holds no groundtruth\.txt"):
        read_got10k(tmp_path / "nothing")


def test_davis(shared: Path) -> None:
    table = read_got10k(shared / "data/davis/got10k_layout/val")
    assert np.bincount(table.frames.clips).tolist() == [0, 90, 104]
    assert len(table) == 194
    assert table.boxes[0].tolist() == pytest.approx([195.60, 63.75, 335.74, 258.75])
    assert table.root is not None
    assert (table.root / table.frames.names[-1]).is_file()
