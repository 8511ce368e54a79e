"""GOT-10k clip folders: one tracked object a clip, a box a frame.

Layout as GOT-10k publishes it (Huang, Zhao and Huang, 2019): `{train,val,test}/<clip>/` with
`groundtruth.txt` (x,y,w,h a line), `absence.label` (1 where the object is out of view),
`cover.label` (visible share in eighths, 0 where it is hidden), `meta_info.ini` and the numbered
images.
"""

from __future__ import annotations

import configparser
import re
import warnings
from pathlib import Path

import numpy as np

from aptv2.datasets.clips import Clip, read_boxes, read_images, read_labels, table_of
from aptv2.datasets.names import subfolders
from aptv2.datasets.records import read_text
from aptv2.errors import InputError
from aptv2.tables import PoseTable


def is_got10k(folder: Path) -> bool:
    """True if a folder is a GOT-10k clip, or holds some or splits of some."""
    return bool(_clip_folders(folder))


def read_got10k(folder: str | Path) -> PoseTable:
    """Read one clip folder, a split, or the whole data set as one table.

    Clips are numbered from 1 in the order of their names (those of `train` first, then `val` and
    `test`), the object is track 1 of each, and its `object_class` becomes the species. A frame
    whose object is absent or wholly covered stays as a frame without a row. A clip without
    `absence.label`, `cover.label` or `meta_info.ini` is read as wholly visible, of unknown size and
    class (a missing `absence.label` gives a warning); `groundtruth.txt` may hold the first box
    alone, as in GOT-10k's test split.

    Raises
    ------
    InputError
        Where there is no clip, or a label file is broken or does not fit the number of images.
    """
    folder = Path(folder)
    folders = _clip_folders(folder)
    if not folders:
        raise InputError(f"{folder} holds no groundtruth.txt, nor does a folder in it.")
    clips = [_read_clip(one, folder) for one in folders]
    silent = [
        one
        for one, clip in zip(folders, clips, strict=True)
        if len(clip.boxes) > 1 and not (one / "absence.label").is_file()
    ]
    if silent:
        warnings.warn(
            f"{silent[0]} has no absence.label ({len(silent)} of {len(clips)} clips have none): "
            "its object counts as in sight wherever its box has an area",
            stacklevel=2,
        )
    return table_of(folder, clips)


def _clip_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    if _is_clip(folder):
        return [folder]
    splits = [folder / name for name in ("train", "val", "test") if (folder / name).is_dir()]
    return [one for place in (folder, *splits) for one in subfolders(place) if _is_clip(one)]


def _is_clip(folder: Path) -> bool:
    # LaSOT's clips hold the same file; their images lie in a folder.
    return (folder / "groundtruth.txt").is_file() and not (folder / "img").is_dir()


def _read_clip(folder: Path, root: Path) -> Clip:
    images = read_images(folder, folder.relative_to(root).as_posix().removeprefix("."))
    boxes, present = read_boxes(folder / "groundtruth.txt", len(images))
    for name, shown in (("absence.label", (0,)), ("cover.label", range(1, 9))):
        if (folder / name).is_file():
            present &= np.isin(read_labels(folder / name, len(images)), shown)[: len(boxes)]
    return Clip(images, boxes, present, *_read_meta(folder / "meta_info.ini"))


def _read_meta(path: Path) -> tuple[str, tuple[int, int]]:
    """Class name ("" where not said) and frame size (0, 0 where not said)."""
    if not path.is_file():
        return "", (0, 0)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text(path))
    except configparser.Error as error:
        raise InputError(
            f"{path} is not a valid INI file ({type(error).__name__}); correct or remove it."
        ) from None
    meta = parser["METAINFO"] if parser.has_section("METAINFO") else {}
    resolution = meta.get("resolution", "")
    size = re.fullmatch(r"\(?\s*(\d{1,6})\s*,\s*(\d{1,6})\s*\)?", resolution)
    if resolution and not size:
        raise InputError(f'{path}: "resolution" is {resolution[:40]!r}, not (width, height).')
    return meta.get("object_class", ""), (int(size[1]), int(size[2])) if size else (0, 0)
