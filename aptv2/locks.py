"""Locks that keep two processes from writing one folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aptv2.errors import InputError

LOCK_FILE = ".lock"


@contextmanager
def held(folder: Path, doing: str) -> Iterator[None]:
    """Hold a folder for this process alone; the system lets go of it when the process dies.

    Parameters
    ----------
    folder
        Made where it is not there.
    doing
        What is done with it, for the error of the process that comes second.

    Raises
    ------
    InputError
        Where the folder is a file, cannot be written, or is in use.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: cannot be written, it is a file; give a folder")
    was_there = folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK_FILE).open("a")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror})") from None
    with file:
        if not _try_lock(file.fileno()):
            raise InputError(f"{folder}: another process is {doing} it; give another folder")
        try:
            yield
        finally:
            # What was asked for was refused before anything was written.
            if [path.name for path in folder.iterdir()] == [LOCK_FILE]:
                with suppress(OSError):  # Windows keeps files that are open
                    (folder / LOCK_FILE).unlink()
                    if not was_there:
                        folder.rmdir()


def _try_lock(file: int) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        # A lock of the process: unlike flock's, the loader's forked processes do not keep it.
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
