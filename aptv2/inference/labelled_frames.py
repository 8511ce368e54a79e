"""The labelled frames of a video as images: what training and annotation tools ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from aptv2.errors import InputError
from aptv2.export.coco import write_coco_labels
from aptv2.export.folders import new_folder
from aptv2.tables import PoseTable
from aptv2.video.reader import open_video


def write_labelled_frames(table: PoseTable, folder: str | Path) -> int:
    """Write the frames that hold animals as PNG, and the animals as COCO keypoints.

    Parameters
    ----------
    table
        Labels of one video, such as corrected tracks; its root is the video, a file or a folder
        of images.
    folder
        A new folder: `images/<video>_<frame number>.png` and `annotations.json`.

    Returns
    -------
    int
        The number of images.

    Raises
    ------
    InputError
        Where the video is not known or cannot be read, is shorter or of another size than the
        labels say, no frame has a label, or the folder cannot be written.
    """
    video = table.root
    if any(table.frames.names):
        raise InputError(f"{video or 'The labels'}: the frames are images already; use them.")
    if video is None or len(np.unique(table.frames.clips)) > 1:
        raise InputError("The video of the labels is not beside them; give the one with --video.")
    used = np.unique(table.frame)
    table = table.with_frames(used)
    indices = table.frames.indices
    if len(indices) == 0 or indices.min() < 0 or len(np.unique(indices)) < len(indices):
        raise InputError(f"{video}: its labels name no frames, or one twice; correct them.")
    row_of = {index: row for row, index in enumerate(indices.tolist())}
    names, sizes = table.frames.names.copy(), table.frames.sizes.copy()
    with new_folder(folder) as temporary:
        (temporary / "images").mkdir()
        for frame in open_video(video):
            row = row_of.pop(frame.index, None)
            if row is not None:
                size = frame.image.shape[1::-1]
                if (sizes[row] > 0).all() and tuple(sizes[row]) != size:
                    raise InputError(
                        f"{video} has frames of {size[0]}x{size[1]} pixels, its labels are of "
                        f"{sizes[row, 0]}x{sizes[row, 1]}; give the video that was labelled."
                    )
                names[row], sizes[row] = f"{video.stem}_{frame.index:06d}.png", size
                Image.fromarray(frame.image).save(temporary / "images" / names[row])
            if not row_of:
                break
        if row_of:
            raise InputError(f"{video} ends before the labelled frame {min(row_of)}.")
        frames = replace(table.frames, names=names, sizes=sizes)
        write_coco_labels(replace(table, frames=frames, root=None), temporary / "annotations.json")
    return len(names)
