"""HDF5 files made in memory: HDF5 crashes, or loses its error, where a disk is full."""

from __future__ import annotations

import io
import secrets
from pathlib import Path

from aptv2.files import atomic_write


class MemoryFile(io.BytesIO):
    """A file in memory for writers that ask for a path: h5py sees a file, others a new name."""

    def __init__(self) -> None:
        super().__init__()
        self._path = str(Path("memory") / f"{secrets.token_hex(8)}.slp")

    def __fspath__(self) -> str:
        return self._path


def write_bytes(content: bytes, path: str | Path) -> None:
    """Write a file's content, whole or not at all.

    Raises
    ------
    InputError
        As :func:`aptv2.files.atomic_write`.
    """
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)
