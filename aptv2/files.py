"""Output files that are either whole or not there."""

from __future__ import annotations

import contextlib
import errno
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from aptv2.errors import InputError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; move it there when the block ends well.

    The temporary name keeps the suffix, as video writers choose their format by it. Missing
    folders are made. When the block raises, the temporary file is removed and what stood at
    `path` stays.

    Raises
    ------
    InputError
        Where the folder cannot be written, `path` is a folder, or the disk is full.

    Examples
    --------
    >>> with atomic_write("out/poses.csv") as temporary:  # doctest: +SKIP
    ...     temporary.write_text("frame,x,y")
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file to write.")
    # The start of a long name is cut, so that the temporary one is not too long for the disk.
    temporary = path.with_name(f".{path.stem[:100]}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None
    try:
        yield temporary
        temporary.replace(path)
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
