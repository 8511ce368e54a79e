"""DeepLabCut labels and predictions.

Labels are `labeled-data/<video>/CollectedData_<scorer>.csv` and the `.h5` beside it; predictions
of a video `<video>DLC_<network>.h5` and `.csv`. All hold the same pandas table. Its columns have a
header of three rows, `scorer`, `bodyparts`, `coords`, and in projects with several animals a
fourth, `individuals`, after the first; `coords` are x and y and, of predictions, `likelihood`.
A row is an image, named by `labeled-data/<video>/<image>` in one cell (in either kind of slashes)
or, since DeepLabCut 2.2, in three; or a frame of a video, by its number. An empty cell is a
keypoint that is not labelled. There are no boxes and no image sizes. Limbs stand in the project's
`config.yaml` as `skeleton`.

Of the `.h5`, what is read and what not says :mod:`aptv2.datasets.pandas_hdf5`.
"""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aptv2.datasets.coco import is_animal17, tidy_keypoint
from aptv2.datasets.deeplabcut_project import label_files, limbs_of, video_of
from aptv2.datasets.hdf5 import is_hdf5
from aptv2.datasets.names import animal_names, fault_of, is_file, track_numbers
from aptv2.datasets.pandas_hdf5 import read_pandas
from aptv2.datasets.records import LARGEST, read_bytes, read_text
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable

_HEADERS = (["scorer", "bodyparts", "coords"], ["scorer", "individuals", "bodyparts", "coords"])


class _Labels(NamedTuple):
    """One file: image names, (individual, keypoint, coordinate) of every column, float64 (N, C)."""

    path: Path
    images: list[str]
    columns: list[tuple[str, str, str]]
    values: np.ndarray

    @property
    def predicted(self) -> bool:
        """Whether keypoints have a likelihood."""
        return any(axis == "likelihood" for _, _, axis in self.columns)

    @property
    def individuals(self) -> list[str]:
        """The animals in the order of the columns; "" where there is one without a name."""
        found = list(dict.fromkeys(individual for individual, _, _ in self.columns))
        return [one for one in found if one != "single"] if len(found) > 1 else found


def is_deeplabcut(path: Path) -> bool:
    """Whether a file holds DeepLabCut labels, or a folder such files."""
    if path.is_dir():
        return bool(label_files(path))
    start = read_bytes(path, 32).removeprefix(b"\xef\xbb\xbf")
    return start.startswith((b"scorer,", b"scorer;", b"scorer\t")) or is_hdf5(path)


def read_deeplabcut(path: str | Path) -> PoseTable:
    """Read a file of labels or predictions, or the labels of all videos of a project, as one table.

    Parameters
    ----------
    path
        A `.csv` or `.h5` file, the folder of a video, `labeled-data`, or a project. In a folder
        the `.csv` is read where both are there.

    Returns
    -------
    PoseTable
        A clip is a video, numbered from 1 in the order of their names; `frames.indices` is the
        number in the image's name, or the frame's; keypoints are distinguished by their names, in
        whatever order a file has them, and one that a file does not have is not labelled there;
        where two people labelled a video, the one whom `config.yaml` names counts. A track is
        an individual, numbered as :func:`aptv2.datasets.names.track_numbers` says, and `names` has
        its name. Keypoints that belong to no animal (of the individual `single` beside others)
        are left out. The third number of a keypoint is its likelihood, or 2 where it is labelled.
        An animal's score is the mean likelihood of its keypoints. A box is the one around the
        keypoints, as :meth:`aptv2.tables.PoseTable.with_keypoint_boxes` makes it. The root of
        predictions is the video, where it lies beside the file.

    Raises
    ------
    InputError
        Where there are no labels, a file is broken, or nobody says which of two scorers counts.
    """
    path = Path(path)
    paths = label_files(path) if path.is_dir() else [path]
    if not paths:
        raise InputError(f"{path} holds no CollectedData_*.csv or .h5, nor does labeled-data/.")
    files = [_read_file(one) for one in paths]
    frames, root = _frames(files)
    skeleton = _skeleton(files, root)
    parts = [_animals(file, skeleton) for file in files]
    starts = np.cumsum([0, *(len(file.images) for file in files[:-1])])
    keypoints = np.concatenate([keypoints for _, keypoints, _ in parts])
    return PoseTable.make(
        frames,
        np.concatenate([start + frame for start, (frame, _, _) in zip(starts, parts, strict=True)]),
        keypoints=keypoints,
        scores=_scores(keypoints) if any(file.predicted for file in files) else None,
        tracks=np.concatenate([tracks for _, _, tracks in parts]),
        skeleton=skeleton,
        root=root,
        names=_names(files),
    ).with_keypoint_boxes()


def _names(files: Sequence[_Labels]) -> dict[int, str]:
    """The names of individuals that are the same in all files."""
    given = [animal_names(file.individuals, track_numbers(file.individuals)) for file in files]
    return {
        number: name
        for number, name in given[0].items()
        if all(names.get(number) == name for names in given)
    }


def _frames(files: Sequence[_Labels]) -> tuple[Frames, Path | None]:
    names = [name for file in files for name in file.images]
    if names and all(re.fullmatch(r"[0-9]{1,9}", name) for name in names):
        return Frames.make(clips=np.ones(len(names)), indices=list(map(int, names))), video_of(
            files[0].path
        )
    folders = [name.rpartition("/")[0] for name in names]
    clip_of = {folder: number for number, folder in enumerate(sorted(set(folders)), 1)}
    clips = [clip_of[folder] for folder in folders]
    return Frames.make(names=names, clips=clips, indices=_numbers(names)), _root(files[0])


def _scores(keypoints: np.ndarray) -> np.ndarray:
    """(N,): the mean of each animal's keypoint scores above 0."""
    scores = keypoints[:, :, 2]
    return scores.sum(axis=1) / np.maximum(np.count_nonzero(scores, axis=1), 1)


def _read_file(path: Path) -> _Labels:
    labels = _read_hdf5(path) if is_hdf5(path) else _read_csv(path)
    for row, name in enumerate(labels.images, 1):
        if not name or fault_of(name):
            raise InputError(f"{path}: image {row}: {fault_of(name) or 'the name is empty'}.")
    for column in labels.columns:
        if column[2] not in ("x", "y", "likelihood") or not column[1]:
            raise InputError(
                f"{path}: column {_said(column)} is not x, y or likelihood of a keypoint; "
                "correct the header."
            )
    known = set(labels.columns)
    if len(known) != len(labels.columns):
        raise InputError(f"{path}: two columns have the same header; correct it.")
    for individual, keypoint, axis in labels.columns:
        other = "x" if axis == "y" else "y"
        if (individual, keypoint, other) not in known:
            raise InputError(
                f"{path}: {_said((individual, keypoint, axis))} has no {other} beside it; "
                "correct the header."
            )
    broken = np.argwhere(np.abs(labels.values) >= LARGEST)
    if len(broken):
        row, column = broken[0]
        raise InputError(
            f"{path}: image {row + 1}: {_said(labels.columns[column])} is infinite or beyond "
            "all bounds; correct or empty the cell."
        )
    return labels


def _said(column: tuple[str, str, str]) -> str:
    return repr(" ".join(column).strip()[:80])


def _read_csv(path: Path) -> _Labels:
    text = read_text(path)
    # Spreadsheets of some countries part cells by ";" and write 12,5 for 12.5.
    parted = next((mark for mark in ";\t" if text.startswith(f"scorer{mark}")), ",")
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=parted, strict=True))
    except csv.Error as error:
        raise InputError(f"{path} is not a valid CSV file: {error}.") from None
    rows = [row for row in rows if row]
    header = [row[0] for row in rows[:4]]
    depth = next((len(names) for names in _HEADERS if header[: len(names)] == names), 0)
    if not depth:
        raise InputError(
            f"{path}: the first cells of the header are {', '.join(header)[:80]}, not "
            f"{', '.join(_HEADERS[0])}, with individuals second where there are several animals."
        )
    width = len(rows[0])
    for number, row in enumerate(rows, 1):
        if len(row) != width:
            raise InputError(
                f"{path}: row {number} is not as long as the first (cells: {len(row)}, not "
                f"{width})."
            )
    # Where an image's name takes several cells, so does the start of the header.
    start = next((i for i, cell in enumerate(rows[depth - 1]) if i and cell), width)
    individuals = rows[1][start:] if depth == 4 else [""] * (width - start)
    columns = list(zip(individuals, rows[depth - 2][start:], rows[depth - 1][start:], strict=True))
    images = ["/".join(row[:start]).replace("\\", "/") for row in rows[depth:]]
    values = np.full((len(images), len(columns)), math.nan)
    for image, row in enumerate(rows[depth:]):
        for column, cell in enumerate(row[start:]):
            try:
                text = cell.replace(",", ".") if parted != "," else cell
                values[image, column] = float(text) if text else math.nan
            except ValueError:
                raise InputError(
                    f"{path}: image {image + 1}: {_said(columns[column])} is {cell[:40]!r}, "
                    "which is no number; correct or empty the cell."
                ) from None
    return _Labels(path, images, columns, values)


def _read_hdf5(path: Path) -> _Labels:
    table = read_pandas(path)
    if table.levels not in _HEADERS:
        raise InputError(f"{path}: the header is {', '.join(table.levels)}: no labels.")
    images = ["/".join(cells).replace("\\", "/") for cells in table.names]
    several = len(table.levels) == 4
    columns = [(cells[1] if several else "", cells[-2], cells[-1]) for cells in table.columns]
    return _Labels(path, images, columns, table.values)


def _skeleton(files: Sequence[_Labels], root: Path | None) -> Skeleton:
    """The keypoints of all animals of all files, in the order in which they are met."""
    names = tuple(dict.fromkeys(name for file in files for name in _keypoints(file)))
    for file in files:
        if absent := [name for name in names if name not in _keypoints(file)]:
            warnings.warn(
                f"{file.path} has no column of {', '.join(absent)}; they count as not labelled "
                "there.",
                stacklevel=2,
            )
    if is_animal17(names):
        return ANIMAL17
    return Skeleton(names, limbs=limbs_of(root, names))


def _keypoints(file: _Labels) -> list[str]:
    """The keypoints of a file's animals."""
    animals = set(file.individuals)
    return list(dict.fromkeys(name for one, name, _ in file.columns if one in animals))


def _warn_of_places(file: _Labels) -> None:
    """Say how many keypoints that belong to no animal are left out."""
    animals = set(file.individuals)
    spots = [
        i for i, (one, _, axis) in enumerate(file.columns) if one not in animals and axis == "x"
    ]
    if count := int((~np.isnan(file.values[:, spots])).sum()):
        names = ", ".join(dict.fromkeys(file.columns[i][1] for i in spots))
        warnings.warn(
            f"{file.path}: {count} keypoints of no animal ({names}) are left out.", stacklevel=2
        )


def _animals(file: _Labels, skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of one file: frame (from 0), keypoints (N, K, 3) and track."""
    place = {column: index for index, column in enumerate(file.columns)}
    individuals = file.individuals
    spelt = tidy_keypoint if skeleton is ANIMAL17 else str
    keypoint_of = {name: number for number, name in enumerate(skeleton.names)}
    _warn_of_places(file)
    frames, keypoints, tracks = [], [], []
    for track, individual in zip(track_numbers(individuals), individuals, strict=True):
        xy = np.full((len(file.images), len(skeleton), 2), np.nan)
        third = np.full(xy.shape[:2], 2.0)
        for one, name, axis in file.columns:
            if one == individual and axis == "x":
                keypoint = keypoint_of[spelt(name)]
                for side, letter in enumerate("xy"):
                    xy[:, keypoint, side] = file.values[:, place[one, name, letter]]
                if (column := place.get((one, name, "likelihood"))) is not None:
                    third[:, keypoint] = np.nan_to_num(file.values[:, column])
        there = ~np.isnan(xy).any(axis=2) & (third > 0)
        rows = np.flatnonzero(there.any(axis=1))
        full = np.where(there[..., None], np.concatenate([xy, third[..., None]], axis=2), 0)
        frames.append(rows)
        keypoints.append(full[rows])
        tracks.append(np.full(len(rows), track))
    if not frames:
        return np.zeros(0, int), np.zeros((0, len(skeleton), 3)), np.zeros(0, int)
    order = np.argsort(np.concatenate(frames), kind="stable")
    return (
        np.concatenate(frames)[order],
        np.concatenate(keypoints)[order],
        np.concatenate(tracks)[order],
    )


def _numbers(names: Sequence[str]) -> list[int]:
    """The number that ends each image's name, as in `img0123.png`; -1 where there is none."""
    found = [re.search(r"([0-9]{1,18})\.\w+$", name) for name in names]
    return [int(match[1]) if match else -1 for match in found]


def _root(file: _Labels) -> Path | None:
    """The folder above the file that the names of the images start from."""
    for folder in list(file.path.resolve().parents)[:5]:
        if any(is_file(folder / name) for name in file.images[:5]):
            return folder
    return None
