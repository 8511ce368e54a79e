"""TrackingNet folders: one tracked object a clip, a box a frame.

Layout as TrackingNet publishes it (Müller et al., 2018): chunks `TRAIN_0` to `TRAIN_11` and
`TEST`, each with `anno/<clip>.txt` (x,y,w,h a line; the first alone in `TEST`) and
`frames/<clip>/<number>.jpg`, numbered from 0. Classes are not given.
"""

from __future__ import annotations

from pathlib import Path

from aptv2.datasets.clips import Clip, read_boxes, read_images, table_of
from aptv2.datasets.names import entries, subfolders
from aptv2.errors import InputError
from aptv2.tables import PoseTable


def is_trackingnet(folder: Path) -> bool:
    """True if a folder is a chunk of TrackingNet or holds some."""
    return bool(_chunks(folder))


def read_trackingnet(folder: str | Path) -> PoseTable:
    """Read one chunk, or all chunks in a folder, as one table.

    Clips are numbered from 1 in the order of their names and the object is track 1 of each. A
    frame whose box has no area stays as a frame without a row. Clips whose frames are not
    unpacked are left out, as chunks are mostly fetched in part.

    Raises
    ------
    InputError
        Where there is no clip with frames, or a label file is broken or does not fit the number
        of images.
    """
    folder = Path(folder)
    clips = [clip for chunk in _chunks(folder) for clip in _read_chunk(chunk, folder)]
    if not clips:
        raise InputError(f"{folder} holds no anno/<clip>.txt with images in frames/<clip>/.")
    return table_of(folder, clips)


def _chunks(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    places = [folder] if _is_chunk(folder) else subfolders(folder)
    return [one for one in places if _is_chunk(one)]


def _is_chunk(folder: Path) -> bool:
    return (folder / "anno").is_dir() and (folder / "frames").is_dir()


def _read_chunk(chunk: Path, root: Path) -> list[Clip]:
    clips = []
    for name in entries(chunk / "anno"):
        frames = chunk / "frames" / name.removesuffix(".txt")
        if name.endswith(".txt") and frames.is_dir():
            images = read_images(frames, frames.relative_to(root).as_posix())
            clips.append(Clip(images, *read_boxes(chunk / "anno" / name, len(images))))
    return clips
