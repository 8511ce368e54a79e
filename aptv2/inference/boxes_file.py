"""The boxes file: which animals to follow and where they first appear."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from aptv2.errors import InputError
from aptv2.models.trackers.base import LARGEST_BOX

REQUIRED_COLUMNS = ("frame", "x", "y", "width", "height")
TRACK_COLUMN = "track_id"
_HEADER = f"{','.join(REQUIRED_COLUMNS)}[,{TRACK_COLUMN}]"
MAX_BYTES = 2**20
_LARGEST = 1e9
_NEAR = 0.7
"""Likeness (difflib's ratio) from which a column's name is taken for a misspelling."""


@dataclass(frozen=True)
class FirstBoxes:
    """Animals to follow, in the order in which they appear.

    Parameters
    ----------
    path
        The file they come from.
    frames
        int64 (N,): index of the frame, from 0, in which each animal first appears.
    boxes
        float32 (N, 4): x, y, width, height in pixels of that frame.
    tracks
        int64 (N,): track number of each animal; 1 to N in the file's order where it gives none.
    """

    path: Path
    frames: np.ndarray
    boxes: np.ndarray
    tracks: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)


def read_boxes(path: str | Path, width: int, height: int) -> FirstBoxes:
    """Read a CSV file with the header `frame,x,y,width,height[,track_id]`.

    Other columns are passed over. A box that reaches over the frame's edge is kept as it stands.

    Parameters
    ----------
    path
        The file.
    width, height
        Size of the video in pixels.

    Raises
    ------
    InputError
        Where a column is missing; a number is missing, not a number or not finite; a box is
        empty, wholly outside the frame or far larger; a track number comes twice; or there are no
        boxes.
    """
    path = Path(path).expanduser()
    rows: list[tuple[int, list[float], int]] = []
    line_of_track: dict[int, int] = {}
    for line, fields in _read_rows(path):
        row = _Row(path, line, fields)
        frame = row.integer("frame")
        box = row.box(width, height)
        track = row.integer(TRACK_COLUMN) if TRACK_COLUMN in fields else len(rows) + 1
        if track in line_of_track:
            raise row.error(
                f"{TRACK_COLUMN} {track} is already in line {line_of_track[track]}; list each "
                "animal once, where it first appears"
            )
        line_of_track[track] = line
        if (frame, box) in [known[:2] for known in rows]:
            raise row.error(
                f"the box is already there in frame {frame}; list each animal once, where it first "
                "appears"
            )
        rows.append((frame, box, track))
    if not rows:
        raise InputError(f"{path}: holds no boxes; add a line for each animal to follow.")
    rows.sort(key=lambda row: row[0])
    frames, boxes, tracks = zip(*rows, strict=True)
    return FirstBoxes(
        path, np.array(frames, np.int64), np.array(boxes, np.float32), np.array(tracks, np.int64)
    )


@dataclass(frozen=True)
class _Row:
    path: Path
    line: int
    fields: dict[str, str]

    def number(self, column: str) -> float:
        text = self.fields[column]
        try:
            value = float(text)
        except ValueError:
            what = f"{text!r} is not a number" if text else "is empty"
            raise self.error(f"{column} {what}; write it as 12.5") from None
        if not math.isfinite(value) or abs(value) > _LARGEST:
            raise self.error(f"{column} is {text}; it must be a finite number up to {_LARGEST:.0f}")
        return value

    def integer(self, column: str) -> int:
        value = self.number(column)
        if value < 0 or value != int(value):
            raise self.error(f"{column} {self.fields[column]} must be a whole number from 0")
        return int(value)

    def box(self, frame_width: int, frame_height: int) -> list[float]:
        x, y, width, height = (self.number(column) for column in REQUIRED_COLUMNS[1:])
        for column, side in (("width", width), ("height", height)):
            if side <= 0:
                raise self.error(f"{column} {side:g} must be above 0")
        box = f"the box x {x:g}, y {y:g}, width {width:g}, height {height:g}"
        frame = f"the {frame_width} x {frame_height} frame"
        if x >= frame_width or y >= frame_height or x + width <= 0 or y + height <= 0:
            raise self.error(f"{box} lies outside {frame}")
        if width > LARGEST_BOX * frame_width or height > LARGEST_BOX * frame_height:
            raise self.error(f"{box} is far larger than {frame}")
        return [x, y, width, height]

    def error(self, message: str) -> InputError:
        return InputError(f"{self.path}, line {self.line}: {message.rstrip('.')}.")


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and fields by column of each row that is not blank."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(
                f"{path}: is larger than {MAX_BYTES >> 20} MiB; list each animal once, where it "
                "first appears."
            )
        # Spreadsheets put a byte order mark in front, which utf-8-sig takes off.
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = [name.strip() for name in next(reader, [])]
            _check_columns(path, columns)
            for values in reader:
                values = [value.strip() for value in values]
                if not any(values):
                    continue
                if len(values) != len(columns):
                    raise InputError(
                        f"{path}, line {reader.line_num}: {len(values)} fields where the header "
                        f"has {len(columns)}; give as many."
                    )
                yield reader.line_num, dict(zip(columns, values, strict=True))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is not a CSV text file ({error}).") from error


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    if not any(columns):
        raise InputError(f"{path}: is empty; its first line must be {_HEADER}.")
    known = (*REQUIRED_COLUMNS, TRACK_COLUMN)
    for column in columns:
        if columns.count(column) > 1 and column in known:
            raise InputError(f"{path}: the column '{column}' appears twice.")
    others = [column for column in columns if column not in known]
    for column in known:
        # Near a name that is missing: a misspelling, even of the optional column.
        near = get_close_matches(column, others, 1, _NEAR) if column not in columns else []
        if near:
            raise InputError(f"{path}: rename the column '{near[0]}' to '{column}'.")
        if column in REQUIRED_COLUMNS and column not in columns:
            raise InputError(
                f"{path}: the column '{column}' is missing; the first line must be {_HEADER}, "
                "separated by commas."
            )
