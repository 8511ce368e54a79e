"""The results of an unfinished run, kept on disk so that a later run resumes from them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.inference.output import Output
from aptv2.locks import LOCK_FILES, held
from aptv2.models.protocols import State
from aptv2.resuming import check_same_settings

_VERSION = 3


@contextmanager
def held_results(output: Output) -> Iterator[None]:
    """Keep other processes from writing the same results.

    Several processes may share an output folder, as the tasks of a cluster do; only the results of
    one video are written by one.

    Raises
    ------
    InputError
        Where another process is writing them.
    """
    with held(output.unfinished, f"tracking {output.name} into"):
        yield
    with suppress(OSError):  # It holds a checkpoint.
        output.unfinished.rmdir()


class Checkpoint:
    """A folder beside the results with the rows found so far and the state of the run.

    Rows are only ever appended, in parts; the state is written last and in one step, and says which
    parts belong to it. So the folder is whole at any moment.

    Parameters
    ----------
    folder
        The folder. What it holds stays until :meth:`load` or :meth:`clear`.
    settings
        Settings that a resumed run must share, by the name that the user knows.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder, self.settings = folder, dict(settings)
        self._parts = 0

    @property
    def exists(self) -> bool:
        """Whether there is something to resume from."""
        return self._state_file.is_file()

    def save(self, state: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray]) -> None:
        """Append rows and replace the state.

        Raises
        ------
        InputError
            Where the disk is full or gone.
        """
        _write(self._part_file(self._parts), rows)
        self._parts += 1
        header = {"version": _VERSION, "parts": self._parts, "settings": self.settings}
        _write(self._state_file, {**state, "header": np.array(json.dumps(header))})

    def load(self) -> tuple[State, list[State]]:
        """The state and the parts of the rows.

        Raises
        ------
        InputError
            Where the folder is damaged, or belongs to a run with other settings.
        """
        try:
            state = _read(self._state_file)
            header = json.loads(str(state.pop("header")))
            if header["version"] != _VERSION:
                raise ValueError("it was written by another version")
            check_same_settings(self.folder, header["settings"], self.settings)
            self._parts = int(header["parts"])
            return state, [_read(self._part_file(number)) for number in range(self._parts)]
        except InputError:
            raise
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{self.folder}: cannot be resumed from ({error}); run again without --resume."
            ) from error

    def clear(self) -> None:
        """Empty the folder, which is made where it is missing.

        Raises
        ------
        InputError
            Where that is not allowed.
        """
        self.remove()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be made: {error.strerror}.") from error

    def remove(self) -> None:
        """Remove the folder, where there is one; of a folder in use, what it holds.

        Raises
        ------
        InputError
            Where that is not allowed.
        """
        self._parts = 0
        try:
            for path in self.folder.iterdir() if self.folder.is_dir() else ():
                if path.name not in LOCK_FILES:
                    path.unlink()
            with suppress(OSError):  # The lock is still in it.
                self.folder.rmdir()
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be removed: {error.strerror}.") from error

    @property
    def _state_file(self) -> Path:
        return self.folder / "state.npz"

    def _part_file(self, number: int) -> Path:
        return self.folder / f"rows{number:04d}.npz"


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        # A file object: numpy would check the names of its arguments otherwise.
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _read(path: Path) -> State:
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
