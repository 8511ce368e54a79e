"""JSON files read with care: every wrong value is named by file, record and field.

Whole columns are converted at once; only when that fails are the records searched one by one for
the first that is wrong.
"""

from __future__ import annotations

import contextlib
import gc
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import orjson

from aptv2.errors import InputError

_REQUIRED: Any = object()
LARGEST = 3e38  # that a number may be: tables hold float32


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what the system says of a path into an InputError."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise InputError(f"{str(path)!r} is no path: {error}.") from None


def check_there(path: Path) -> None:
    """Raise an InputError where there is neither a file nor a folder."""
    with _named(path):
        path.stat()


def read_bytes(path: Path, count: int = -1) -> bytes:
    """The content of a file, or its first `count` bytes.

    Raises
    ------
    InputError
        Where the file cannot be read.
    """
    check_there(path)
    if not (path.is_file() or path.is_dir()):
        raise InputError(f"{path} is a pipe or a device; give a file.")  # It might never end.
    with _named(path), path.open("rb") as file:
        return file.read(count)


def read_text(path: Path) -> str:
    """The content of a UTF-8 text file, with or without a byte order mark.

    Raises
    ------
    InputError
        Where the file cannot be read or is not text.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file in UTF-8; save it as one.") from None


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Keep Python from looking for cycles among new objects.

    Parsed JSON has none, and in a file of APTv2's size looking takes a third of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def load_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises
    ------
    InputError
        Where the file cannot be read or is not JSON.
    """
    data = read_bytes(path)
    with contextlib.suppress(orjson.JSONDecodeError), no_collection():
        return orjson.loads(data)
    # The standard parser also takes NaN and a byte order mark, and says where it stopped.
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        problem = f"is not valid JSON ({error.msg}: {where})"
    except (ValueError, RecursionError):
        problem = "is not valid JSON text"
    raise InputError(f"{path} {problem}; it may be cut off, so get the file again.")


class RecordError(InputError):
    """Records that break one of a reader's rules.

    Parameters
    ----------
    message
        The sentence for the user; it names the first of them.
    kind
        What one record is called: "image", "annotation".
    items
        The list that they stand in, as parsed.
    broken
        Places in `items` of all that break the rule, rising.
    problem
        The field and the rule, without the values of one record: "bbox has a negative size".
    """

    def __init__(
        self, message: str, kind: str, items: list[Any], broken: Sequence[int], problem: str
    ) -> None:
        super().__init__(message)
        self.kind, self.items, self.broken, self.problem = kind, items, broken, problem


class Records:
    """A list of JSON objects of one kind, read column by column.

    Parameters
    ----------
    path
        The file they came from, for messages.
    kind
        What one record is called in messages: "image", "annotation".
    items
        The parsed list.

    Raises
    ------
    InputError
        Where `items` is not a list of objects.
    """

    def __init__(self, path: Path, kind: str, items: Any) -> None:
        self.path, self.kind = path, kind
        if not isinstance(items, list):
            raise InputError(
                f"{path}: the list of {kind} records is missing or no list; is it a COCO file?"
            )
        self.items: list[dict[str, Any]] = items
        if broken := [index for index, item in enumerate(items) if type(item) is not dict]:
            problem = "is not an object with named fields"
            raise RecordError(
                f"{path}: {kind} {broken[0]} (from 0) {problem}; correct or remove it.",
                kind,
                items,
                broken,
                problem,
            )

    def __len__(self) -> int:
        return len(self.items)

    def fail(
        self, broken: int | Sequence[int], key: str, problem: str, said: str | None = None
    ) -> NoReturn:
        """Raise the error that names one field of the first of the broken records.

        `said` is the problem with the values of that record.
        """
        broken = [broken] if isinstance(broken, int) else broken
        name = self.items[broken[0]].get("id")
        label = f" (id {str(name)[:40]})" if isinstance(name, int | str) else ""
        raise RecordError(
            f'{self.path}: {self.kind} {broken[0]}{label}: "{key}" {said or problem}; '
            "correct or remove it.",
            self.kind,
            self.items,
            broken,
            f'"{key}" {problem}',
        )

    def integers(self, key: str, default: Any = _REQUIRED) -> np.ndarray:
        """int64 (N,) of one field; records without it, or with null, get the default."""
        values = self._values(key, default)
        array = _as_array(values)
        if array.ndim == 1 and array.dtype.kind in "ib":
            return array.astype(np.int64)
        if array.ndim == 1 and array.dtype.kind == "f" and np.all(np.abs(array) < 2**53):
            whole = array.astype(np.int64)
            if np.array_equal(whole, array):
                return whole
        broken = [i for i, value in enumerate(values) if not _is_whole(value)]
        self.fail(broken, key, "is not a whole number")

    def floats(self, key: str, default: Any = _REQUIRED) -> np.ndarray:
        """float64 (N,) of one field; records without it, or with null, get the default."""
        values = self._values(key, default)
        array = _as_array(values)
        if array.ndim != 1 or array.dtype.kind not in "iuf":
            self._check(values, key, lambda v: v is default or _is_number(v), "is not a number")
        return self._finite(array, key)

    def rows(
        self, key: str, width: int, *, null: float | None = None, required: bool = True
    ) -> np.ndarray:
        """float64 (N, width) of a field that holds a list of numbers.

        Where `null` is given, records with null (or, unless required, without the field) get
        that number `width` times.
        """
        blank = None if null is None else [null] * width
        values = self._values(key, _REQUIRED if required else blank)
        values = [blank if value is None else value for value in values]
        array = _as_array(values) if values else np.zeros((0, width))
        if array.shape != (len(values), width) or array.dtype.kind not in "iuf":
            self._check(values, key, lambda v: isinstance(v, list), "is not a list of numbers")
            self._check(values, key, lambda v: len(v) == width, f"does not hold {width} numbers")
            self._check(
                values,
                key,
                lambda v: v is blank or all(map(_is_number, v)),
                "holds something that is not a number",
            )
        return self._finite(array, key)

    def points(self, key: str, count: int) -> np.ndarray:
        """float64 (N, count, 3) of a field that holds a list of triples: x, y and a third."""
        values = self._values(key, _REQUIRED)
        array = _as_array(values) if values else np.zeros((0, count, 3))
        if array.shape != (len(values), count, 3) or array.dtype.kind not in "iuf":
            self._check(values, key, lambda v: isinstance(v, list), "is not a list of keypoints")
            self._check(values, key, lambda v: len(v) == count, f"does not hold {count} keypoints")
            self._check(
                values, key, lambda v: all(map(_is_triple, v)), "holds a keypoint of not 3 numbers"
            )
        return self._finite(array.reshape(-1, 3 * count), key).reshape(-1, count, 3)

    def texts(self, key: str) -> list[str]:
        """One string a record."""
        values = self._values(key, _REQUIRED)
        self._check(values, key, lambda v: type(v) is str, "is not text")
        return values

    def unique(self, key: str) -> np.ndarray:
        """int64 (N,) of a field that numbers the records."""
        values = self.integers(key)
        first = np.unique(values, return_index=True)[1]
        if len(first) != len(values):
            again = np.setdiff1d(np.arange(len(values)), first)
            problem = f"again, which another {self.kind} has"
            self.fail(
                again.tolist(), key, f"is there {problem}", f"is {values[again[0]]} {problem}"
            )
        return values

    def lookup(self, key: str, known: np.ndarray, target: str) -> np.ndarray:
        """int64 (N,): position in `known` (unique ids) of the id that each record names."""
        values = self.integers(key)
        order = np.argsort(known, kind="stable")
        spot = np.searchsorted(known, values, sorter=order)
        position = order[np.minimum(spot, len(known) - 1)] if len(known) else np.zeros_like(spot)
        missing = known[position] != values if len(known) else np.ones(len(values), bool)
        if missing.any():
            broken = np.flatnonzero(missing).tolist()
            self.fail(
                broken,
                key,
                f"is one that no {target} has",
                f"is {values[broken[0]]}, which no {target} has",
            )
        return position

    def refuse_negative(self, key: str, sizes: np.ndarray) -> None:
        """Fail at the first record with a negative number in `sizes`, (N,) or (N, M)."""
        negative = sizes < 0 if sizes.ndim == 1 else (sizes < 0).any(axis=1)
        if negative.any():
            self.fail(np.flatnonzero(negative).tolist(), key, "has a negative size")

    def _values(self, key: str, default: Any) -> list[Any]:
        if default is not _REQUIRED:
            return [default if (v := item.get(key)) is None else v for item in self.items]
        try:
            return [item[key] for item in self.items]
        except KeyError:
            broken = [i for i, item in enumerate(self.items) if key not in item]
            self.fail(broken, key, "is missing")

    def _finite(self, array: np.ndarray, key: str) -> np.ndarray:
        # Written so that NaN fails too; the bound is what float32 can hold.
        usable = np.abs(array) < LARGEST
        usable = usable if array.ndim == 1 else usable.all(axis=1)
        broken = [
            index
            for index in np.flatnonzero(~usable).tolist()
            if self.items[index].get(key) is not None
        ]
        if broken:
            self.fail(broken, key, "holds NaN, infinity or a number beyond all bounds")
        return array.astype(np.float64)

    def _check(
        self, values: list[Any], key: str, good: Callable[[Any], bool], problem: str
    ) -> None:
        broken = [index for index, value in enumerate(values) if not good(value)]
        if broken:
            self.fail(broken, key, problem)


def _as_array(values: list[Any]) -> np.ndarray:
    """The values as NumPy sees them; an object array where they do not fit together."""
    try:
        return np.array(values) if values else np.zeros(0, np.int64)
    except (ValueError, OverflowError):
        return np.empty(len(values), object)


def _is_number(value: Any) -> bool:
    """A finite number that float32 can hold."""
    return isinstance(value, int | float) and type(value) is not bool and abs(value) < LARGEST


def _is_triple(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_number, value))


def _is_whole(value: Any) -> bool:
    return _is_number(value) and abs(value) < 2**53 and value == int(value)
