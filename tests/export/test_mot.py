from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.export import write_mot
from aptv2.tables import Frames, PoseTable

BOX = [1.5, 2, 3, 4.25]


def test_lines(tmp_path: Path) -> None:
    table = PoseTable.make(
        Frames.make(3, indices=[4, 5, 6]),
        [2, 0, 0, 0, 0],
        boxes=[BOX, BOX, BOX, BOX, [np.nan] * 4],
        tracks=[1, 2, 1, -1, 3],
        scores=[0.5, np.nan, 1, 1, 1],
    )
    write_mot(table, tmp_path / "clip.txt")
    assert (tmp_path / "clip.txt").read_text().splitlines() == [
        "5,1,1.500,2.000,3.000,4.250,1.0000,-1,-1,-1",
        "5,2,1.500,2.000,3.000,4.250,1.0000,-1,-1,-1",
        "7,1,1.500,2.000,3.000,4.250,0.5000,-1,-1,-1",
    ]


def test_frames_are_counted_where_their_numbers_are_unknown(tmp_path: Path) -> None:
    write_mot(PoseTable.make(Frames.make(2), [1], boxes=[BOX], tracks=[1]), tmp_path / "clip.txt")
    assert (tmp_path / "clip.txt").read_text().startswith("2,1,")


def test_no_animal(tmp_path: Path) -> None:
    write_mot(PoseTable.make(Frames.make(0), []), tmp_path / "clip.txt")
    assert (tmp_path / "clip.txt").read_text() == ""


def test_two_clips_do_not_fit(tmp_path: Path) -> None:
    table = PoseTable.make(Frames.make(clips=[1, 2]), [])
    with pytest.raises(InputError, match=r"clip\.txt can hold only one clip"):
        write_mot(table, tmp_path / "clip.txt")
    assert not (tmp_path / "clip.txt").exists()
