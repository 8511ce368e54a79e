"""Pictures of labelled frames inside a SLEAP file: what a training package, `.pkg.slp`, embeds.

A data set `video0/video` holds the pictures of the first video, encoded one by one or as an array,
`video0/frame_numbers` which frames they are.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from aptv2.datasets.hdf5 import PICTURES, is_hdf5, open_hdf5
from aptv2.errors import InputError
from aptv2.images import check_size

_HINT = "export the package again in SLEAP"
_MOST_BYTES = 2**28  # that are read at once
_ENCODED = ("PNG", "JPEG")


def has_pictures(path: Path) -> bool:
    """Whether a file is SLEAP's and holds pictures."""
    if path.is_dir() or not is_hdf5(path):
        return False
    with open_hdf5(path, _HINT) as file:
        return any(PICTURES.fullmatch(f"{name}/video") and "video" in file[name] for name in file)


def read_pictures(path: Path, clip: int) -> Iterator[tuple[int, np.ndarray]]:
    """The pictures of a video, in the file's order.

    Parameters
    ----------
    path
        The file.
    clip
        The video, counted from 1.

    Yields
    ------
    tuple of int and numpy.ndarray
        The frame's number in its video, and its pixels: uint8 (H, W, 3), RGB.

    Raises
    ------
    InputError
        Where the file is broken, holds no pictures of this video, or one is too large.
    """
    with open_hdf5(path, _HINT) as file:
        name = f"video{clip - 1}"
        if name not in file or "video" not in file[name]:
            raise InputError(f"{path} holds no pictures of its video {clip}; {_HINT}.")
        pictures, numbers = file[name]["video"], file[name]["frame_numbers"][()].astype(int)
        if len(numbers) != len(pictures):
            raise InputError(
                f"{path}: {name} has {len(pictures)} pictures, but names "
                f"{len(numbers)} frames; {_HINT}."
            )
        # A chunk is read as a whole.
        chunk = np.prod(pictures.chunks or pictures.shape[1:], dtype=float)
        if chunk * pictures.dtype.itemsize > _MOST_BYTES:
            raise InputError(f"{path}: the pictures of {name} are too large; {_HINT}.")
        for row, number in enumerate(numbers.tolist()):
            yield number, _pixels(pictures, row, path)


def _pixels(pictures: Any, row: int, path: Path) -> np.ndarray:
    if pictures.ndim == 4:
        height, width, channels = pictures.shape[1:]
        check_size(path, width, height)
        image = np.asarray(pictures[row], np.uint8)
        return np.repeat(image, 3, axis=2) if channels == 1 else image[:, :, :3]
    content = np.asarray(pictures[row]).astype(np.int8).tobytes()
    with Image.open(io.BytesIO(content), formats=_ENCODED) as opened:
        check_size(path, *opened.size)
        image = np.array(opened.convert("RGB"))
    # OpenCV reads and writes blue first; files that do not say what wrote them are its.
    order = pictures.attrs.get("channel_order", "BGR")
    order = order.decode() if isinstance(order, bytes) else str(order)
    return image if order == "RGB" else np.ascontiguousarray(image[:, :, ::-1])
