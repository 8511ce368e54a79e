"""Sharing work: a folder is worked in by one process at a time, on whatever machine.

A claim is a file `claim.N` in the folder, made by exclusive creation, which is atomic on local
disks and on NFS. Its holder touches it every `BEAT` seconds. It is given up

- where its process has died on this machine, at once;
- where it was not touched for `STALE` seconds. They are counted by the watcher's own clock from
  when it first saw the file as it is, so machines need not agree on the time of day.

It is taken over by making `claim.N+1`, again exclusively: of several that find a claim given up
one alone succeeds, and a holder that was only asleep finds the higher number and stops. No lock
of the file system is needed, and no file is ever renamed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from aptv2.errors import InputError

BEAT, STALE = 20.0, 240.0  # seconds; NFS may show a touched file up to a minute late
_NAME = "claim"


class LeaseLostError(Exception):
    """Another process took over while this one seemed dead; what it did is not to be kept."""


class Lease:
    """A folder that is this process's; a context that lets go of it at the end.

    Parameters
    ----------
    path
        The claim file.
    beat
        Seconds between touches.
    """

    def __init__(self, path: Path, beat: float) -> None:
        self.path = path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, args=(beat,), daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Make sure that the claim still holds.

        Raises
        ------
        ClaimLostError
            Where it was taken over.
        """
        if not self.path.exists() or _numbers(self.path.parent)[-1] > _number(self.path):
            raise LeaseLostError(self.path.parent)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        for number in _numbers(self.path.parent):
            if number <= _number(self.path):
                (self.path.parent / f"{_NAME}.{number}").unlink(missing_ok=True)

    def _keep(self, beat: float) -> None:
        while not self._over.wait(beat):
            with contextlib.suppress(OSError):
                os.utime(self.path)


@dataclass
class LeaseHolder:
    """This process as one that claims folders.

    Parameters
    ----------
    beat, stale
        Seconds between touches, and without one until a claim is given up.
    """

    beat: float = BEAT
    stale: float = STALE
    # Claim file -> when it was touched by its own clock, and when this was first seen by ours.
    _seen: dict[Path, tuple[int, float]] = field(default_factory=dict)

    def take(self, folder: Path) -> Lease | None:
        """Claim a folder, which is made where it is missing; None where another process has it.

        Raises
        ------
        InputError
            Where the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            last = max(_numbers(folder), default=0)
            if last and not self._given_up(folder / f"{_NAME}.{last}"):
                return None
            path = folder / f"{_NAME}.{last + 1}"
            with path.open("xb") as file:
                owner = {"place": _place(), "pid": os.getpid(), "begun": _begun()}
                file.write(orjson.dumps(owner))
        except FileExistsError:
            return None
        except OSError as error:
            raise InputError(f"{folder} cannot be written: {error.strerror}.") from None
        return Lease(path, self.beat)

    def _given_up(self, path: Path) -> bool:
        try:
            touched = path.stat().st_mtime_ns
            owner = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            return False  # just let go of: the next look will tell
        except (OSError, ValueError):
            owner = {}
        if owner.get("place") == _place() and not _alive(owner.get("pid"), owner.get("begun")):
            return True
        now = time.monotonic()
        before, since = self._seen.get(path, (None, now))
        if touched != before:
            since = now
        self._seen[path] = (touched, since)
        return now - since > self.stale


def holder() -> str:
    """This process, for people."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _numbers(folder: Path) -> list[int]:
    return sorted(_number(path) for path in folder.glob(f"{_NAME}.[0-9]*"))


def _place() -> str:
    """Where process numbers mean the same: the machine and, in a container, its processes."""
    try:
        inside = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        inside = 0
    return f"{socket.gethostname()}/{inside}"


def _begun(pid: int | None = None) -> str | None:
    """When a process began, as Linux tells it: a number given to a second process is not it."""
    try:
        text = Path(f"/proc/{pid or os.getpid()}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def _alive(pid: object, begun: object) -> bool:
    if not isinstance(pid, int):
        return True  # its owner may be about to write the file
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return _begun(pid) == begun
