"""Any data set that can be read -> COCO, the layout of APTv2, or YOLO pose."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from aptv2.datasets import annotation_files, read_annotations
from aptv2.datasets.aptv2 import is_aptv2_root, read_release_file
from aptv2.errors import InputError
from aptv2.export.aptv2 import write_aptv2
from aptv2.export.coco import lost_in_coco, write_coco
from aptv2.export.folders import IMAGES
from aptv2.export.yolo import write_yolo
from aptv2.tables import PoseTable

TARGETS = ("coco", "aptv2", "yolo")
_SPLITS = ("train", "val", "test")


def convert(source: str | Path, target: str | Path, to: str, images: str = "copy") -> list[str]:
    """Write a data set in another format.

    Parameters
    ----------
    source
        What :func:`aptv2.read_annotations` reads. The splits of an APTv2 release are kept by
        "aptv2" and "yolo"; what has no splits becomes `train`.
    target
        A new file for "coco", a new folder for the others. Nothing is ever overwritten.
    to
        "coco": one COCO keypoint file, the images stay where they are; "aptv2": see
        :func:`aptv2.export.aptv2.write_aptv2`; "yolo": see :func:`aptv2.export.yolo.write_yolo`.
    images
        For the folders: "copy"; "link": a second name for the same file, which takes no room, but
        a change of one is a change of both; or "none".

    Returns
    -------
    list of str
        What the format cannot hold, a sentence each.

    Raises
    ------
    InputError
        Where the source cannot be read, the target is there already, or either cannot be used.
    """
    source, target = Path(source), Path(target)
    for value, known, option in ((to, TARGETS, "--to"), (images, IMAGES, "--images")):
        if value not in known:
            raise InputError(f"{option} {value}: unknown; choose from {', '.join(known)}.")
    if to != "coco":
        return (write_aptv2 if to == "aptv2" else write_yolo)(_splits(source, to), target, images)
    if os.path.lexists(target):
        raise InputError(f"{target} already exists; give the name of a new file.")
    table = read_annotations(source)
    write_coco(table, target)
    losses = lost_in_coco(table)
    if len(_split_files(source)) > 1:
        losses.append("One COCO file holds no splits; convert each split file to keep them.")
    if table.root is not None and any(table.frames.names):
        losses.append(f"The images stay in {table.root}; file names are relative to it.")
    return losses


def _splits(source: Path, to: str) -> dict[str, PoseTable]:
    tables = released_splits(source)
    if not tables:
        return {"train": read_annotations(source)}
    if to == "aptv2":
        return tables
    # Every file of a release lists every image; in YOLO a split is its images.
    used = {split: np.unique(table.frames.ids[table.frame]) for split, table in tables.items()}
    every = np.concatenate(list(used.values()))
    own = {split: np.isin(table.frames.ids, used[split]) for split, table in tables.items()}
    first = next(iter(own))
    own[first] |= ~np.isin(tables[first].frames.ids, every)
    return {split: table.with_frames(own[split]) for split, table in tables.items()}


def released_splits(source: Path) -> dict[str, PoseTable]:
    """The splits that a release has; none where the source is no release."""
    return {split: read_release_file(path, source) for split, path in _split_files(source).items()}


def _split_files(source: Path) -> dict[str, Path]:
    """The files of a release's splits; none where it is no release."""
    if not (source.is_dir() and is_aptv2_root(source)):
        return {}
    files = annotation_files(source)
    return {split: files[split] for split in _SPLITS if split in files}
