"""The files that a run writes for a video."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aptv2.errors import InputError
from aptv2.export import FORMATS, Format, check_free, find_format, write_coco
from aptv2.files import check_name, check_target
from aptv2.tables import PoseTable
from aptv2.video.sources import OVERLAY_SUFFIX


@dataclass(frozen=True)
class Output:
    """What is written, and where.

    Parameters
    ----------
    folder
        The folder, which is made where it is missing.
    name
        What the files are called, without their suffixes.
    export
        Formats beside those that every run writes.
    overlay
        Whether there is a video with the poses drawn on it.

    Raises
    ------
    InputError
        Where a format is unknown, or what it needs is not installed.
    """

    folder: Path
    name: str
    export: Sequence[str] = ()
    overlay: bool = True

    def __post_init__(self) -> None:
        for name in self.export:
            find_format(name, "--export")

    @property
    def tracks(self) -> Path:
        """The tracks, as COCO JSON: the file that is written first."""
        return self.folder / f"{self.name}.tracks.json"

    @property
    def video(self) -> Path:
        """The video with the poses drawn on it."""
        return self.folder / (self.name + OVERLAY_SUFFIX)

    @property
    def unfinished(self) -> Path:
        """Folder of what a run has done that is not over."""
        return self.folder / f".{self.name}.part"

    @property
    def finished(self) -> bool:
        """Whether a run is over and wrote its files.

        A video without frames gives no overlay, so that one may be missing.
        """
        written = (self.tracks, *self._formats)
        return all(path.exists() for path in written) and not self.unfinished.exists()

    def check_folder(self) -> None:
        """Make the folder, and see that all can be written in it under their names.

        Raises
        ------
        InputError
            Where they cannot: no permission, no such disk, names too long, or something else than
            an ordinary file in the place of one.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise InputError(
                f"{self.folder}: results cannot be written here ({error.strerror}); choose "
                "another output folder."
            ) from error
        try:
            tempfile.gettempdir()
        except FileNotFoundError:  # Torch asks for it too, and ends with this error.
            raise InputError(
                "No folder for temporary files can be written; make room on the disk, or name "
                "another folder in TMPDIR."
            ) from None
        if not self.name:
            return
        check_target(self.tracks)
        if self.overlay:
            check_target(self.video)
        check_name(self.unfinished / "overlay0000.mp4")
        for path, found in self._formats.items():
            if found.folder:
                check_name(path)
                check_free(path, found)
            else:
                check_target(path)

    def write(self, table: PoseTable) -> list[InputError]:
        """Write the table in every format, as far as that can be done.

        Returns
        -------
        list of InputError
            Why some could not be written.
        """
        later = {path: found for path, found in self._formats.items() if path != self._csv}
        failures = self.write_tables(table)
        for path, found in later.items():
            failures += _failure(found.write, table, path)
        return failures

    def write_tables(self, table: PoseTable) -> list[InputError]:
        """Write the two files that hold everything, the tracks and the CSV.

        Returns
        -------
        list of InputError
            Why some could not be written.
        """
        failures = _failure(write_coco, table, self.tracks)
        return failures + _failure(FORMATS["csv"].write, table, self._csv)

    @property
    def files(self) -> list[Path]:
        """What a finished run leaves."""
        return [self.tracks, *self._formats, *([self.video] if self.overlay else [])]

    @property
    def _csv(self) -> Path:
        return self.folder / (self.name + FORMATS["csv"].suffix)

    @property
    def _formats(self) -> dict[Path, Format]:
        formats = (FORMATS[name] for name in dict.fromkeys(["csv", *self.export]))
        return {self.folder / (self.name + found.suffix): found for found in formats}


def _failure(
    write: Callable[[PoseTable, Path], object], table: PoseTable, path: Path
) -> list[InputError]:
    """Write a file; the error, where there is one."""
    try:
        write(table, path)
    except InputError as error:
        return [error]
    return []
