"""The formats that tracks and labels can be written in."""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

from aptv2.errors import InputError
from aptv2.export.coco import write_coco_labels, write_coco_results
from aptv2.export.csv import write_csv
from aptv2.export.deeplabcut import write_deeplabcut_csv, write_deeplabcut_hdf5
from aptv2.export.mot import write_mot
from aptv2.export.nwb import write_nwb
from aptv2.export.parquet import write_parquet
from aptv2.export.sleap import write_sleap
from aptv2.export.yolo import write_yolo
from aptv2.files import check_target
from aptv2.tables import PoseTable


@dataclass(frozen=True)
class Format:
    """A format.

    Parameters
    ----------
    label
        What it is and what for, in a line.
    suffix
        What its name ends in, behind that of the clip.
    write
        Writes a table to a path.
    extra
        Of this package, what it needs; "" where it needs none.
    packages
        The modules that the extra brings.
    folder
        Whether a folder is written, not a file.
    one_clip
        Whether a file holds only one clip.
    """

    label: str
    suffix: str
    write: Callable[[PoseTable, Path], object]
    extra: str = ""
    packages: tuple[str, ...] = ()
    folder: bool = False
    one_clip: bool = False

    @property
    def available(self) -> bool:
        """True if what it needs is installed."""
        return all(importlib.util.find_spec(name) for name in self.packages)

    def check(self) -> None:
        """Raise an InputError that says what to install where something is missing."""
        if not self.available:
            raise InputError(
                f"Writing {self.suffix} needs {' and '.join(self.packages)}: "
                f"pip install 'aptv2[{self.extra}]'."
            )


FORMATS: dict[str, Format] = {
    "csv": Format("tidy CSV: one row a keypoint, for R, pandas, spreadsheets", ".csv", write_csv),
    "parquet": Format(
        "the same as Parquet, typed and small", ".parquet", write_parquet, "parquet", ("pyarrow",)
    ),
    "dlc": Format(
        "DeepLabCut .h5, one or several animals",
        "DLC_aptv2.h5",
        write_deeplabcut_hdf5,
        "dlc",
        ("pandas", "tables"),
    ),
    "dlc-csv": Format(
        "DeepLabCut .csv, one or several animals", "DLC_aptv2.csv", write_deeplabcut_csv
    ),
    "slp": Format("SLEAP", ".slp", write_sleap, "sleap", ("sleap_io",)),
    "nwb": Format(
        "Neurodata Without Borders, ndx-pose",
        ".nwb",
        write_nwb,
        "nwb",
        ("pynwb", "ndx_pose"),
        one_clip=True,
    ),
    "coco": Format("COCO keypoint results, to score", ".results.json", write_coco_results),
    "coco-keypoints": Format(
        "COCO keypoints with visibilities, to correct in CVAT or to train on",
        ".coco.json",
        write_coco_labels,
    ),
    "mot": Format(
        "MOT Challenge text: boxes and track numbers", ".mot.txt", write_mot, one_clip=True
    ),
    "yolo": Format(
        "YOLO pose labels in a folder, for Ultralytics",
        ".yolo",
        lambda table, path: write_yolo({"train": table}, path, images="none"),
        folder=True,
    ),
}


def find_format(name: str, option: str) -> Format:
    """A format by its name.

    Raises
    ------
    InputError
        Where there is none (the sentence begins with `option` and lists all), or where what it
        needs is not installed.
    """
    if name not in FORMATS:
        nearest = difflib.get_close_matches(name.lower(), FORMATS, 1)
        hint = f"; did you mean {nearest[0]}?" if nearest else "."
        known = "; ".join(f"{key} ({known.label})" for key, known in FORMATS.items())
        raise InputError(f"{option} {name[:40]}: unknown format{hint} Choose from {known}.")
    FORMATS[name].check()
    return FORMATS[name]


def write(table: PoseTable, format: str, folder: str | Path, stem: str) -> Path:
    """Write a table in a format, as `folder / (stem + suffix)`.

    Returns
    -------
    Path
        What was written: a file, which replaces one that was there, or a new folder.

    Raises
    ------
    InputError
        Where there is no such format, what it needs is not installed, it cannot hold the table,
        or nothing can be written there.
    """
    found = find_format(format, "the format")
    path = Path(folder) / (stem + found.suffix)
    found.write(table, path)
    return path


def write_files(table: PoseTable, found: Format, path: Path) -> list[Path]:
    """Write a table to a path, or where the format holds only one clip, each to a file of its own.

    Returns
    -------
    list of Path
        What was written: the path, or that with the name of each video added.

    Raises
    ------
    InputError
        As :func:`write`.
    """
    videos = table.video_names
    if not (found.one_clip and any(videos)):
        found.write(table, path)
        return [path]
    parts = {}
    for video in dict.fromkeys(videos):
        clip = re.sub(r"[/\\:]", "_", str(PurePath(video).with_suffix("")))
        name = path.name.removesuffix(found.suffix)
        target = path.with_name(f"{name}_{clip}{path.name[len(name) :]}")
        if target in parts:
            raise InputError(f"{target} would hold two videos; rename one.")
        parts[target] = video
    for target, video in parts.items():
        found.write(table.with_frames(videos == video), check_target(target))
    return list(parts)


def check_free(path: Path, found: Format) -> None:
    """Raise an InputError if a folder is to be written and already exists."""
    if found.folder and os.path.lexists(path):
        raise InputError(f"{path} already exists; move or remove it.")
