"""Sharing work: a folder is worked in by one process at a time, on whatever machine.

A lease is a file `lease.N` in the folder, made by exclusive creation, which is atomic on local
disks and on NFS. Its holder touches it every `BEAT` seconds. It lapses

- as soon as its process has died, on this machine;
- when it was not touched for `STALE` seconds. They are counted by the watcher's own clock from
  when it first saw the file as it is, so machines need not agree on the time of day.

It is taken over by making `lease.N+1`, again exclusively: of several that find a lease lapsed
only one succeeds, and a holder that was only asleep finds the higher number and stops. No lock
of the file system is needed, as :mod:`aptv2.locks` needs one, and no file is ever renamed.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from aptv2.errors import InputError
from aptv2.locks import Owner

BEAT, STALE = 20.0, 240.0  # seconds; NFS may show a touched file up to a minute late
_NAME = "lease"


class LeaseLostError(Exception):
    """Another process took over while this one seemed dead; what it did is not to be kept."""


class Lease:
    """A folder that is this process's; a context that lets go of it at the end.

    Parameters
    ----------
    path
        The lease's file.
    beat
        Seconds between touches.
    """

    def __init__(self, path: Path, beat: float) -> None:
        self.path = path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, args=(beat,), daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Make sure that the lease still holds.

        Raises
        ------
        LeaseLostError
            If it was taken over.
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
                _file(self.path.parent, number).unlink(missing_ok=True)

    def _keep(self, beat: float) -> None:
        while not self._over.wait(beat):
            with contextlib.suppress(OSError):
                os.utime(self.path)


@dataclass
class LeaseHolder:
    """This process as one that takes leases of folders.

    Parameters
    ----------
    beat, stale
        Seconds between touches, and without one until a lease lapses.
    """

    beat: float = BEAT
    stale: float = STALE
    # File of a lease -> its mtime by its own clock, and when this was first seen by ours.
    _seen: dict[Path, tuple[int, float]] = field(default_factory=dict)

    def take(self, folder: Path) -> Lease | None:
        """Take the lease of a folder, which is made where it is missing.

        Returns
        -------
        Lease or None
            None while another process holds it.

        Raises
        ------
        InputError
            If the folder cannot be written.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            last = max(_numbers(folder), default=0)
            if last and not self._has_lapsed(_file(folder, last)):
                return None
            path = _file(folder, last + 1)
            with path.open("xb") as file:
                file.write(Owner.current().to_json())
        except FileExistsError:
            return None
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}); give another folder for results."
            ) from None
        return Lease(path, self.beat)

    def _has_lapsed(self, path: Path) -> bool:
        try:
            touched = path.stat().st_mtime_ns
        except FileNotFoundError:
            return False  # just let go of: the next look shows it
        owner = Owner.read(path)  # None while its owner is about to write it
        if owner is not None and owner.is_dead:
            return True
        now = time.monotonic()
        before, since = self._seen.get(path, (None, now))
        if touched != before:
            since = now
        self._seen[path] = (touched, since)
        return now - since > self.stale


def owner_of(folder: Path) -> Owner | None:
    """The process that took the latest lease of a folder; None where there is none."""
    numbers = _numbers(folder)
    return Owner.read(_file(folder, numbers[-1])) if numbers else None


def _file(folder: Path, number: int) -> Path:
    return folder / f"{_NAME}.{number}"


def _number(path: Path) -> int:
    return int(path.suffix[1:])


def _numbers(folder: Path) -> list[int]:
    return sorted(_number(path) for path in folder.glob(f"{_NAME}.[0-9]*"))
