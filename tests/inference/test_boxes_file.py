"""The boxes file: what it says, and one clear sentence where it says nonsense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.inference.boxes_file import FirstBoxes, read_boxes

HEADER = "frame,x,y,width,height"


def read(tmp_path: Path, text: str | bytes) -> FirstBoxes:
    path = tmp_path / "boxes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_boxes(path, 640, 360)


class TestRead:
    def test_without_tracks_they_are_counted(self, tmp_path: Path) -> None:
        boxes = read(tmp_path, f"{HEADER}\n0,10,20.5,30,40\n0,100,50,60,70\n")
        assert len(boxes) == 2
        assert boxes.frames.tolist() == [0, 0]
        assert boxes.tracks.tolist() == [1, 2]
        np.testing.assert_array_equal(boxes.boxes, [[10, 20.5, 30, 40], [100, 50, 60, 70]])
        assert (boxes.boxes.dtype, boxes.frames.dtype) == (np.float32, np.int64)

    def test_in_order_of_appearance(self, tmp_path: Path) -> None:
        rows = "7,1,1,9,9,0\n0,2,2,9,9,12\n7,3,3,9,9,5\n"
        boxes = read(tmp_path, f"{HEADER},track_id\n{rows}")
        assert boxes.frames.tolist() == [0, 7, 7]
        assert boxes.tracks.tolist() == [12, 0, 5]
        assert boxes.boxes[:, 0].tolist() == [2, 1, 3]

    def test_columns_in_any_order_beside_others(self, tmp_path: Path) -> None:
        text = "name,height, width ,y,x,frame\nRex,4,3,2,1,0\n"
        assert read(tmp_path, text).boxes.tolist() == [[1, 2, 3, 4]]

    @pytest.mark.parametrize(
        "text",
        [
            f"\ufeff{HEADER}\r\n0.0,1,2,3,4\r\n\r\n",  # a spreadsheet's
            f'{HEADER}\n"0","1","2","3","4"\n , , , , \n',
            f"{HEADER}\n0,1e0, 2,+3,4.",
        ],
    )
    def test_ways_to_write_it(self, tmp_path: Path, text: str) -> None:
        boxes = read(tmp_path, text)
        assert boxes.boxes.tolist() == [[1, 2, 3, 4]]
        assert boxes.frames.tolist() == [0]

    @pytest.mark.parametrize("row", ["0,-10,-10,20,20", "0,630,350,900,900", "0,639.5,0,1,1"])
    def test_over_the_edge_is_kept(self, tmp_path: Path, row: str) -> None:
        expected = [float(number) for number in row.split(",")[1:]]
        assert read(tmp_path, f"{HEADER}\n{row}\n").boxes.tolist() == [expected]


class TestRefused:
    @pytest.mark.parametrize(
        ("row", "message"),
        [
            ("0,nan,2,3,4", "line 3: x is nan; it must be a finite number"),
            ("0,1,2,inf,4", "line 3: width is inf; it must be a finite number"),
            ("0,1,2,3,1e300", "line 3: height is 1e300; it must be a finite number"),
            ("0,1,left,3,4", "line 3: y 'left' is not a number; write it as 12.5"),
            ("0,1,,3,4", "line 3: y is empty"),
            ("0,1,2,-3,4", "line 3: width -3 must be above 0"),
            ("0,1,2,3,0", "line 3: height 0 must be above 0"),
            ("-1,1,2,3,4", "line 3: frame -1 must be a whole number from 0"),
            ("1.5,1,2,3,4", "line 3: frame 1.5 must be a whole number from 0"),
            ("nan,1,2,3,4", "line 3: frame is nan"),
            (
                "0,640,2,3,4",
                "line 3: the box x 640, y 2, width 3, height 4 lies outside the 640 x 360",
            ),
            ("0,1,400,3,4", "lies outside"),
            ("0,-3,2,3,4", "lies outside"),
            ("0,1,-9,3,4", "lies outside"),
            ("0,1,2,2561,4", "line 3: the box x 1, y 2, width 2561, height 4 is far larger than"),
            ("0,1,2,3", "line 3: 4 fields where the header has 5"),
            ("0,1,2,3,4,5", "line 3: 6 fields where the header has 5"),
            ("0;1;2;3;4", "line 3: 1 fields where the header has 5"),
        ],
    )
    def test_rows(self, tmp_path: Path, row: str, message: str) -> None:
        with pytest.raises(InputError) as caught:
            read(tmp_path, f"{HEADER}\n0,10,10,10,10\n{row}\n")
        assert message in str(caught.value)
        assert str(tmp_path / "boxes.csv") in str(caught.value)

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            (
                "frame,x,y,height",
                "the column 'width' is missing; the first line must be frame,x,y,",
            ),
            ("frame,x,y,widht,height", "rename the column 'widht' to 'width'"),
            ("frame,x,y,width,height,trackid", "rename the column 'trackid' to 'track_id'"),
            ("Frame,x,y,width,height", "rename the column 'Frame' to 'frame'"),
            ("frame;x;y;width;height", "separated by commas"),
            ("frame,x,y,width,height,x", "the column 'x' appears twice"),
            ("0,1,2,3,4", "the column 'frame' is missing"),
        ],
    )
    def test_headers(self, tmp_path: Path, header: str, message: str) -> None:
        row = ",".join("1" * (header.count(",") + 1))
        with pytest.raises(InputError) as caught:
            read(tmp_path, f"{header}\n{row}\n")
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("track", "message"),
        [
            ("4", "line 3: track_id 4 is already in line 2; list each animal once"),
            ("", "line 3: track_id is empty"),
            ("-1", "line 3: track_id -1 must be a whole number from 0"),
        ],
    )
    def test_tracks(self, tmp_path: Path, track: str, message: str) -> None:
        with pytest.raises(InputError) as caught:
            read(tmp_path, f"{HEADER},track_id\n0,1,2,3,4,4\n5,1,2,3,4,{track}\n")
        assert message in str(caught.value)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "is empty; its first line must be frame,x,y,width,height[,track_id]"),
            ("\n\n", "is empty"),
            (HEADER, "holds no boxes; add a line for each animal"),
            (f"{HEADER}\n\n , , , , \n", "holds no boxes"),
            (b"\x89PNG\r\n\x1a\n\xff\xfe\x00", "is not a CSV text file"),
            (f'{HEADER}\n"0,1,2,3,4\n', "is not a CSV text file"),
            (f"{HEADER}\n{'0,1,1,1,1' * 150000}", "is larger than 1 MiB"),
        ],
    )
    def test_files(self, tmp_path: Path, content: str | bytes, message: str) -> None:
        with pytest.raises(InputError) as caught:
            read(tmp_path, content)
        assert message in str(caught.value)

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"boxes\.csv: cannot be read: No such file"):
            read_boxes(tmp_path / "boxes.csv", 640, 360)

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read: Is a directory"):
            read_boxes(tmp_path, 640, 360)


def test_one_box_twice_in_a_frame(tmp_path: Path) -> None:
    text = "frame,x,y,width,height\n0,1,2,3,4\n1,1,2,3,4\n0,1,2,3,4\n"
    with pytest.raises(InputError, match=r"line 4: the box is already there in frame 0"):
        read(tmp_path, text)
