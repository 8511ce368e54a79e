"""GOT-10k result folders: the boxes of a tracker, as GOT-10k's evaluation server takes them.

Layout as GOT-10k's toolkit writes it (Huang, Zhao and Huang, 2019): `<clip>/<clip>_001.txt` with
a line `x,y,width,height` for every frame, of which the first is the box that was given, and
`<clip>/<clip>_time.txt` with the seconds a frame. Trackers that are not deterministic have more
runs, `_002` and so on.
"""

from __future__ import annotations

import warnings
from pathlib import Path, PurePosixPath

import numpy as np

from aptv2.datasets.clips import read_boxes
from aptv2.datasets.names import is_file, subfolders
from aptv2.errors import InputError
from aptv2.tables import PoseTable


def is_got10k_results(path: Path) -> bool:
    """True if a folder holds results of GOT-10k's layout."""
    return path.is_dir() and any(
        is_file(folder / f"{folder.name}_001.txt") for folder in subfolders(path)
    )


def read_got10k_results(folder: str | Path, ground_truth: PoseTable) -> PoseTable:
    """Read a tracker's boxes for the clips of a table.

    Parameters
    ----------
    folder
        The folder with a folder for each clip. What it holds for other clips is left out.
    ground_truth
        The clips, each with one animal, from GOT-10k's, LaSOT's or any other folders; a clip is
        called by the folder of its images.

    Returns
    -------
    PoseTable
        A row for every frame: box, and the track number that the clip's animal has.

    Raises
    ------
    InputError
        Where a clip has no results, more than one animal or a name that appears twice, or where a
        file is broken or has another number of lines than the clip has frames.
    """
    folder = Path(folder)
    rows, boxes, tracks = [], [], []
    for clip, name in clip_names(ground_truth).items():
        path = folder / name / f"{name}_001.txt"
        if not is_file(path):
            raise InputError(f"{folder} has no {name}/{path.name}; give the results of all clips.")
        if is_file(path.with_name(f"{name}_002.txt")):
            warnings.warn(f"{path.parent} holds several runs; the first is read.", stacklevel=2)
        frames = clip_frames(ground_truth, clip)
        found, _ = read_boxes(path, len(frames))
        if len(found) != len(frames):
            raise InputError(f"{path}: lines {len(found)}, frames {len(frames)}; give one a frame.")
        rows.append(frames)
        boxes.append(found)
        tracks.append(np.full(len(frames), only_track(ground_truth, clip, name)))
    return PoseTable.make(
        ground_truth.frames,
        np.concatenate([np.empty(0, int), *rows]),
        boxes=np.concatenate([np.empty((0, 4)), *boxes]),
        tracks=np.concatenate([np.empty(0, int), *tracks]),
        keypoints=np.zeros((sum(map(len, rows)), len(ground_truth.skeleton), 3)),
        skeleton=ground_truth.skeleton,
        root=ground_truth.root,
    )


def clip_names(table: PoseTable) -> dict[int, str]:
    """The name of each clip: that of the folder of its images, above LaSOT's `img`.

    Raises
    ------
    InputError
        Where two clips have the same.
    """
    names: dict[int, str] = {}
    clips, first = np.unique(table.frames.clips, return_index=True)
    for clip, row in zip(clips.tolist(), first.tolist(), strict=True):
        inner = [
            part for part in PurePosixPath(table.frames.names[row]).parts[:-1] if part != "img"
        ]
        name = inner[-1] if inner else Path(table.root or ".").resolve().name
        if name in names.values():
            raise InputError(
                f"{table.root}: two clips are called {name}, which GOT-10k's results cannot keep "
                "apart; give one split at a time."
            )
        names[clip] = name
    return names


def clip_frames(table: PoseTable, clip: int) -> np.ndarray:
    """int64: the frames (rows) of a clip in their order."""
    frames = np.flatnonzero(table.frames.clips == clip)
    return frames[np.argsort(table.frames.indices[frames], kind="stable")]


def only_track(table: PoseTable, clip: int, name: str) -> int:
    """The track number of a clip's one animal.

    Raises
    ------
    InputError
        Where it has none or several.
    """
    tracks = np.unique(table.tracks[table.frames.clips[table.frame] == clip])
    if len(tracks) != 1:
        raise InputError(
            f"{table.root}: clip {name} has {len(tracks)} animals; GOT-10k's results are of one."
        )
    return int(tracks[0])
