"""What can be wrong with the image files that annotations name."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from aptv2.datasets.check.report import Findings, Kind
from aptv2.datasets.names import walk
from aptv2.errors import InputError
from aptv2.images import IMAGE_SUFFIXES, image_size, read_shrunk
from aptv2.tables import PoseTable
from aptv2.threads import usable_cpus

ABSENT = Kind("image that is named but absent", lost=True)
DAMAGED = Kind("image that does not decode", lost=True)
OTHER_SIZE = Kind("image of another size than said", lost=True)
UNNAMED = Kind("image that no file names", lost=False)


def with_image_sizes(table: PoseTable, root: Path) -> PoseTable:
    """The table with the sizes that its images have, where the annotations give none."""
    sizes = table.frames.sizes.copy()
    for frame in np.flatnonzero((sizes == 0).any(axis=1) & (table.frames.names != "")).tolist():
        # What cannot be read is found when the images are decoded.
        with contextlib.suppress(InputError):
            sizes[frame] = image_size(root / table.frames.names[frame])
    return replace(table, frames=replace(table.frames, sizes=sizes))


def check_images(
    root: Path,
    sizes: Mapping[str, tuple[int, int]],
    findings: Findings,
    *,
    workers: int | None,
    progress: bool,
) -> int:
    """Decode every image to its end; count them.

    Parameters
    ----------
    root
        Folder that the names are relative to.
    sizes
        Name of each image and its width and height as the annotations say, 0 where they do not.
    findings
        Gets the dirt.
    workers
        Images decoded at once; a thread a core where it is None (decoding leaves Python's lock).
    progress
        Whether to show a bar on the terminal.
    """
    there = [name for name in sizes if os.path.isfile(root / name)]  # noqa: PTH113 - long names
    missing = set(sizes) - set(there)
    findings.add(ABSENT, (name for name in sizes if name in missing))
    pool = ThreadPoolExecutor(workers or usable_cpus())
    try:
        problems = pool.map(lambda name: _problem(root / name, *sizes[name]), there)
        bar = track(
            zip(there, problems, strict=True),
            "images",
            total=len(there),
            console=Console(stderr=True),
            disable=not progress,
        )
        for name, problem in bar:
            if problem is not None:
                kind, said = problem
                findings.add(kind, [f"{name}: {said}"])
    finally:
        pool.shutdown(cancel_futures=True)
    return len(there)


def check_unnamed(root: Path, names: Iterable[str], findings: Findings) -> None:
    """Look for images under the root that no annotation file names."""
    named = {posixpath.normpath(name.replace(os.sep, "/")) for name in names}
    for folder, files in walk(root):
        inner = folder.relative_to(root).as_posix()
        images = (name for name in files if Path(name).suffix.lower() in IMAGE_SUFFIXES)
        paths = (posixpath.normpath(f"{inner}/{name}") for name in images)
        findings.add(UNNAMED, (path for path in paths if path not in named))


def _problem(path: Path, width: int, height: int) -> tuple[Kind, str] | None:
    try:
        found = image_size(path)
        # All bytes are decoded, but for a JPEG only an eighth of its size is drawn.
        read_shrunk(path, 8)
    except InputError as error:
        return DAMAGED, str(error).removeprefix(f"{path}: ")
    if (width or found[0], height or found[1]) != found:
        return OTHER_SIZE, f"{found[0]} x {found[1]}, not {width} x {height}"
    return None
