"""What a video is to the rest of the package, and which videos a command line means."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from aptv2.errors import InputError
from aptv2.images import IMAGE_SUFFIXES, page_sizes

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
    | {".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".ogv", ".gif", ".dv", ".mxf", ".vob"}
    | {".m2v", ".h264", ".264", ".h265", ".hevc", ".mjpeg", ".mjpg"}
)
OVERLAY_SUFFIX = ".pose.mp4"
"""How the overlay videos end that the package writes; a folder's are not tracked again."""


class VideoFrame(NamedTuple):
    """One frame of a video.

    Parameters
    ----------
    index
        Number of the frame from 0.
    time
        Seconds since the first frame.
    image
        uint8 (H, W, 3), RGB, upright.
    """

    index: int  # type: ignore[assignment]  # It hides tuple.index, which nobody misses here.
    time: float
    image: np.ndarray


@dataclass(frozen=True)
class VideoSource(ABC):
    """Frames that can be read in order, as often as wanted, one in memory at a time.

    Parameters
    ----------
    path
        The file or folder.
    width, height
        Size of the upright frames in pixels.
    fps
        Average frames per second.
    frame_count
        Best estimate of the number of frames; None where the file does not say.
    start
        Index of the first frame that is yielded.
    """

    path: Path
    width: int
    height: int
    fps: float
    frame_count: int | None
    start: int

    @property
    def name(self) -> str:
        """What output files are called after."""
        return output_name(self.path)

    @property
    @abstractmethod
    def most_frames(self) -> int:
        """More frames than this there cannot be; counted where the file does not state it."""

    @abstractmethod
    def __iter__(self) -> Iterator[VideoFrame]:
        """Frames from `start` on.

        Raises
        ------
        BrokenVideoError
            After the last good frame, where the rest cannot be read.
        """


def kind_of(path: Path) -> Literal["file", "folder"] | None:
    """What a path leads to, if anything.

    Raises
    ------
    InputError
        Where that cannot be found out, as in a folder that one may not enter.
    """
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error


def output_name(path: Path) -> str:
    """Name that a source's output files start with: a file's stem, a folder's name."""
    # A link's target may be called anything, so only what has no name of its own is followed.
    named = path.resolve() if path.name in ("", "..") else path
    return (named.name if named.is_dir() else named.stem) or "video"


def natural_order(path: Path) -> list[str | int]:
    """Sorting key that puts `frame2` before `frame10`."""
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]


def images_in(folder: Path) -> list[Path]:
    """Image files right in a folder, in natural order."""
    return _files_in(folder, IMAGE_SUFFIXES)


def expand_sources(arguments: Sequence[str | Path]) -> list[Path]:
    """Videos that a command line names.

    Parameters
    ----------
    arguments
        Video files, folders of images (one video each), folders of videos (without overlays that
        were written there), glob patterns.

    Returns
    -------
    list of Path
        Video files and folders of images, in the order given, each once.

    Raises
    ------
    InputError
        Where an argument leads to no video, or two videos would write the same output files.
    """
    sources: dict[tuple[Path, str], Path] = {}
    for argument in arguments:
        for path in _expand(argument):
            sources.setdefault((path.resolve(), output_name(path)), path)
    named: dict[str, Path] = {}
    for path in sources.values():
        # Folded: some file systems take Clip.mp4 and clip.mp4 for one file.
        other = named.setdefault(output_name(path).casefold(), path)
        if other is not path:
            raise InputError(
                f"{other} and {path} would write the same output files; rename one of them or "
                "track them in two runs."
            )
    return list(sources.values())


def _expand(argument: str | Path) -> list[Path]:
    path = Path(argument).expanduser()
    kind = kind_of(path)
    if kind == "file":
        return [_video_file(path)]
    if kind == "folder":
        found = _expand_folder(path)
        if not found:
            raise InputError(f"{path}: holds neither video files nor images.")
        return found
    if not re.search(r"[*?\[]", str(argument)):
        raise InputError(f"{path}: no such file or folder.")
    found = _expand_pattern(path)
    if not found:
        raise InputError(f"{path}: no video file or folder of images matches this pattern.")
    return found


def _expand_pattern(pattern: Path) -> list[Path]:
    try:
        matches = Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
        visible = sorted((p for p in matches if p.name[:1] != "."), key=natural_order)
    except (OSError, ValueError) as error:
        raise InputError(f"{pattern}: cannot be searched: {error}") from error
    found: list[Path] = []
    for path in visible:
        if path.is_dir():
            found += _expand_folder(path)
        elif _is_file_like(path, VIDEO_SUFFIXES):
            found.append(path)
    return found


def _expand_folder(folder: Path) -> list[Path]:
    """The folder itself where it holds images, else the videos in it, if any."""
    images = images_in(folder)
    videos = [
        path for path in _files_in(folder, VIDEO_SUFFIXES) if not path.name.endswith(OVERLAY_SUFFIX)
    ]
    if images and videos:
        raise InputError(
            f"{folder}: holds both images ({images[0].name}) and videos ({videos[0].name}); give "
            "the video files by name or move the images to a folder of their own."
        )
    return [folder] if images else videos


def _video_file(path: Path) -> Path:
    if path.suffix.lower() in IMAGE_SUFFIXES and not _has_pages(path):
        raise InputError(
            f"{path}: is one image; give the folder of its numbered images, {path.parent}, instead."
        )
    return path


def _has_pages(path: Path) -> bool:
    try:
        return len(page_sizes(path)) > 1
    except InputError:
        return False


def _files_in(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    try:
        return sorted(
            (p for p in folder.iterdir() if _is_file_like(p, suffixes)), key=natural_order
        )
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed: {error.strerror}") from error


def _is_file_like(path: Path, suffixes: frozenset[str]) -> bool:
    # Dot files: macOS leaves a "._clip.mp4", which is no video, beside each file on USB drives.
    return path.suffix.lower() in suffixes and path.name[0] != "." and path.is_file()
