"""DeepLabCut: what `analyze_videos` writes for a video, or labels of images; `.h5` and `.csv`.

Both hold one table with a header of three or four rows, described in
:mod:`aptv2.datasets.deeplabcut`, which reads them back.
"""

from __future__ import annotations

import csv
import warnings
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aptv2.datasets.names import fault_of, track_name
from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.tables import PoseTable

SCORER = "DLC_aptv2"
_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_MOST_CELLS = 10**9


class _Sheet(NamedTuple):
    """Header rows by name, one cell a column; names of the rows; float64 (rows, columns)."""

    header: dict[str, list[str]]
    rows: list[tuple[str, str, str]] | list[int]
    values: np.ndarray


def write_deeplabcut_hdf5(table: PoseTable, path: str | Path) -> None:
    """Write a table as DeepLabCut's `.h5`, which `pandas.read_hdf` reads.

    A row is a frame of the table, with or without animals: a video's by its number, an image's by
    `labeled-data`, its folder and its name; frames of several videos are named like images. Each
    keypoint has x and y and, in predictions, a `likelihood`, its score; a keypoint that is not
    there is empty. Each track is an individual, by its name or `track7`; where there is only one,
    without a name, there is no row `individuals`. Animals without a track are put into the first
    tracks that are free in their frame. Boxes, species, the scores of animals and visibilities are
    left out.

    Raises
    ------
    InputError
        Where frames of several videos are numbered alike, a track is twice in a frame, or the
        file cannot be written.
    """
    import pandas as pd

    sheet = _sheet(table, path)
    index = (
        pd.MultiIndex.from_tuples(sheet.rows)
        if sheet.rows and isinstance(sheet.rows[0], tuple)
        else pd.Index(sheet.rows, dtype=np.int64)
    )
    columns = pd.MultiIndex.from_arrays(list(sheet.header.values()), names=list(sheet.header))
    frame = pd.DataFrame(sheet.values, index, columns)
    with atomic_write(path) as temporary:
        temporary.write_bytes(_hdf5(frame, temporary))


def _hdf5(frame: Any, path: Path) -> bytes:
    """A data frame as pandas stores it, without the time of writing: equal tables, equal files.

    It is made in memory, as HDF5 crashes where a disk is full; `path` is only checked.
    """
    import pandas as pd

    with (
        warnings.catch_warnings(),
        pd.HDFStore(path, "w", driver="H5FD_CORE", driver_core_backing_store=0) as store,
    ):
        # It calls keypoints whose names are no Python names, such as "left ear", slow to look up.
        warnings.simplefilter("ignore")
        file = store._handle
        for name in ("create_array", "create_vlarray", "create_carray", "create_earray"):
            setattr(file, name, partial(getattr(file, name), track_times=False))
        store.put("df_with_missing", frame, format="fixed")
        file.flush()
        content: bytes = file.get_file_image()
        return content


def write_deeplabcut_csv(table: PoseTable, path: str | Path) -> None:
    """Write a table as DeepLabCut's `.csv`: what :func:`write_deeplabcut_hdf5` holds, as text.

    Raises
    ------
    InputError
        As there.
    """
    sheet = _sheet(table, path)
    named = bool(sheet.rows) and isinstance(sheet.rows[0], tuple)
    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="replace") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        for name, cells in sheet.header.items():
            writer.writerow([name, *([""] * 2 if named else []), *cells])
        for row, values in zip(sheet.rows, sheet.values.tolist(), strict=True):
            start = row if isinstance(row, tuple) else (row,)
            # Six digits after the point: far below a pixel's noise.
            cells = ["" if value != value else f"{value:.6f}" for value in values]
            writer.writerow([*start, *cells])


def _sheet(table: PoseTable, path: str | Path) -> _Sheet:
    individuals, place = _individuals(table, path)
    predicted = bool((~np.isnan(table.scores)).any())
    coords = ("x", "y", "likelihood") if predicted else ("x", "y")
    names, frames = table.skeleton.names, len(table.frames)
    shape = frames, len(individuals), len(names), len(coords)
    if np.prod(shape, dtype=float) > _MOST_CELLS:
        raise InputError(
            f"{path}: {frames} frames with {len(individuals)} tracks are too many for "
            "DeepLabCut's table; merge tracks of the same animal, or export csv."
        )
    values = np.full(shape, np.nan)
    keypoints = np.where(table.keypoints[:, :, 2:] > 0, table.keypoints, np.nan)
    values[table.frame, place] = keypoints[:, :, : len(coords)]
    several = len(individuals) > 1 or individuals[0] in table.names.values()
    cells = [
        (SCORER, one, name, coord) for one in individuals for name in names for coord in coords
    ]
    header = {
        level: [column[at] for column in cells]
        for at, level in enumerate(_LEVELS)
        if several or level != "individuals"
    }
    return _Sheet(header, _rows(table, path), values.reshape(frames, len(cells)))


def _individuals(table: PoseTable, path: str | Path) -> tuple[list[str], np.ndarray]:
    """Names of the individuals, and int64 (N,): which of them each animal is."""
    tracks = table.tracks.copy()
    for frame in np.unique(table.frame[tracks == -1]):
        rows = table.rows_of(int(frame))
        taken = set(tracks[rows].tolist())
        free = (number for number in range(1, 2 * len(rows) + 1) if number not in taken)
        for row in rows[tracks[rows] == -1]:
            tracks[row] = next(free)
    numbers, place = np.unique(tracks, return_inverse=True)
    spots = table.frame * (len(numbers) + 1) + place
    if len(np.unique(spots)) < len(spots):
        raise InputError(f"{path}: a track appears twice in one frame; correct the tracks first.")
    names = [track_name(number, table.names) for number in numbers.tolist() or [1]]
    return names, place


def _rows(table: PoseTable, path: str | Path) -> list[tuple[str, str, str]] | list[int]:
    frames = table.frames
    if not any(frames.names) and not any(table.video_names):
        rows = frames.indices if (frames.indices >= 0).all() else np.arange(len(frames))
        if len(np.unique(rows)) < len(rows):
            raise InputError(f"{path} can hold only one video; export each to a file of its own.")
        return [int(row) for row in rows]
    names = [_image(str(name), table, path) for name in table.image_names]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two images would have the same name; rename one.")
    return names


def _image(name: str, table: PoseTable, path: str | Path) -> tuple[str, str, str]:
    """`labeled-data`, the folder of a video, the image."""
    if not name or fault_of(name):
        raise InputError(f"{path}: an image's name {fault_of(name) or 'is empty'}; correct it.")
    *folders, image = name.replace("\\", "/").removeprefix("labeled-data/").split("/")
    if not folders:
        folders = [table.root.name if table.root is not None and table.root.name else "images"]
    return "labeled-data", "_".join(folders), image
