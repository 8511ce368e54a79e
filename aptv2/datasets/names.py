"""Names: of image files, in order and harmless; of tracks, in files and from people."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from aptv2.errors import InputError
from aptv2.images import IMAGE_SUFFIXES

LONGEST_NAME = 60  # characters of an animal's name
# DeepLabCut's individual that is no animal, and what stands beside the animals in an NWB file.
_RESERVED = {"single", "skeletons", "poseestimation"}


def fault_of(name: str) -> str:
    """What is wrong with a file name that a file gives ("" where nothing is).

    A name must be relative and stay in the folder it is relative to, on every system.
    """
    if "\0" in name:
        return "holds a zero byte"
    if ".." not in name and ":" not in name and not name.startswith(("/", "\\")):
        return ""
    parts = PurePosixPath(name.replace("\\", "/"))
    leaves = parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:", name)
    return f"{name[:80]!r} leads out of the image folder" if leaves else ""


def with_slashes(name: str) -> str:
    """A file name with the slashes that every system reads; some were written on Windows."""
    return name.replace("\\", "/")


def natural_key(name: str) -> list[Any]:
    """A sort key that puts `9.jpg` before `10.jpg`."""
    parts: list[Any] = re.split(r"([0-9]+)", name)
    # Not int(): a name may hold more digits than Python turns into a number.
    digits = [part.lstrip("0") for part in parts[1::2]]
    parts[1::2] = zip(map(len, digits), digits, strict=True)
    return parts


def is_file(path: Path) -> bool:
    """Whether a file is there; unlike pathlib's, no name is too long to ask."""
    return os.path.isfile(path)  # noqa: PTH113


def entries(folder: Path) -> list[str]:
    """Names in a folder, in natural order.

    Raises
    ------
    InputError
        Where the folder cannot be read.
    """
    try:
        return sorted(os.listdir(folder), key=natural_key)  # noqa: PTH208 - names, not paths
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror or error}.") from None


def images_in(folder: Path) -> list[str]:
    """Names of the images in a folder, in natural order."""
    return [name for name in entries(folder) if Path(name).suffix.lower() in IMAGE_SUFFIXES]


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder, in natural order; links that lead nowhere are left out."""
    return [folder / name for name in entries(folder) if (folder / name).is_dir()]


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder from `folder` down with the names of the files in it, in natural order.

    Links to folders are followed, but no folder is visited twice: a loop of links ends there.

    Raises
    ------
    InputError
        Where a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from None

    seen: set[tuple[int, int]] = set()
    for current, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        status = Path(current).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort(key=natural_key)
        yield Path(current), sorted(names, key=natural_key)


def track_name(number: int, names: Mapping[int, str]) -> str:
    """What a track is called in other tools' files: its name, or `track7`."""
    return names.get(number, f"track{number}")


def name_fault(name: str) -> str:
    """What is wrong with a name that a person gives an animal ("" where nothing is).

    A name is one short line that every format can hold, and that is not taken for a number.
    """
    if len(name) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} characters"
    if not name.isprintable() or name != name.strip() or re.search("[/:]", name):
        return "holds a line break, a / or : or a space at an end"
    if not any(map(str.isalnum, name)):
        return "holds no letter"
    if re.fullmatch(r"(track[ _-]?)?[0-9]+", name, re.IGNORECASE):
        return "is that of a track number"
    if name.lower() in _RESERVED:
        return "has another meaning in files of other tools"
    return ""


def track_numbers(names: Sequence[str]) -> list[int]:
    """Numbers of named tracks: those in their names, as in `track7` or `track_7`.

    The others get the numbers that are left, from 1 in their order; all do where two names have
    the same number.
    """
    found = [re.fullmatch(r"track[ _-]?([0-9]{1,9})", name.lower()) for name in names]
    numbers = [int(match[1]) if match else None for match in found]
    known = {number for number in numbers if number is not None}
    if len(known) < len(names) - numbers.count(None):
        return list(range(1, len(names) + 1))
    free = (number for number in count(1) if number not in known)
    return [next(free) if number is None else number for number in numbers]


def animal_names(names: Sequence[str], numbers: Sequence[int]) -> dict[int, str]:
    """The names of tracks, by number, that people gave: once each, and none that a number says."""
    given = Counter(names)
    return {
        number: name
        for number, name in zip(numbers, names, strict=True)
        if given[name] == 1 and not name_fault(name)
    }
