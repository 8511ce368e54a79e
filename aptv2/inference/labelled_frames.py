"""The labelled frames of videos as images: what training and annotation tools ask for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from aptv2.datasets.sleap_pictures import has_pictures, read_pictures
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
        Labels of videos, such as corrected tracks; its root is the video, a file or a folder of
        images, or the folder of several videos, or a SLEAP file that holds the pictures.
    folder
        A new folder: `images/<video>_<frame number>.png`, of several videos
        `images/<video>/<frame number>.png`, and `annotations.json`.

    Returns
    -------
    int
        The number of images.

    Raises
    ------
    InputError
        Where a video is not known or cannot be read, is shorter or of another size than the labels
        say, no frame has a label, or the folder cannot be written.
    """
    root = table.root
    packed = root is not None and has_pictures(root)
    if any(table.frames.names) and not packed:
        raise InputError(f"{root or 'The labels'}: the frames are images already; use them.")
    clips = np.unique(table.frames.clips)
    if root is None or (len(clips) > 1 and not (table.videos or packed)):
        raise InputError("The video of the labels is not beside them; give the one with --video.")
    table = table.with_frames(np.unique(table.frame))
    if len(table.frames) == 0:
        raise InputError(f"{root}: its labels name no frames; label some first.")
    names, sizes = _names(table, root), table.frames.sizes.copy()
    with new_folder(folder) as temporary:
        for clip in np.unique(table.frames.clips).tolist():
            rows = np.flatnonzero(table.frames.clips == clip)
            for row, image in _pictures(table, rows, clip, packed):
                sizes[row] = image.shape[1::-1]
                path = temporary / "images" / names[row]
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path)
        frames = replace(table.frames, names=names, sizes=sizes)
        labels = replace(table, frames=frames, root=None, videos={})
        write_coco_labels(labels, temporary / "annotations.json")
    return len(names)


def _names(table: PoseTable, root: Path) -> np.ndarray:
    if any(table.video_names) or any(table.frames.names):
        return table.image_names
    names = [f"{root.stem}_{index:06d}.png" for index in table.frames.indices.tolist()]
    return np.array(names, object)


def _pictures(
    table: PoseTable, rows: np.ndarray, clip: int, packed: bool
) -> Iterator[tuple[int, np.ndarray]]:
    """The wanted frames of one video, by their rows in the table."""
    assert table.root is not None
    indices = table.frames.indices[rows]
    video = table.root
    if clip in table.videos:
        video = (video.parent if packed else video) / table.videos[clip]
    if indices.min() < 0 or len(np.unique(indices)) < len(indices):
        raise InputError(f"{video}: its labels name no frames, or one twice; correct them.")
    row_of = dict(zip(indices.tolist(), rows.tolist(), strict=True))
    if packed:
        frames = read_pictures(table.root, clip)
    else:
        if not video.exists():
            raise InputError(f"{video} is not there, but has labels; put it beside them.")
        frames = ((frame.index, frame.image) for frame in open_video(video))
    for index, image in frames:
        if (row := row_of.pop(index, None)) is not None:
            size, said = image.shape[1::-1], table.frames.sizes[row]
            if (said > 0).all() and tuple(said) != size:
                raise InputError(
                    f"{video} has frames of {size[0]}x{size[1]} pixels, its labels are of "
                    f"{said[0]}x{said[1]}; give the video that was labelled."
                )
            yield row, image
        if not row_of:
            return
    raise InputError(f"{video} ends before the labelled frame {min(row_of)}.")
