"""Locks that keep two processes from writing one folder, and the record of who holds one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

import orjson
from filelock import FileLock, Timeout

from aptv2.errors import InputError

LOCK_FILES = (".lock", ".lock.json")
"""What :func:`held` writes into a folder: the lock, and while it is held its :class:`Owner`."""


@dataclass(frozen=True)
class Owner:
    """The process that holds a lock or a lease.

    Parameters
    ----------
    pid
        Number of the process.
    host
        Name of its machine.
    since
        Time at which it took hold: UTC, in ISO 8601.
    namespace
        Where process numbers mean the same: a container counts its processes on its own.
    started
        Start of the process as Linux counts it, None elsewhere: a number that a later process was
        given is not this one.
    """

    pid: int
    host: str
    since: str
    namespace: int
    started: str | None

    @classmethod
    def current(cls) -> Owner:
        """This process, from now on."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return cls(os.getpid(), socket.gethostname(), now, _namespace(), _started(os.getpid()))

    @classmethod
    def read(cls, path: Path) -> Owner | None:
        """The owner that a file names; None where it does not, or there is no such file."""
        try:
            content = orjson.loads(path.read_bytes())
            return cls(**{field.name: content[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def to_json(self) -> bytes:
        """The record that :meth:`read` reads."""
        return orjson.dumps(asdict(self))

    @property
    def is_dead(self) -> bool:
        """Whether the process has surely ended; never true of one on another machine."""
        if (self.host, self.namespace) != (socket.gethostname(), _namespace()):
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return _started(self.pid) != self.started

    def __str__(self) -> str:
        """The process for people, as in "process 12 on lab3, since 2026-05-04 10:20 UTC"."""
        return f"process {self.pid} on {self.host}, since {self.since[:16].replace('T', ' ')} UTC"


@contextmanager
def held(folder: Path, doing: str) -> Iterator[None]:
    """Hold a folder for this process only; the system lets go of it when the process dies.

    Parameters
    ----------
    folder
        Made where it is missing.
    doing
        What is done with it, for the error of the process that comes second.

    Raises
    ------
    InputError
        If the folder is a file, cannot be written, or is held by another process; it says by which.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: cannot be written, it is a file; give a folder.")
    was_there = folder.exists()
    lock_file, owner_file = (folder / name for name in LOCK_FILES)
    lock = FileLock(lock_file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        owner_file.write_bytes(Owner.current().to_json())
    except Timeout:
        owner = Owner.read(owner_file)
        # The file may be that of a process that died before this lock's holder came.
        holder = f"{owner}," if owner and not owner.is_dead else "another process"
        raise InputError(
            f"{folder}: {holder} is {doing} it; give another folder, or wait until it has ended."
        ) from None
    except OSError as error:
        lock.release()
        raise InputError(
            f"{folder}: cannot be written ({error.strerror or error}); give another folder."
        ) from None
    try:
        yield
    finally:
        with suppress(OSError):
            owner_file.unlink()
        # What was asked for was refused before anything was written.
        if [path.name for path in folder.iterdir()] == [lock_file.name]:
            with suppress(OSError):  # Windows keeps files that are open
                lock_file.unlink()
                if not was_there:
                    folder.rmdir()
        lock.release()


def _namespace() -> int:
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def _started(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]
