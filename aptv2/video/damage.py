"""Damage inside files of Matroska and MXF, which FFmpeg passes over in silence.

It goes on at the next cluster, so that one damaged block costs seconds of video. A walk over the
elements finds the block; hidden from FFmpeg as empty space, it costs one frame.
"""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_SEGMENT, _CLUSTER, _TRACKS, _TRACK, _GROUP = 0x18538067, 0x1F43B675, 0x1654AE6B, 0xAE, 0xA0
_NESTED = (_SEGMENT, _CLUSTER, _TRACKS, _TRACK, _GROUP)
_TRACK_NUMBER, _BLOCKS, _VOID = 0xD7, (0xA3, 0xA1), b"\xec"
_CLUSTER_BYTES = _CLUSTER.to_bytes(4, "big")
_KEY_BYTES = bytes.fromhex("060e2b34")  # with which each element of MXF begins
_SEARCHED = 2**20  # bytes at once


@dataclass(frozen=True)
class Damage:
    """What is damaged in a file.

    Parameters
    ----------
    positions
        Rising positions in bytes.
    patches
        Position -> bytes that hide a damaged element.
    """

    positions: list[int] = field(default_factory=list)
    patches: dict[int, bytes] = field(default_factory=dict)

    def between(self, start: int | None, end: int) -> bool:
        """Whether there is damage between two positions; None is the file's start."""
        after = bisect_right(self.positions, -1 if start is None else start)
        return after < len(self.positions) and self.positions[after] < end


def find_damage(path: Path, format: str) -> Damage:
    """Walk over the elements of a file; nothing is found in other formats than the two.

    Parameters
    ----------
    path
        The file.
    format
        FFmpeg's name of its format.
    """
    with path.open("rb") as file:
        if "matroska" in format:
            return _matroska_damage(file)
        if format == "mxf":
            return Damage(list(_mxf_damage(file)))
    return Damage()


class PatchedFile(io.RawIOBase):
    """A file for reading with some bytes replaced.

    Parameters
    ----------
    path
        The file.
    patches
        Position -> bytes.
    """

    def __init__(self, path: Path, patches: Mapping[int, bytes]) -> None:
        self._file = path.open("rb")
        self._patches = sorted(patches.items())
        self._positions = [position for position, _ in self._patches]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        start = self._file.seek(0, io.SEEK_CUR)
        data = bytearray(self._file.read(size))
        for at in range(bisect_right(self._positions, start - 1), len(self._patches)):
            position, patch = self._patches[at]
            if position >= start + len(data):
                break
            data[position - start : position - start + len(patch)] = patch
        return bytes(data)

    def close(self) -> None:
        self._file.close()
        super().close()


def _matroska_damage(file: BinaryIO) -> Damage:
    end = file.seek(0, io.SEEK_END)
    damage, tracks, position = Damage(), set[int](), 0
    while position < end:
        file.seek(position)
        head = file.read(20)
        name, name_size = _number(head, keep=True)
        size, size_size = _number(head[name_size:])
        data = position + name_size + size_size
        unknown = size == 2 ** (7 * size_size) - 1
        nested = name in _NESTED
        if not (0 < name_size <= 4 and size_size) or (not unknown and not nested and size > end):
            damage.positions.append(position)
            position = _find(file, _CLUSTER_BYTES, position + 1)
            continue
        body = head[name_size + size_size :]
        if name == _TRACK_NUMBER:
            tracks.add(int.from_bytes(body[:size], "big"))
        elif name in _BLOCKS and _number(body)[0] not in tracks:
            damage.positions.append(position)
            damage.patches[position] = _VOID
        position = data if nested else data + size
    return damage


def _mxf_damage(file: BinaryIO) -> Iterator[int]:
    end = file.seek(0, io.SEEK_END)
    position = 0
    while position < end:
        file.seek(position)
        head = file.read(25)
        if head[:4] != _KEY_BYTES or len(head) < 17:
            yield position
            position = _find(file, _KEY_BYTES, position + 1)
            continue
        more = head[16] & 0x7F if head[16] & 0x80 else 0
        size = int.from_bytes(head[17 : 17 + more], "big") if more else head[16]
        position += 17 + more + size


def _number(data: bytes, keep: bool = False) -> tuple[int, int]:
    """EBML's number of variable length, and its length in bytes; `keep` leaves its marker."""
    length = 9 - data[0].bit_length() if data else 9
    if length > 8 or length > len(data):
        return 0, 0
    value = int.from_bytes(data[:length], "big")
    return value if keep else value & (2 ** (7 * length) - 1), length


def _find(file: BinaryIO, wanted: bytes, start: int) -> int:
    """Position of bytes, or the file's end."""
    file.seek(start)
    while data := file.read(_SEARCHED):
        at = data.find(wanted)
        if at >= 0:
            return start + at
        if len(data) < _SEARCHED:
            return start + len(data)
        start += len(data) - len(wanted) + 1
        file.seek(start)
    return start
