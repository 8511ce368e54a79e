"""Tables that pandas wrote to HDF5, read without pandas and without running what they say.

pandas has two layouts. "fixed", its default, is plain arrays that h5py reads: the levels and codes
of index and columns, and blocks of values. "table", which DeepLabCut's `analyze_videos` asks for,
is an array of records, and the names of its columns are a pickle. Of a pickle only what builds
plain lists, tuples, texts and numbers is let through, so that nothing in it can run.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aptv2.datasets.hdf5 import open_hdf5
from aptv2.errors import InputError

_MOST_PICKLE = 2**24
_MOST_TEXT = 2**28  # characters of all names
_HARMLESS = {
    *("MARK", "STOP", "PROTO", "FRAME", "NONE", "NEWTRUE", "NEWFALSE"),
    *("INT", "BININT", "BININT1", "BININT2"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("LIST", "EMPTY_LIST", "APPEND", "APPENDS", "DICT", "EMPTY_DICT", "SETITEM", "SETITEMS"),
    *("TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
}


class PandasTable(NamedTuple):
    """A table of numbers.

    Parameters
    ----------
    names
        The cells that name each row, as text.
    levels
        Names of the rows of the header.
    columns
        The cells of each column's header, as text.
    values
        float64 (rows, columns).
    """

    names: list[tuple[str, ...]]
    levels: list[str]
    columns: list[tuple[str, ...]]
    values: np.ndarray


def read_pandas(path: Path) -> PandasTable:
    """Read the first table of a file.

    Raises
    ------
    InputError
        Where h5py is not installed, or the file is broken, too large or not pandas'.
    """
    with open_hdf5(path, "give the .csv beside it") as file:
        return _read(next(iter(file.values())), path)


def _read(group: Any, path: Path) -> PandasTable:
    layout = group.attrs["pandas_type"]
    if layout == b"frame_table":
        return _read_records(group, path)
    if layout != b"frame":
        raise InputError(
            f"{path} holds pandas' layout {str(layout)[:40]}, which is not read; give the .csv "
            "beside it, or save it again with to_hdf(..., format='fixed')."
        )
    levels: list[str] = []
    columns: list[tuple[str, ...]] = []
    blocks = []
    for block in range(int(group.attrs["nblocks"])):
        levels, items = _axis(group, f"block{block}_items")
        columns += items
        blocks.append(_numbers(_array(group, f"block{block}_values")))
    return _fitting(_axis(group, "axis1")[1], levels, columns, blocks)


def _read_records(group: Any, path: Path) -> PandasTable:
    """The layout "table"."""
    table, attributes = group["table"], group["table"].attrs
    info = _plain(group.attrs["info"], path)
    blocks = [str(name) for name in _plain(group.attrs["values_cols"], path)]
    columns: list[tuple[str, ...]] = []
    for block in blocks:
        for cells in _plain(attributes[f"{block}_kind"], path):
            columns.append(tuple(map(str, cells if isinstance(cells, tuple) else (cells,))))
    _check_texts([len(cell) for cells in columns for cell in cells])
    levels = info[1].get("names") if len(columns) and len(columns[0]) > 1 else [""]
    values = [_numbers(table[block]).reshape(len(table), -1) for block in blocks]
    names: list[tuple[str, ...]] = [(name,) for name in _as_texts(table["index"])]
    return _fitting(names, [str(level) for level in levels], columns, values)


def _fitting(
    names: list[tuple[str, ...]],
    levels: list[str],
    columns: list[tuple[str, ...]],
    blocks: list[np.ndarray],
) -> PandasTable:
    values = np.concatenate(blocks, axis=1)
    if values.shape != (len(names), len(columns)):
        raise ValueError("the values do not fit the header")
    return PandasTable(names, levels, columns, values)


def _plain(data: Any, path: Path) -> Any:
    """What a pickle of plain lists, tuples, dictionaries, texts and numbers holds."""
    content = bytes(data)
    if len(content) > _MOST_PICKLE:
        raise ValueError("the header is too long")
    for opcode, _, _ in pickletools.genops(content):
        if opcode.name not in _HARMLESS:
            raise InputError(
                f"{path} has a header as a pickle that asks for {opcode.name}, which could run any "
                "program; give the .csv beside it."
            )
    # The reader in Python: the one in C takes the memory that the number of a memo asks for.
    return pickle._Unpickler(io.BytesIO(content)).load()


def _axis(group: Any, axis: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """Names of the levels of an index, and the index itself."""
    if group.attrs[f"{axis}_variety"] != b"multi":
        return [""], [(name,) for name in _texts(group, axis)]
    depth = range(int(group.attrs[f"{axis}_nlevels"]))
    names = [group[f"{axis}_level{i}"].attrs["name"].decode() for i in depth]
    levels = [_texts(group, f"{axis}_level{i}") for i in depth]
    columns = []
    for number, level in enumerate(levels):
        codes = _array(group, f"{axis}_label{number}")
        _check_texts(np.array([len(text) for text in level])[codes])
        columns.append([level[code] for code in codes.tolist()])
    return names, list(zip(*columns, strict=True))


def _texts(group: Any, name: str) -> list[str]:
    return _as_texts(_array(group, name))


def _as_texts(values: np.ndarray) -> list[str]:
    if values.dtype.kind == "S":
        return [value.decode() for value in values.tolist()]
    return [str(value) for value in values.astype(np.int64).tolist()]


def _numbers(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "iuf":
        raise ValueError(f"the values are {values.dtype}")
    return values.astype(np.float64, copy=False)


def _check_texts(lengths: list[int] | np.ndarray) -> None:
    """Refuse names that repeat a long text: a small file could ask for any amount."""
    if np.sum(lengths) > _MOST_TEXT:
        raise ValueError("the names are too long")


def _array(group: Any, name: str) -> np.ndarray:
    data = group[name]
    if data.dtype.kind not in "Siuf":  # Objects are pickles.
        raise ValueError(name)
    return data[()]
