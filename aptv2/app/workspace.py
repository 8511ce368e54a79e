"""The server's clips, and the folder of its temporary files."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from starlette.concurrency import run_in_threadpool

from aptv2.app.child import check_video
from aptv2.app.clips import RESULTS, UPLOAD, Clip
from aptv2.app.jobs import BusyError, Job, Jobs
from aptv2.app.results import read_result, tracks_file
from aptv2.errors import InputError
from aptv2.locks import Owner
from aptv2.video.reader import open_video
from aptv2.video.sources import VIDEO_SUFFIXES

GIGABYTE = 10**9
SPARE = GIGABYTE
"""What an upload leaves free on the disk."""


_STEP = 2**24  # bytes of an upload of unknown length that are reserved at a time
_PREFIX, _OWNER = "aptv2-page-", "owner.json"


class TooLargeError(InputError):
    """An upload beyond the limit."""


class Workspace:
    """The clips of a server, and their folder, which :meth:`close` removes.

    Parameters
    ----------
    max_bytes
        Size of the largest upload.
    keep_seconds
        How long a clip that nobody looks at is kept.
    """

    def __init__(self, max_bytes: int = 4 * GIGABYTE, keep_seconds: float = 24 * 3600) -> None:
        self.max_bytes, self.keep_seconds = max_bytes, keep_seconds
        self.clips: dict[str, Clip] = {}
        self.jobs = Jobs()
        self._promised: dict[Path, int] = {}  # bytes that uploads under way have yet to write
        _remove_left()
        self._temporary = tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True)
        root = Path(self._temporary.name)
        (root / _OWNER).write_bytes(Owner.current().to_json())
        self.folder = root / "clips"
        self.folder.mkdir()

    async def receive(self, name: str, length: int | None, chunks: AsyncIterator[bytes]) -> Clip:
        """Take an uploaded video.

        Parameters
        ----------
        name
            What the sender calls it.
        length
            Its size in bytes, as far as the sender says.
        chunks
            The content.

        Raises
        ------
        TooLargeError
            Where it is beyond the limit, or the disk too full.
        InputError
            Where it is no video that can be read.
        """
        name = safe_name(name)
        self._check_room(name, length or 0)
        folder = self._new_folder()
        for inner in (UPLOAD, RESULTS):
            (folder / inner).mkdir()
        path = folder / UPLOAD / name
        try:
            await self._save(path, length, chunks)
            clip = await run_in_threadpool(_open, path, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return self._add(clip)

    async def _save(self, path: Path, length: int | None, chunks: AsyncIterator[bytes]) -> None:
        received = checked = 0
        self._promised[path] = length or _STEP
        try:
            with path.open("wb") as file:
                async for chunk in chunks:
                    received += len(chunk)
                    self._promised[path] = max(length or 0, received + _STEP) - received
                    if received > self.max_bytes or received >= checked + _STEP:
                        checked = received
                        self._check_room(path.name, received, received)
                    file.write(chunk)
        finally:
            del self._promised[path]

    def _check_room(self, name: str, size: int, written: int = 0) -> None:
        """Refuse an upload beyond the limit, or beyond what others that are under way leave."""
        if size > self.max_bytes:
            raise TooLargeError(
                f"{name} is too large: the limit is {self.max_bytes / GIGABYTE:g} GB; start the "
                "page with a higher --max-upload, or use aptv2 track."
            )
        free = shutil.disk_usage(self.folder).free - SPARE - sum(self._promised.values())
        if size - written > free:
            raise TooLargeError(f"{name} does not fit on the disk; make room and try again.")

    def open_result(self, path: Path, video: Path | None = None) -> Clip:
        """Show existing tracks.

        Parameters
        ----------
        path
            A `.tracks.json`, or other annotations of one video.
        video
            Its video, or folder of images; None looks for it beside the tracks.

        Raises
        ------
        InputError
            Where they cannot be read, or are of several videos.
        """
        path = tracks_file(path)
        table, source = read_result(path, video)
        name = path.name.removesuffix(".json").removesuffix(".tracks")
        return self._add(Clip(name, self._new_folder(), path.parent, source, table))

    def get(self, clip_id: str) -> Clip:
        """A clip by its id, which counts as looking at it.

        Raises
        ------
        KeyError
            Where there is none.
        """
        clip = self.clips[clip_id]
        clip.used = time.monotonic()
        return clip

    def remove(self, clip: Clip) -> None:
        """Forget a clip and what is kept of it; results elsewhere stay."""
        for job in clip.jobs:
            job.cancel()
        del self.clips[clip.id]
        # Behind the work that may still write there.
        folder = clip.folder
        self.jobs.clean_up(lambda: shutil.rmtree(folder, ignore_errors=True))

    def remove_old(self) -> None:
        """Remove uploads that nobody has looked at for long. Opened results stay."""
        oldest = time.monotonic() - self.keep_seconds
        for clip in list(self.clips.values()):
            if clip.uploaded and clip.used < oldest and not clip.busy:
                self.remove(clip)

    def close(self) -> None:
        """End all work and remove the folder."""
        self.jobs.close()
        self._temporary.cleanup()

    def _add(self, clip: Clip) -> Clip:
        try:
            clip.jobs.append(self.jobs.submit(Job("Preparing the video", clip.prepare)))
        except BusyError:
            shutil.rmtree(clip.folder, ignore_errors=True)
            raise
        self.clips[clip.id] = clip
        return clip

    def _new_folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder))


def _open(path: Path, folder: Path) -> Clip:
    """An uploaded video, opened where it may crash first."""
    try:
        check_video(path)
        return Clip(path.stem, folder, folder / RESULTS, open_video(path))
    except InputError as error:
        raise InputError(str(error).replace(f"{path.parent}/", "")) from error


def _remove_left() -> None:
    """Remove the folders of this user's servers that were killed."""
    for owner_file in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_OWNER}"):
        owner, folder = Owner.read(owner_file), owner_file.parent
        with suppress(OSError, AttributeError):  # Windows counts no users, nor shares the folder.
            if owner is None or folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
        if owner is not None and owner.is_dead:
            shutil.rmtree(folder, ignore_errors=True)


def safe_name(name: str) -> str:
    """A file name that is harmless on any system, as close to the sender's as can be."""
    last = re.split(r"[/\\]", name)[-1]
    path = Path(re.sub(r"[^\w .()+-]", "_", last).strip(" ."))
    suffix = path.suffix.lower() if path.suffix.lower() in VIDEO_SUFFIXES else ""
    return (path.stem[:80].strip(" .") or "video") + suffix
