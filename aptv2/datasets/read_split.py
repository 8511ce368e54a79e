"""The annotated animals of a split: of a release, a folder a split, or labels of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from aptv2.datasets import annotation_files, read_annotations
from aptv2.datasets.aptv2 import read_release_file, together
from aptv2.datasets.records import check_there
from aptv2.datasets.splits import Subset, split_by_clip, subset
from aptv2.datasets.yolo import is_yolo
from aptv2.errors import InputError
from aptv2.tables import PoseTable

Split = Literal["train", "val", "test"]


def read_split(data: str | Path, split: str = "val", which: Subset = "all") -> PoseTable:
    """The annotated animals of a split.

    Parameters
    ----------
    data
        An APTv2 release in either layout; or a folder with an annotation file or a folder a
        split, named after it (`val.json`, `annotations/person_keypoints_val.json`, `val/`); or one
        annotation file of any format, which is taken whole; or labels of one's own in any format,
        see :func:`own_split`.
    split
        train, val or test; or of a release any of its annotation files, by its name of
        :func:`aptv2.datasets.annotation_files` or its path: "fewshot/train_5shot",
        "annotations/fewshot/train_5shot.json".
    which
        Part of it.

    Raises
    ------
    InputError
        Where the split is not there, a file is wrong, or the images are not there.
    """
    root = Path(data)
    check_there(root)
    files = {} if root.is_file() else annotation_files(root)
    named = split_name(root, files, split)
    if named is None and split not in get_args(Split):
        known = ", ".join([*get_args(Split), *(n for n in files if n not in get_args(Split))])
        raise InputError(f"{root}: there is no split '{split}'; give one of {known}.")
    own_file = files.get(f"{named or split}_{which}")
    if root.is_file():
        table = read_annotations(root)
    elif own_file:
        table = read_release_file(own_file, root)
    elif named:
        table = read_release_file(files[named], root)
    else:
        table = _of_folder(root, files, split)
    if table.root is None or not table.root.is_dir():
        raise InputError(
            f"{root}: the images that its annotations name are not there; put them beside the "
            "annotations, or in data/ of an APTv2 release."
        )
    return table if own_file else subset(table, which)


def split_name(root: Path, files: Mapping[str, Path], split: str) -> str | None:
    """The name in `files` of a split that is given by name or by path; None where it has none.

    Parameters
    ----------
    root
        The release that a path may start from.
    files
        As :func:`aptv2.datasets.annotation_files` returns them.
    split
        A name, with or without `_annotations` and `.json`, or a path.
    """
    short = split.removesuffix(".json").replace("_annotations", "")
    if short in files:
        return short
    paths = {path.resolve() for path in (root / split, Path(split)) if path.is_file()}
    return next((name for name, path in files.items() if path.resolve() in paths), None)


def _of_folder(root: Path, files: dict[str, Path], split: str) -> PoseTable:
    parts = [files[name] for name in (f"{split}_easy", f"{split}_hard") if name in files]
    if parts:
        return together([read_release_file(path, root) for path in parts], parts)
    places = [root, root / "annotations"]
    found = {path for place in places for path in place.glob("*.json")}
    named = sorted(path for path in found if split in path.stem.lower().split("_"))
    if len(named) == 1:
        return read_annotations(named[0])
    if (root / split).exists() and not is_yolo(root):
        return read_annotations(root / split)
    splits = set(get_args(Split))
    if any(splits & set(name.lower().split("_")) for name in [*files, *(p.stem for p in found)]):
        names = ", ".join(sorted(path.stem for path in found)[:9])
        raise InputError(
            f"{root} holds no annotations of {split} ({names}); give a folder with them."
        )
    return own_split(read_annotations(root), split)


def own_split(table: PoseTable, split: str) -> PoseTable:
    """The animals of a split of labels that come as one.

    Images in folders called train, val (or valid, validation) and test stay there. Otherwise one
    clip of five is val, or, where that leaves none, one image of five; the same ones every time.

    Raises
    ------
    InputError
        Where nothing is labelled, or there is no such split.
    """
    table = table.with_keypoint_boxes()
    table = table[table.num_keypoints > 0]
    folders = _split_folders(table)[table.frame]
    if {"train", "val"} <= set(folders.tolist()):
        chosen = table[folders == split]
    else:
        parts = split_by_clip(table, (4, 1))
        if not all(len(part) for part in parts):
            loose = replace(table.frames, clips=np.full(len(table.frames), -1))
            parts = split_by_clip(replace(table, frames=loose), (4, 1))
        chosen = dict(zip(("train", "val"), parts, strict=True)).get(split, table[:0])
    if not len(chosen):
        raise InputError(
            f"{table.root}: {len(table)} labelled animals, none of which is for {split}."
        )
    return chosen


def _split_folders(table: PoseTable) -> np.ndarray:
    """str (F,): the split that a frame's folder is named after, "" where it is none."""
    names = {**{split: split for split in get_args(Split)}, "valid": "val", "validation": "val"}
    folders = [name.replace("\\", "/").lower().split("/")[:-1] for name in table.frames.names]
    return np.array([next((names[f] for f in path if f in names), "") for path in folders], "U5")
