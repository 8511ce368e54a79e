"""Finding the tracks of a video, and the video of tracks."""

from __future__ import annotations

from pathlib import Path

from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.tables import PoseTable
from aptv2.video.reader import open_video
from aptv2.video.sources import VideoSource

TRACKS_SUFFIX = ".tracks.json"


def tracks_file(path: Path) -> Path:
    """The tracks that a path means: itself, or the only ones in a folder.

    Raises
    ------
    InputError
        Where a folder holds several.
    """
    path = path.expanduser()
    found = sorted(path.glob(f"*{TRACKS_SUFFIX}")) if path.is_dir() else []
    if len(found) > 1:
        names = ", ".join(file.name for file in found[:5])
        raise InputError(f"{path}: holds {len(found)} results; give one of them: {names}")
    return found[0] if found else path


def read_result(path: Path, video: Path | None) -> tuple[PoseTable, VideoSource | None]:
    """Tracks of one video, and the video where it is found.

    Raises
    ------
    InputError
        Where they cannot be read, are of several videos, or `video` cannot be read.
    """
    path = tracks_file(path)
    table = read_annotations(path)
    if len(set(table.frames.clips.tolist())) > 1:
        raise InputError(f"{path}: holds several clips; give the tracks of one video.")
    if video is not None:
        return table, open_video(video)
    beside = table.root
    if beside is None or (beside.is_dir() and not any(table.frames.names)):
        return table, None
    return table, open_video(beside)
