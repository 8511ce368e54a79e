"""The APTv2 release: its annotation files by split, and a whole release as one table.

Images lie at `ROOT/data/{easy,hard}/<number><species>/<clip>/NNNN.jpg`. Annotations come in two
layouts: `annotations/` with `{train,val,test}_annotations.json`,
`{val,test}_annotations_{easy,hard}.json` and the folders `fewshot/`, `leaveoneout_*/` and
`tracking/`; or, as the official configurations read them, `annotations_easy/` and
`annotations_hard/` with `{train,val,test}_annotations.json` in each. Every file is COCO
(:mod:`aptv2.datasets.coco`) and lists all images of the release: a split is its annotations.
A release may also lie one folder deeper, as `APTv2/APTv2`. Known faults of its annotations are put
right on reading (:mod:`aptv2.datasets.repairs`).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from aptv2.datasets.coco import is_own, parse_coco
from aptv2.datasets.names import walk
from aptv2.datasets.records import load_json
from aptv2.datasets.repairs import repaired
from aptv2.datasets.splits import DIFFICULTIES
from aptv2.errors import InputError
from aptv2.tables import Frames, PoseTable

_SPLITS = ("train", "val", "test")
_FOLDERS = {"annotations": "", "annotations_easy": "_easy", "annotations_hard": "_hard"}


def annotation_files(root: str | Path) -> dict[str, Path]:
    """The annotation files of a release, by name of the split.

    Parameters
    ----------
    root
        The folder that holds `data/` and the annotation folders, or the one above it.

    Returns
    -------
    dict
        `train`, `val`, `test` and `train_easy` to `test_hard` as far as they are there, then what
        the inner folders hold by its path: `fewshot/<file>`, `leaveoneout_train70/<file>`,
        `tracking/<file>`. `_annotations` and `.json` are left out of a name. Where both layouts
        are there, `annotations/` is taken.

    Raises
    ------
    InputError
        Where the annotation folders cannot be read.
    """
    found: dict[str, Path] = {}
    place = release_folder(Path(root)) or Path(root)
    for folder_name, ending in _FOLDERS.items():
        folder = place / folder_name
        if not folder.is_dir():
            continue
        for current, names in walk(folder):
            for name in names:
                if name.endswith(".json"):
                    stem = name.removesuffix(".json").replace("_annotations", "") + ending
                    inner = (current.relative_to(folder) / stem).as_posix()
                    found.setdefault(inner, current / name)
    order = [split + part for part in ("", "_easy", "_hard") for split in _SPLITS]
    first = {name: found.pop(name) for name in order if name in found}
    return first | found


def is_aptv2_root(folder: Path) -> bool:
    """True if a folder is an APTv2 release, or holds one as `APTv2` or as its only folder."""
    return release_folder(folder) is not None


def release_folder(folder: Path) -> Path | None:
    """The folder with the annotations of a release: `folder` or one in it; None for none."""
    inner = [path for path in _folders(folder) if path.name not in ("data", *_FOLDERS)]
    named = [path for path in inner if path.name.lower() == "aptv2"]
    places = [folder, *(named or inner[: len(inner) == 1])]
    return next((place for place in places if _has_splits(place)), None)


def images_folder(folder: Path) -> Path | None:
    """The folder that holds `easy/` and `hard/`, else `data/`; None where there is neither.

    Parameters
    ----------
    folder
        A release, or the folder above it.
    """
    place = release_folder(folder) or folder
    data = place / "data"
    places = [data, place, *(inner / "data" for inner in _folders(place)), folder / "data"]
    trees = (path for path in places if any((path / tree).is_dir() for tree in DIFFICULTIES))
    return next(trees, data if data.is_dir() else None)


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _has_splits(folder: Path) -> bool:
    return any(
        (folder / inner / f"{split}_annotations.json").is_file()
        for inner in _FOLDERS
        for split in _SPLITS
    )


def read_release_file(path: Path, root: Path) -> PoseTable:
    """One annotation file of a release, with its known faults put right.

    Parameters
    ----------
    path
        One of :func:`annotation_files`.
    root
        The release.

    Raises
    ------
    InputError
        If the file is wrong.
    """
    document = load_json(path)
    table = parse_coco(document, path, images_folder(root))
    return table if is_own(document) else repaired(table, path)


def read_aptv2(root: str | Path) -> PoseTable:
    """Read a whole release, all splits together, as one table.

    A split is read from its own file, or else from its easy and its hard part. Annotations keep
    their ids; where two splits use the same ids, all get new ones, counted from 1.

    Raises
    ------
    InputError
        Where there is no split file, a file is wrong, or two files say different things of the
        same image or species.
    """
    root = Path(root)
    files = annotation_files(root)
    paths = []
    for split in _SPLITS:
        parts = [
            files[f"{split}_{part}"] for part in ("easy", "hard") if f"{split}_{part}" in files
        ]
        paths += [files[split]] if split in files else parts
    if not paths:
        raise InputError(f"{root} holds no annotations/train_annotations.json, val or test.")
    return together([read_release_file(path, root) for path in paths], paths)


def together(tables: list[PoseTable], paths: list[Path]) -> PoseTable:
    """One table of several that share images and species."""
    first = tables[0]
    categories = dict(first.categories)
    name_of: dict[int, str] = {}
    for table, path in zip(tables, paths, strict=True):
        if table.skeleton != first.skeleton:
            raise InputError(f"{path}: the keypoints are not those of {paths[0]}.")
        for key, species in table.categories.items():
            if categories.setdefault(key, species) != species:
                raise InputError(
                    f'{path}: category {key}: "name" is {species[:80]!r}, '
                    f"but {categories[key][:80]!r} in another split; correct one of them."
                )
        for key, name in zip(table.frames.ids.tolist(), table.frames.names, strict=True):
            if name_of.setdefault(key, name) != name:
                raise InputError(
                    f'{path}: image {key}: "file_name" is {name[:80]!r}, '
                    f"but {name_of[key][:80]!r} in another split; correct one of them."
                )
    stacked = {
        field.name: np.concatenate([getattr(table.frames, field.name) for table in tables])
        for field in dataclasses.fields(Frames)
    }
    _, rows, place = np.unique(stacked["ids"], return_index=True, return_inverse=True)
    frames = Frames(**{name: column[rows] for name, column in stacked.items()})
    starts = np.cumsum([0, *(len(table.frames) for table in tables[:-1])])
    frame = [place[start + table.frame] for start, table in zip(starts, tables, strict=True)]
    rows_of = ("boxes", "keypoints", "scores", "tracks", "species", "areas", "ids", "crowd")
    animals: dict[str, Any] = {
        field: np.concatenate([getattr(table, field) for table in tables]) for field in rows_of
    }
    if len(np.unique(animals["ids"])) < len(animals["ids"]):
        animals["ids"] = np.arange(1, len(animals["ids"]) + 1)
    return PoseTable.make(
        frames,
        np.concatenate(frame),
        **animals,
        skeleton=first.skeleton,
        categories=categories,
        root=first.root,
    )
