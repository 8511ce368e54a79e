"""A small release cut from any data: what `aptv2 bench --miniature` runs on.

Its numbers mean nothing beside the paper's; that everything runs, and how the report looks, does.
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import numpy as np

from aptv2.datasets.read_split import Split, read_split
from aptv2.datasets.splits import clips_of, difficulty_of, few_animals
from aptv2.errors import InputError
from aptv2.export.aptv2 import write_aptv2
from aptv2.files import atomic_write
from aptv2.tables import PoseTable
from aptv2.training.data.pose import usable

SHOTS, SEEDS = (1, 2), 2  # of the low-data track
TRAIN, _VAL = 8, 4  # animals a species
_CLIPS, _FRAMES = 4, 24  # clips that are followed, and frames of each
_DEEP = 3  # folders below the root that data is looked for in


def pose_data(root: Path, folder: Path) -> Path:
    """A release of a few animals of each species, from the first folder with a train and a val.

    Raises
    ------
    InputError
        Where there is no such folder in `root`.
    """
    if not _is_cut(root, folder):
        train, val = _find(root, ("train", "val"))
        parts = {"train": _few(train, TRAIN), "val": _few(val, _VAL)}
        _write(parts, folder, root)
    return folder


def clip_data(root: Path, folder: Path, truth: PoseTable | None = None) -> Path:
    """A release of a few short clips, from the first folder whose val has tracked animals.

    Parameters
    ----------
    root, folder
        Where to look, and the new release.
    truth
        Cut these animals instead.

    Raises
    ------
    InputError
        Where there is no such folder in `root`.
    """
    if not _is_cut(root, folder):
        val = _find(root, ("val",), tracked=True)[0] if truth is None else truth
        _write({"val": _short(val)}, folder, root)
    return folder


def _is_cut(root: Path, folder: Path) -> bool:
    """Whether the release is there, cut from this root and no other."""
    source = _source(folder)
    if not folder.exists() or not source.exists():
        return False
    before = source.read_text(encoding="utf-8")
    if before != str(root.resolve()):
        raise InputError(f"{folder}: was cut from {before}; give another results folder, or that.")
    return True


def _source(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.source")


def _find(root: Path, splits: tuple[Split, ...], tracked: bool = False) -> list[PoseTable]:
    """The splits of the first folder that has them all."""
    for place in _folders(root, _DEEP):
        try:
            tables = [read_split(place, split) for split in splits]
        except InputError:
            continue
        wanted = [
            usable(t) & (~tracked | ((t.tracks >= 0) & (t.frames.clips[t.frame] >= 0)))
            for t in tables
        ]
        if all(some.any() for some in wanted):
            return tables
    what = f"{' and '.join(splits)} with {'tracked ' if tracked else ''}animals"
    raise InputError(f"{root}: no folder in it has annotations of {what}")


def _folders(root: Path, deep: int) -> list[Path]:
    """A folder and those in it, by name, the near ones first; those of a thousand entries not."""
    level, found = [root], [root]
    for _ in range(deep):
        level = [
            path
            for folder in level
            for path in sorted(folder.iterdir())
            if path.is_dir() and not path.name.startswith(".")
        ][:1000]
        found += level
    return found


def _few(table: PoseTable, count: int) -> PoseTable:
    chosen = few_animals(table[usable(table)], count)
    return chosen.with_frames(np.unique(chosen.frame))


def _short(table: PoseTable) -> PoseTable:
    """The first frames of the first clips that show keypoints, as many easy as hard ones."""
    clips = clips_of(table)
    shown = table.frame[usable(table)]
    trees = difficulty_of(table)[shown]
    groups = [np.unique(clips[shown[trees == tree]]).tolist() for tree in np.unique(trees)]
    turns = [clip for turn in zip_longest(*groups) for clip in turn if clip is not None]
    rows = []
    for clip in turns[:_CLIPS]:
        frames = np.flatnonzero(clips == clip)
        frames = frames[np.argsort(table.frames.indices[frames], kind="stable")]
        rows.append(frames[:_FRAMES])
    return table.with_frames(np.sort(np.concatenate(rows)))


def _write(parts: dict[str, PoseTable], folder: Path, root: Path) -> None:
    try:
        if not folder.exists():
            write_aptv2(parts, folder)
    except InputError:
        if not folder.exists():  # else another process was faster
            raise
    with atomic_write(_source(folder)) as temporary:
        temporary.write_text(str(root.resolve()), encoding="utf-8")
