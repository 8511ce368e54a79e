"""HDF5 files that someone else wrote, opened with care.

Such a file can pretend to hold more than fits into memory, and can point at other files: by links,
by data kept outside, by views of other data sets. Each of these is refused before anything is read.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aptv2.datasets.records import read_bytes
from aptv2.errors import InputError

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST_BYTES = 10**9  # of all data sets together, as they become in memory
_ALWAYS = 2**25  # bytes that any file may become
_MOST_TIMES = 100  # times its own size that a larger one may become: more is no measurement
_ROW = 400  # bytes of the Python object that readers make of a record or a text
_OBJECTS = "VSO"  # kinds of dtype that readers make such objects of
_MOST_OBJECTS, _MOST_DEPTH = 20_000, 32
_RECORD = 16  # bytes of a text of any length where it is named: its length, and where it lies
PICTURES = re.compile(r"video\d+/video")
"""Pictures that SLEAP embeds; they are read one by one."""


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
    """Refuse what lies elsewhere, and what would fill the memory."""
    import h5py

    size = path.stat().st_size
    seen, count, plain, weighted = {h5py.h5o.get_info(file.id).addr}, 0, 0, 0
    pending = [(file, "", 0)]
    while pending:
        group, prefix, depth = pending.pop()
        for name in group:
            place, count = f"{prefix}{name}", count + 1
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _refused(path, f"{place[:80]!r} is a link to elsewhere")
            if count > _MOST_OBJECTS or depth > _MOST_DEPTH:
                raise _refused(path, "it holds more groups, or deeper ones, than any labels")
            item = group[name]
            if isinstance(item, h5py.Group):
                if (address := h5py.h5o.get_info(item.id).addr) not in seen:
                    seen.add(address)
                    pending.append((item, f"{place}/", depth + 1))
            elif isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise _refused(path, f"{place[:80]!r} lies in other files")
                if item.shape is not None and not PICTURES.fullmatch(place):
                    if item.dtype.kind == "O" and _longest(item, path) > size:
                        raise _refused(path, f"{place[:80]!r} has a text longer than the file")
                    plain += item.size * max(8, item.dtype.itemsize) + _text_bytes(item)
                    weighted += item.size * _ROW if item.dtype.kind in _OBJECTS else 0
            if plain > _MOST_BYTES:
                fault = f"{place[:80]!r} holds more than a gigabyte with what comes before it"
                raise _refused(path, fault)
            if plain + weighted > max(_ALWAYS, _MOST_TIMES * size):
                raise _refused(path, f"its {size} bytes would become {plain + weighted}")


def _refused(path: Path, fault: str) -> InputError:
    return InputError(f"{path}: {fault}, which is refused; save it again in its own program.")


def _longest(item: Any, path: Path) -> int:
    """Length of the longest text of any length, as its record says: HDF5 would make room for it."""
    records = [b""]
    if item.chunks is None:
        if (offset := item.id.get_offset()) is not None:
            with path.open("rb") as file:
                file.seek(offset)
                records.append(file.read(item.size * _RECORD))
    elif item.id.get_create_plist().get_nfilters() == 0:
        for number in range(item.id.get_num_chunks()):
            place = item.id.get_chunk_info(number).chunk_offset
            records.append(item.id.read_direct_chunk(place)[1])
    lengths = np.frombuffer(
        b"".join(part[: len(part) // _RECORD * _RECORD] for part in records), "<u4"
    )
    return int(lengths[:: _RECORD // 4].max(initial=0))


def _text_bytes(item: Any) -> int:
    """Length of texts of any length: all may point at the same one, so size says nothing."""
    if item.dtype.kind != "O" or item.size * item.file.id.get_filesize() <= min(
        _ALWAYS, _MOST_BYTES
    ):
        return 0
    total = 0
    for row in range(len(item) if item.ndim == 1 else 0):
        total += len(item[row])
        if total > _MOST_BYTES:
            break
    return total
