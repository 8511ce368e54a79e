"""The layout of the APTv2 release: `annotations/` beside `data/{easy,hard}/<species>/<clip>/`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from aptv2.datasets.splits import clips_of
from aptv2.export.coco import lost_in_coco, write_coco
from aptv2.export.folders import new_folder, place_images
from aptv2.tables import PoseTable

_RELEASED = re.compile(r"(easy|hard)/\d+[^/\\]+/[^/\\]+/[^/\\]+")


def write_aptv2(
    tables: Mapping[str, PoseTable], folder: str | Path, images: str = "copy"
) -> list[str]:
    """Write `annotations/<split>_annotations.json` and `data/` as the APTv2 release has them.

    Parameters
    ----------
    tables
        Split (`train`, `val`, `test`) -> its animals.
    folder
        A new folder.
    images
        "copy", "link" or "none"; see :func:`aptv2.export.folders.place_images`.

    Returns
    -------
    list of str
        What changes, a sentence each.

    Raises
    ------
    InputError
        Where the folder cannot be written.

    Notes
    -----
    Images that do not lie in such folders already get new names; a clip whose frames hold two
    animals or more on average is then hard, which is near to how the release divides them.
    """
    losses: dict[str, None] = {}
    with new_folder(folder) as temporary:
        placed: dict[str, str] = {}
        for split, table in tables.items():
            names = released_names(table)
            if any(new != old for new, old in zip(names, table.frames.names, strict=True)):
                losses["Images have new names, as the folders of APTv2 ask for."] = None
            placed |= dict(zip(names, table.frames.names, strict=True))
            named = replace(table, frames=replace(table.frames, names=names))
            write_coco(named, temporary / "annotations" / f"{split}_annotations.json")
            losses |= dict.fromkeys(lost_in_coco(table))
        (temporary / "data").mkdir()
        root = next(iter(tables.values())).root
        if missing := place_images(root, temporary / "data", placed, images):
            losses[f"Images that are not there: {missing}; put them into data/."] = None
    return list(losses)


def released_names(table: PoseTable) -> np.ndarray:
    """File names as in APTv2, object (F,): `easy/10gorilla/v12/0000.jpg`.

    All stay as they are where they are of this form. Otherwise frames are numbered by index in
    their clip; those of no clip are numbered through for each species, in the folder `stills`.
    """
    frames = table.frames
    if len(frames) and all(_RELEASED.fullmatch(name) for name in frames.names):
        return frames.names
    clips = clips_of(table)
    count = int(clips.max(initial=-1)) + 1
    in_frame = np.bincount(table.frame, minlength=len(frames))
    animals = np.bincount(clips, in_frame, minlength=count)
    crowding = animals / np.maximum(np.bincount(clips, in_frame > 0, minlength=count), 1)
    species = np.full(count, -1)
    keys, sizes = np.unique(
        np.stack([clips[table.frame], table.species]), axis=1, return_counts=True
    )
    for pair in np.argsort(sizes, kind="stable"):  # the most frequent comes last
        species[keys[0, pair]] = keys[1, pair]
    names = np.empty(len(frames), object)
    used: dict[str, int] = {}
    for row in np.lexsort((frames.indices, clips)):
        clip, key = clips[row], int(species[clips[row]])
        tree = "hard" if crowding[clip] >= 2 else "easy"
        name = re.sub(r"[^\w-]", "", table.categories.get(key, "animal")) or "animal"
        inner = "stills" if frames.clips[row] == -1 else f"v{frames.clips[row]}"
        place = f"{tree}/{max(key, 0)}{name}/{inner}"
        number = used[place] = used.get(place, -1) + 1
        suffix = PurePosixPath(frames.names[row].replace("\\", "/")).suffix or ".jpg"
        names[row] = f"{place}/{number:04d}{suffix}"
    return names
