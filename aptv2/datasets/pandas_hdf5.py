"""Tables that pandas wrote to HDF5, read without pandas and without running what they say.

pandas has two layouts. "fixed", its default, is plain arrays that h5py reads: the levels and codes
of index and columns, and blocks of values. "table", which old programs asked for, keeps the names
of its columns as a pickle, and to read one is to run it: that is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aptv2.datasets.hdf5 import open_hdf5
from aptv2.errors import InputError


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
        Where h5py is not installed, or the file is broken, in the "table" layout or not pandas'.
    """
    with open_hdf5(path, "give the .csv beside it") as file:
        return _read(next(iter(file.values())), path)


def _read(group: Any, path: Path) -> PandasTable:
    if group.attrs["pandas_type"] == b"frame_table":
        raise InputError(
            f"{path} has its header as a pickle, which could run any program; "
            "give the .csv beside it."
        )
    levels: list[str] = []
    columns: list[tuple[str, ...]] = []
    blocks = []
    for block in range(int(group.attrs["nblocks"])):
        levels, items = _axis(group, f"block{block}_items")
        columns += items
        blocks.append(_array(group, f"block{block}_values").astype(np.float64))
    index, values = _axis(group, "axis1")[1], np.concatenate(blocks, axis=1)
    if values.shape != (len(index), len(columns)):
        raise InputError(f"{path} is broken: its values do not fit its header.")
    return PandasTable(index, levels, columns, values)


def _axis(group: Any, axis: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """Names of the levels of an index, and the index itself."""
    if group.attrs[f"{axis}_variety"] != b"multi":
        return [""], [(name,) for name in _texts(group, axis)]
    depth = range(int(group.attrs[f"{axis}_nlevels"]))
    names = [group[f"{axis}_level{i}"].attrs["name"].decode() for i in depth]
    levels = [_texts(group, f"{axis}_level{i}") for i in depth]
    codes = [_array(group, f"{axis}_label{i}").tolist() for i in depth]
    columns = [[level[code] for code in coded] for level, coded in zip(levels, codes, strict=True)]
    return names, list(zip(*columns, strict=True))


def _texts(group: Any, name: str) -> list[str]:
    values = _array(group, name)
    if values.dtype.kind == "S":
        return [value.decode() for value in values.tolist()]
    return [str(value) for value in values.astype(np.int64).tolist()]


def _array(group: Any, name: str) -> np.ndarray:
    data = group[name]
    if data.dtype.kind not in "Siuf":  # Objects are pickles.
        raise ValueError(name)
    return data[()]
