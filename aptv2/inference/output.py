"""The files that a run writes for a video."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aptv2.errors import InputError
from aptv2.export import FORMATS, Format, check_free, find_format, write_coco
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
        """The tracks, as COCO JSON: the file that is written last."""
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
        """Whether a run is over and wrote its files."""
        return self.tracks.is_file() and not self.unfinished.exists()

    def check_folder(self) -> None:
        """Make the folder, and see that all can be written in it.

        Raises
        ------
        InputError
            Where they cannot.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise InputError(
                f"{self.folder}: results cannot be written here ({error.strerror}); choose "
                "another output folder"
            ) from error
        for path, found in self._formats.items():
            check_free(path, found)

    def write(self, table: PoseTable) -> None:
        """Write the table in every format.

        Raises
        ------
        InputError
            Where one cannot be written.
        """
        for path, found in self._formats.items():
            found.write(table, path)
        write_coco(table, self.tracks)

    @property
    def files(self) -> list[Path]:
        """What a finished run leaves."""
        return [self.tracks, *self._formats, *([self.video] if self.overlay else [])]

    @property
    def _formats(self) -> dict[Path, Format]:
        formats = (FORMATS[name] for name in dict.fromkeys(["csv", *self.export]))
        return {self.folder / (self.name + found.suffix): found for found in formats}
