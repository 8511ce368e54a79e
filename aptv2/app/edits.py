"""Correcting tracks: each edit is a function from one table to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from aptv2.datasets.names import LONGEST_NAME, name_fault
from aptv2.errors import InputError
from aptv2.tables import PoseTable

MAX_TRACK = 2**31 - 1


class Edit(BaseModel):
    """One correction, as the page sends it.

    Parameters
    ----------
    kind
        What is done to `track`.
    track
        A track number of the table.
    value
        Its new number for "renumber", the track that joins it for "merge", the first frame of the
        new track for "split".
    name
        What the animal is called for "name"; "" takes its name away.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["name", "renumber", "merge", "split", "delete"]
    track: int
    value: int = Field(default=0, ge=0, le=MAX_TRACK)
    name: str = ""


def frame_numbers(table: PoseTable) -> np.ndarray:
    """int64 (F,): which frame of the video each row of `frames` is."""
    known = table.frames.indices
    return known if (known >= 0).all() else np.arange(len(table.frames))


def apply(table: PoseTable, edit: Edit) -> PoseTable:
    """The table after one edit.

    Raises
    ------
    InputError
        As the function of the edit says.
    """
    if edit.kind == "delete":
        return delete(table, edit.track)
    if edit.kind == "name":
        return name(table, edit.track, edit.name)
    return {"renumber": renumber, "merge": merge, "split": split}[edit.kind](
        table, edit.track, edit.value
    )


def apply_all(table: PoseTable, edits: Sequence[Edit]) -> PoseTable:
    """The table after all edits, in order."""
    return reduce(apply, edits, table)


def name(table: PoseTable, track: int, given: str) -> PoseTable:
    """Call the animal of a track by a name; "" takes its name away.

    Raises
    ------
    InputError
        Where there is no such track, or the name is none or another animal's.
    """
    _rows(table, track)
    given = given.strip()
    others = {number: known for number, known in table.names.items() if number != track}
    if not given:
        return replace(table, names=others)
    if fault := name_fault(given):
        raise InputError(f"The name {given[:LONGEST_NAME]!r} {fault}; choose another.")
    if given in others.values():
        raise InputError(
            f"The name {given} is already in use; choose another, or merge the two animals."
        )
    return replace(table, names=others | {track: given})


def renumber(table: PoseTable, track: int, number: int) -> PoseTable:
    """Give a track another number; its name stays.

    Raises
    ------
    InputError
        Where there is no such track, or the number is another's.
    """
    rows = _rows(table, track)
    if number != track and (table.tracks == number).any():
        raise InputError(
            f"Animal {number} already exists; choose another number, or merge the two."
        )
    names = {number if known == track else known: name for known, name in table.names.items()}
    return replace(_numbered(table, rows, number), names=names)


def merge(table: PoseTable, track: int, other: int) -> PoseTable:
    """Make two tracks of one animal one, under the number of the first.

    The name is that of the first, or the other's where it has none.

    Raises
    ------
    InputError
        Where there is no such track, the two are the same, or both are in one frame.
    """
    rows, joining = _rows(table, track), _rows(table, other)
    if track == other:
        raise InputError(f"Animal {track} cannot be merged with itself; choose another.")
    frame = frame_numbers(table)[table.frame]
    common = np.intersect1d(frame[rows], frame[joining])
    if len(common):
        raise InputError(
            f"Animals {track} and {other} are both in {_frames(len(common))}, the first at frame "
            f"{common[0]}, so they cannot be one animal; split or delete one there first."
        )
    names = dict(table.names)
    if (freed := names.pop(other, None)) is not None:
        names.setdefault(track, freed)
    return replace(_numbered(table, joining, track), names=names)


def split(table: PoseTable, track: int, frame: int) -> PoseTable:
    """Give a track a new number, the next free one, from a frame of the video on.

    The earlier part keeps the name.

    Raises
    ------
    InputError
        Where there is no such track, or nothing of it before or from that frame on.
    """
    rows = _rows(table, track)
    later = rows & (frame_numbers(table)[table.frame] >= frame)
    if not later.any() or (later == rows).all():
        side = "before" if later.any() else "from"
        raise InputError(
            f"Animal {track} is in no frame {side} {frame}; choose a frame within its track "
            "to split it."
        )
    number = int(table.tracks.max()) + 1
    if number > MAX_TRACK:
        raise InputError(
            "No higher track number is left; give the highest track another number first."
        )
    return _numbered(table, later, number)


def delete(table: PoseTable, track: int) -> PoseTable:
    """Leave out a track; every frame is kept.

    Raises
    ------
    InputError
        Where there is no such track.
    """
    names = {number: name for number, name in table.names.items() if number != track}
    return replace(table[~_rows(table, track)], names=names)


def _rows(table: PoseTable, track: int) -> np.ndarray:
    """Mask of a track's rows, bool (N,)."""
    rows: np.ndarray = table.tracks == track
    if not rows.any():
        raise InputError(
            f"There is no animal {track}; its number may have changed, so reload the page."
        )
    return rows


def _numbered(table: PoseTable, rows: np.ndarray, number: int) -> PoseTable:
    return replace(table, tracks=np.where(rows, np.int64(number), table.tracks))


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
