"""MOT Challenge text: one box a line, the input of most tools that score tracking."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.tables import PoseTable


def write_mot(table: PoseTable, path: str | Path) -> None:
    """Write the tracked boxes of one clip: `frame,id,left,top,width,height,score,-1,-1,-1`.

    Frames count from 1, as MOT Challenge has it; a missing score is written as 1. Animals without
    a box or a track number are left out: the format cannot hold them, nor keypoints.

    Raises
    ------
    InputError
        Where the table holds more than one clip, or the file cannot be written.
    """
    frames = table.frames
    if len(np.unique(frames.clips)) > 1:
        raise InputError(f"{path} can hold only one clip; export each clip to a file of its own.")
    known = len(frames) > 0 and frames.indices.min() >= 0
    numbers = 1 + (frames.indices if known else np.arange(len(frames)))
    tracked = (table.tracks != -1) & ~np.isnan(table.boxes).any(axis=1)
    scores = np.where(np.isnan(table.scores), 1.0, table.scores)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in np.lexsort((table.tracks, numbers[table.frame])):
            if tracked[row]:
                box = ",".join(f"{side:.3f}" for side in table.boxes[row])
                frame, track = numbers[table.frame[row]], table.tracks[row]
                file.write(f"{frame},{track},{box},{scores[row]:.4f},-1,-1,-1\n")
