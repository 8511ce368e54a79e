from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aptv2.datasets import read_annotations, read_trackingnet
from aptv2.errors import InputError

MakeClip = Callable[..., Path]


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Makes a clip in a chunk: labels, and as many (empty) images as asked for."""

    def make(chunk: str = "TRAIN_0", clip: str = "a_0", lines: str = "", images: int = 11) -> Path:
        folder = tmp_path / chunk
        (folder / "anno").mkdir(parents=True, exist_ok=True)
        (folder / "anno" / f"{clip}.txt").write_text(lines or "1.5,2,3,4\n" * 11)
        (folder / "frames").mkdir(exist_ok=True)
        if images:
            (folder / "frames" / clip).mkdir()
        for number in range(images):
            (folder / "frames" / clip / f"{number}.jpg").touch()
        return folder

    return make


def test_a_chunk_fetched_in_part(make_clip: MakeClip) -> None:
    make_clip(clip="b_0", images=0)
    table = read_annotations(make_clip(lines="1.5,2,3,4\n" * 10 + "0,0,0,0\n"))
    assert table.frames.names[[0, 10]].tolist() == ["frames/a_0/0.jpg", "frames/a_0/10.jpg"]
    assert (len(table.frames), len(table)) == (11, 10)
    assert table.boxes[0].tolist() == [1.5, 2, 3, 4]
    assert table.tracks.tolist() == [1] * 10
    assert table.species.tolist() == [-1] * 10


def test_all_chunks_and_the_first_box_alone(make_clip: MakeClip) -> None:
    make_clip("TEST", lines="1,2,3,4")
    folder = make_clip("TRAIN_0").parent
    table = read_annotations(folder)
    assert table.frames.clips.tolist() == [1] * 11 + [2] * 11
    assert table.frame.tolist() == [0, *range(11, 22)]
    assert table.frames.names[0] == "TEST/frames/a_0/0.jpg"
    assert table.root == folder


def test_faults_are_named(make_clip: MakeClip, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"anno/a_0\.txt: lines 2, images 11"):
        read_trackingnet(make_clip(lines="1,2,3,4\n1,2,3,4"))
    with pytest.raises(InputError, match=r"anno/a_0\.txt: line 2 has a negative size"):
        read_trackingnet(make_clip("other", lines="1,2,3,4\n" + "1,2,-3,4\n" * 10))
    with pytest.raises(InputError, match=r"holds no anno/<clip>\.txt with images"):
        read_trackingnet(tmp_path / "nothing")
