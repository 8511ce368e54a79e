"""GOT-10k result folders: what GOT-10k's evaluation server takes, zipped."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aptv2.datasets.got10k_results import clip_frames, clip_names
from aptv2.errors import InputError
from aptv2.export.folders import new_folder
from aptv2.tables import PoseTable


def write_got10k_results(
    table: PoseTable, folder: str | Path, seconds: np.ndarray | None = None
) -> None:
    """Write `<clip>/<clip>_001.txt` and `<clip>/<clip>_time.txt` for every clip.

    Parameters
    ----------
    table
        One animal a clip, with a box in every frame, as `follow_annotated` gives it. A clip is
        called by the folder of its images.
    folder
        The new folder.
    seconds
        (F,): what the tracker took for each frame of the table; without it the files of times
        are left out, which the server wants.

    Raises
    ------
    InputError
        Where a clip has frames without a box or with two, or two clips have the same name; or
        where the folder is there already or cannot be written.
    """
    names = clip_names(table)
    row_of = np.full(len(table.frames), -1)
    row_of[table.frame] = np.arange(len(table))
    counts = np.bincount(table.frame, minlength=len(table.frames))
    for clip, name in names.items():
        frames = clip_frames(table, clip)
        if (counts[frames] != 1).any() or np.isnan(table.boxes[row_of[frames]]).any():
            raise InputError(
                f"{folder}: clip {name} has frames without a box or with several; GOT-10k's "
                "results have one box per frame, so test one animal per clip."
            )
    with new_folder(folder) as temporary:
        for clip, name in names.items():
            frames = clip_frames(table, clip)
            (temporary / name).mkdir()
            lines = [",".join(f"{side:.3f}" for side in box) for box in table.boxes[row_of[frames]]]
            (temporary / name / f"{name}_001.txt").write_text("\n".join(lines) + "\n")
            if seconds is not None:
                times = "\n".join(f"{value:.8f}" for value in seconds[frames])
                (temporary / name / f"{name}_time.txt").write_text(times + "\n")
