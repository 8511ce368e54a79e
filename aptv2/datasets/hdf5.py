"""HDF5 files that someone else wrote, opened with care.

Such a file can claim to hold more than fits into memory, and can point at other files: by links,
by data kept outside, by views of other data sets. Each of these is refused before anything is read.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aptv2.datasets.records import read_bytes
from aptv2.errors import InputError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST_BYTES = 10**9
# Pictures that SLEAP embeds; they are left where they are.
_PICTURES = re.compile(r"video\d+/video")


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5."""
    return read_bytes(path, len(_SIGNATURE)) == _SIGNATURE


@contextlib.contextmanager
def open_hdf5(path: Path, hint: str) -> Iterator[Any]:
    """Open a file as `h5py.File` to read from; whatever goes wrong in the block is one sentence.

    Parameters
    ----------
    path
        The file.
    hint
        What to do where it is broken: the end of the sentence.

    Raises
    ------
    InputError
        Where h5py is not installed, or the file is broken, too large, or points at other files.
    """
    try:
        import h5py
    except ImportError:
        raise InputError(f"{path}: reading HDF5 needs h5py (pip install 'aptv2[hdf5]').") from None
    try:
        with h5py.File(path, "r") as file:
            _check(file, path)
            yield file
    except InputError:
        raise
    except Exception as error:  # h5py, and what reads with it, raise all kinds for broken files.
        raise InputError(f"{path} is broken ({type(error).__name__}); {hint}.") from None


def _check(file: Any, path: Path) -> None:
    import h5py

    # What these return ends the visit; an error raised in one would get lost in HDF5.
    def fault_of_link(name: str, link: Any) -> str | None:
        return None if isinstance(link, h5py.HardLink) else f"{name[:80]!r} is a link to elsewhere"

    def fault_of_object(name: str, item: Any) -> str | None:
        if not isinstance(item, h5py.Dataset):
            return None
        if item.external or item.is_virtual:
            return f"{name[:80]!r} lies in other files"
        if item.shape is None or _PICTURES.fullmatch(name):
            return None
        if max(item.size * item.dtype.itemsize, _text_bytes(item)) > _MOST_BYTES:
            return f"{name[:80]!r} claims more than a gigabyte"
        return None

    fault = file.visititems_links(fault_of_link) or file.visititems(fault_of_object)
    if fault:
        raise InputError(f"{path}: {fault}, which is refused; save it again in its own program.")


def _text_bytes(item: Any) -> int:
    """Length of texts of any length: all may point at the same one, so size says nothing."""
    if item.dtype.kind != "O" or item.size * item.file.id.get_filesize() <= _MOST_BYTES:
        return 0
    total = 0
    for row in range(len(item) if item.ndim == 1 else 0):
        total += len(item[row])
        if total > _MOST_BYTES:
            break
    return total
