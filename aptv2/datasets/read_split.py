"""The annotated animals of a split: of a release, a folder a split, or labels of one's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from aptv2.datasets import annotation_files, read_annotations, read_coco
from aptv2.datasets.aptv2 import together
from aptv2.datasets.records import check_there
from aptv2.datasets.splits import Subset, split_by_clip, subset
from aptv2.datasets.yolo import is_yolo
from aptv2.errors import InputError
from aptv2.tables import PoseTable

Split = Literal["train", "val", "test"]


def read_split(data: str | Path, split: Split = "val", which: Subset = "all") -> PoseTable:
    """The annotated animals of a split.

    Parameters
    ----------
    data
        An APTv2 release in either layout; or a folder with an annotation file or a folder a
        split, named after it (`val.json`, `annotations/person_keypoints_val.json`, `val/`); or one
        annotation file of any format, which is taken whole; or labels of one's own in any format,
        see :func:`own_split`.
    split, which
        Which part of it.

    Raises
    ------
    InputError
        Where the split is not there, a file is wrong, or the images are not there.
    """
    if split not in get_args(Split):
        raise InputError(f"there is no split '{split}'; give one of {', '.join(get_args(Split))}.")
    root = Path(data)
    check_there(root)
    files = {} if root.is_file() else annotation_files(root)
    own_file = files.get(f"{split}_{which}")
    if root.is_file():
        table = read_annotations(root)
    elif own_file:
        table = read_coco(own_file, _images(root))
    else:
        table = _of_folder(root, files, split)
    if table.root is None or not table.root.is_dir():
        raise InputError(
            f"{root}: the images that its annotations name are not there; put them beside the "
            "annotations, or in data/ of an APTv2 release."
        )
    return table if own_file else subset(table, which)


def _of_folder(root: Path, files: dict[str, Path], split: Split) -> PoseTable:
    whole = [files[split]] if split in files else []
    parts = whole or [files[name] for name in (f"{split}_easy", f"{split}_hard") if name in files]
    if parts:
        return together([read_coco(path, _images(root)) for path in parts], parts)
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


def own_split(table: PoseTable, split: Split) -> PoseTable:
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


def _images(root: Path) -> Path | None:
    """Where a release keeps its images, unless they lie where a COCO file's are looked for."""
    return root / "data" if (root / "data").is_dir() else None
