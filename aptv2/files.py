"""Output files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from aptv2.errors import InputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_TEMPORARY = re.compile(r"\.aptv2-([0-9a-f]{6})-([0-9]+)-[0-9a-f]{8}(\..*)?")
_swept: set[Path] = set()


def temporary_name(suffix: str) -> str:
    """A short, new name for a file or folder that is moved to its place when it is whole.

    It names this process, so that :func:`sweep` knows what a killed one left.

    Parameters
    ----------
    suffix
        What it ends in, as writers choose their format by it.
    """
    return f".aptv2-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"


def sweep(folder: Path) -> None:
    """Remove what killed processes of this machine left unfinished in a folder, once a process."""
    if folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError):  # What cannot be removed does no harm.
        for entry in os.scandir(folder):
            found = _TEMPORARY.fullmatch(entry.name)
            if found is None or found[1] != _machine() or _is_alive(int(found[2])):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                Path(entry.path).unlink(missing_ok=True)


def check_name(path: Path) -> None:
    """Refuse a path that the disk cannot hold, before any work.

    Raises
    ------
    InputError
        Where a name, in bytes, or the whole path is too long, or holds what no name may hold.
    """
    try:
        os.lstat(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        shorten = (
            f"; its name has {len(os.fsencode(path.name))} bytes, so rename the input or choose "
            "another folder"
            if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG
            else ""
        )
        raise InputError(f"{path} cannot be written: {reason}{shorten}.") from None


def check_target(path: str | Path) -> Path:
    """Refuse a path that a file cannot be written to, before any work.

    Parameters
    ----------
    path
        What is to be written; a link is followed, as by other tools.

    Returns
    -------
    Path
        What it leads to.

    Raises
    ------
    InputError
        Where a folder, a device, a pipe or a socket stands there, or as :func:`check_name`.
    """
    path = Path(path)
    check_name(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file to write.")
    try:
        target = path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError) as error:  # Links that lead in a circle.
        raise InputError(f"{path} cannot be written: {error}.") from None
    if os.path.lexists(target) and not stat.S_ISREG(target.lstat().st_mode):
        raise InputError(f"{path} is not an ordinary file; give the name of a file to write.")
    return target


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; move it there when the block ends well.

    The temporary name keeps the suffix, as video writers choose their format by it. Missing
    folders are made. When the block raises, the temporary file is removed and what stood at
    `path` stays.

    Raises
    ------
    InputError
        Where the folder cannot be written, `path` is a folder or another thing that is no ordinary
        file, or the disk is full.

    Examples
    --------
    >>> with atomic_write("out/poses.csv") as temporary:  # doctest: +SKIP
    ...     temporary.write_text("frame,x,y")
    """
    path = Path(path)
    target = check_target(path)
    temporary = target.with_name(temporary_name(target.suffix))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        temporary.touch()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if error.errno in _FULL:
            raise InputError(f"{path} cannot be written: {error.strerror}.") from None
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def write_json(path: str | Path, content: Any) -> None:
    """Write content as indented JSON, whole or not at all; NaN becomes null.

    Raises
    ------
    InputError
        As :func:`atomic_write`.
    """
    with atomic_write(path) as temporary:
        temporary.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _machine() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # Another user's.
        return True
    return True
