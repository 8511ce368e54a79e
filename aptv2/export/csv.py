"""Tidy CSV: one row a keypoint, for pandas, R and spreadsheets."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aptv2.files import atomic_write
from aptv2.tables import PoseTable

COLUMNS = (
    "frame",
    "time",
    "track_id",
    "species",
    "animal_score",
    "x",
    "y",
    "width",
    "height",
    "keypoint",
    "keypoint_x",
    "keypoint_y",
    "keypoint_score",
)


def write_csv(table: PoseTable, path: str | Path) -> None:
    """Write a table as CSV with one row a keypoint, by frame and track.

    The columns are `frame` (number in its clip from 0), `time` (seconds), `track_id`, `species`,
    `animal_score`, the animal's box `x`, `y`, `width`, `height` (pixels; x and y are its top left
    corner), `keypoint` (its name), `keypoint_x`, `keypoint_y` (pixels) and `keypoint_score` (a
    visibility of 0, 1 or 2 in annotations). Where animals have names, a column `name` follows, and
    where the frames are image files, a last column `image` names them. What is not known is left
    empty, and so are the coordinates of a keypoint whose score is 0. Where the frames are of
    several videos, a column `video` follows. The box columns are named as
    in the file that `aptv2 track --boxes` reads.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        videos = table.video_names
        more = {
            "name": bool(table.names),
            "image": any(table.frames.names),
            "video": any(videos),
        }
        writer.writerow([*COLUMNS, *(column for column, there in more.items() if there)])
        for row in np.lexsort((table.tracks, table.frame)):
            name = [table.names.get(int(table.tracks[row]), "")] if more["name"] else []
            image = [table.frames.names[table.frame[row]]] if more["image"] else []
            video = [videos[table.frame[row]]] if more["video"] else []
            animal = _animal(table, int(row))
            writer.writerows(
                [*animal, *keypoint, *name, *image, *video]
                for keypoint in _keypoints(table, int(row))
            )


def _animal(table: PoseTable, row: int) -> list[Any]:
    frame, track = table.frame[row], int(table.tracks[row])
    index, species = int(table.frames.indices[frame]), int(table.species[row])
    return [
        "" if index == -1 else index,
        _number(table.frames.times[frame], 6),
        "" if track == -1 else track,
        table.categories.get(species, ""),
        _number(table.scores[row], 4),
        *(_number(value, 3) for value in table.boxes[row]),
    ]


def _keypoints(table: PoseTable, row: int) -> Iterator[list[Any]]:
    for name, (x, y, score) in zip(
        table.skeleton.names, table.keypoints[row].tolist(), strict=True
    ):
        place = [_number(x, 3), _number(y, 3)] if score > 0 else ["", ""]
        yield [name, *place, _number(score, 4)]


def _number(value: float, digits: int) -> float | str:
    """Rounded; empty where unknown."""
    return "" if math.isnan(value) else round(float(value), digits)
