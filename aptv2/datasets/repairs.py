"""Faults of released annotations that have one right answer, and are put right on reading.

APTv2's own files repeat a few records of one track in one frame, hold placeholders of zeros for
animals that are not there, may give every image the same size, and name folders as one of its two
trees spells them. Whatever is changed is counted in a warning. `aptv2 data check` reads the files
as they are and lists every record.
"""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from aptv2.datasets.splits import DIFFICULTIES
from aptv2.errors import InputError
from aptv2.images import image_size
from aptv2.species import SPECIES, canonical, of_folder
from aptv2.tables import PoseTable


def repaired(table: PoseTable, path: str | Path) -> PoseTable:
    """A table without the known faults of released annotations.

    Parameters
    ----------
    table
        Annotations. Only those that list APTv2's 30 species, as the release and APT-36K do, are
        changed, and no predictions, which have scores. Readers do not pass files that this
        package wrote.
    path
        Their source, for the warnings.

    Returns
    -------
    PoseTable
        Of several records of one track in one frame only the one with the most keypoints, of equal
        ones the largest; no placeholders, which are tracked records without keypoints whose box
        has no area; file names in the spelling of the folders on this disk; the size of the
        image file where all images of its clip are listed with another one.

    Warns
    -----
    UserWarning
        If something is changed; it says how much.
    """
    listed = {canonical(name) for name in table.categories.values()}
    if not listed >= set(SPECIES) or not np.isnan(table.scores).all():
        return table
    return _with_image_sizes(as_on_disk(_once(_without_placeholders(table, path), path)), path)


def placeholders(table: PoseTable) -> np.ndarray:
    """bool (N,): tracked records without keypoints whose box has no area."""
    empty = (table.boxes[:, 2:] <= 0).any(axis=1)
    return (table.tracks >= 0) & (table.num_keypoints == 0) & empty


def repeats(table: PoseTable) -> np.ndarray:
    """bool (N,): records of a track in a frame that has a better one, all but the one to keep."""
    again = np.zeros(len(table), bool)
    tracked = np.flatnonzero((table.tracks >= 0) & (table.frames.clips[table.frame] != -1))
    if not len(tracked):
        return again
    areas = np.nan_to_num(table.boxes[tracked, 2:].prod(axis=1))
    # Stable, so that of equal records the first stays.
    best = np.lexsort((-areas, -table.num_keypoints[tracked]))
    keys = np.stack([table.frame[tracked], table.tracks[tracked]])[:, best]
    first = np.unique(keys, axis=1, return_index=True)[1]
    again[np.delete(tracked[best], first)] = True
    return again


def _without_placeholders(table: PoseTable, path: str | Path) -> PoseTable:
    empty = placeholders(table)
    if not empty.any():
        return table
    _warn(f"{path}: {empty.sum()} placeholders without a box and keypoints are left out.")
    return table[~empty]


def _once(table: PoseTable, path: str | Path) -> PoseTable:
    again = repeats(table)
    if not again.any():
        return table
    _warn(
        f"{path}: {again.sum()} records repeat a track in a frame; the one with the most keypoints "
        "is kept."
    )
    return table[~again]


def as_on_disk(table: PoseTable) -> PoseTable:
    """The table with file names as the disk spells folders such as `easy/11spider-monkey`.

    Parameters
    ----------
    table
        Annotations with `root`, the folder of the images. Where that is not there, or no folder
        of the same species is, a name stays as it is.
    """
    if table.root is None or not table.root.is_dir():
        return table
    names = table.frames.names
    parts = [PurePosixPath(name).parts[:2] for name in names]
    stored = {
        (tree, folder): _stored(table.root / tree, folder)
        for tree, folder in {part for part in parts if len(part) == 2}
        if tree in DIFFICULTIES
    }
    if all(folder == other for (_, folder), other in stored.items()):
        return table
    moved = [
        name.replace(f"{part[0]}/{part[1]}/", f"{part[0]}/{stored[part]}/", 1)
        if part in stored
        else name
        for name, part in zip(names, parts, strict=True)
    ]
    return replace(table, frames=replace(table.frames, names=np.array(moved, names.dtype)))


def _stored(tree: Path, folder: str) -> str:
    """The name on this disk of a species' folder; as it is where there is none."""
    if (tree / folder).is_dir() or not tree.is_dir():
        return folder
    same = [path.name for path in tree.iterdir() if of_folder(path.name) == of_folder(folder)]
    return same[0] if len(same) == 1 else folder


def _with_image_sizes(table: PoseTable, path: str | Path) -> PoseTable:
    """Sizes of the image files, a clip's after the first one that shows an animal."""
    frames, root = table.frames, table.root
    if root is None or not root.is_dir():
        return table
    shown = np.unique(table.frame)
    known = (frames.clips[shown] != -1) & (frames.sizes[shown] > 0).all(axis=1)
    _, first_rows = np.unique(frames.clips[shown[known]], return_index=True)
    sizes, wrong = frames.sizes.copy(), 0
    for frame in shown[known][first_rows].tolist():
        with contextlib.suppress(InputError):  # a missing image is reported when it is needed
            found = image_size(root / frames.names[frame])
            same = (frames.clips == frames.clips[frame]) & (
                frames.sizes == frames.sizes[frame]
            ).all(axis=1)
            if tuple(frames.sizes[frame].tolist()) != tuple(found):
                sizes[same] = found
                wrong += int(same.sum())
    if not wrong:
        return table
    _warn(f"{path}: {wrong} images are listed with a wrong size; the size of the files is used.")
    return replace(table, frames=replace(frames, sizes=sizes))


def _warn(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=4)
