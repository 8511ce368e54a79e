"""GOT-10k clip folders: one tracked object a clip, a box a frame.

Layout as GOT-10k publishes it: `groundtruth.txt` (x,y,w,h a line), and beside it
`absence.label` (1 where the object is out of view), `cover.label` (visible share in eighths,
0 where it is hidden), `meta_info.ini` and the numbered images.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aptv2.errors import InputError
from aptv2.tables import Frames, PoseTable

_IMAGES = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True)
class _Clip:
    images: list[str]
    boxes: np.ndarray  # float32 (labelled frames, 4)
    present: np.ndarray  # bool (labelled frames,)
    species: str
    size: tuple[int, int]


def is_got10k(folder: Path) -> bool:
    """Whether a folder is a GOT-10k clip or holds some."""
    return bool(_clip_folders(folder))


def read_got10k(folder: str | Path) -> PoseTable:
    """Read one clip folder, or a folder of clip folders, as one table.

    Clips are numbered from 1 in the order of their names, the object is track 1 of each, and its
    `object_class` becomes the species. A frame whose object is absent or wholly covered stays as
    a frame without a row. A clip without `absence.label`, `cover.label` or `meta_info.ini` is
    read as wholly visible, of unknown size and class; `groundtruth.txt` may hold the first box
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
    clips = [_read_clip(one) for one in folders]
    classes = sorted({clip.species for clip in clips if clip.species})
    class_ids = {name: number for number, name in enumerate(classes, 1)}

    lengths = np.array([len(clip.images) for clip in clips])
    starts = np.cumsum(lengths) - lengths
    frames = Frames.make(
        names=[
            image if one == folder else f"{one.name}/{image}"
            for one, clip in zip(folders, clips, strict=True)
            for image in clip.images
        ],
        sizes=np.repeat([clip.size for clip in clips], lengths, axis=0),
        clips=np.repeat(np.arange(1, len(clips) + 1), lengths),
        indices=np.arange(lengths.sum()) - np.repeat(starts, lengths),
    )
    rows = [np.flatnonzero(clip.present) for clip in clips]
    counts = [len(shown) for shown in rows]
    return PoseTable.make(
        frames,
        np.concatenate([start + shown for start, shown in zip(starts, rows, strict=True)]),
        boxes=np.concatenate([c.boxes[shown] for c, shown in zip(clips, rows, strict=True)]),
        tracks=np.ones(sum(counts)),
        species=np.repeat([class_ids.get(clip.species, -1) for clip in clips], counts),
        categories={number: name for name, number in class_ids.items()},
        root=folder,
    )


def _clip_folders(folder: Path) -> list[Path]:
    try:
        if (folder / "groundtruth.txt").is_file():
            return [folder]
        return sorted(one for one in folder.iterdir() if (one / "groundtruth.txt").is_file())
    except OSError:
        return []


def _read_clip(folder: Path) -> _Clip:
    images = sorted(
        (one.name for one in folder.iterdir() if one.suffix.lower() in _IMAGES),
        key=lambda name: [int(number) for number in re.findall(r"\d+", name)],
    )
    if not images:
        raise InputError(f"{folder} holds no numbered .jpg or .png images; give a whole clip.")
    boxes = _read_numbers(folder / "groundtruth.txt", 4)
    if len(boxes) not in (1, len(images)):
        raise InputError(
            f"{folder / 'groundtruth.txt'} has {len(boxes)} lines for {len(images)} images; "
            "it needs one for each, or the first alone."
        )
    if (boxes[:, 2:] < 0).any():
        line = int((boxes[:, 2:] < 0).any(axis=1).argmax()) + 1
        raise InputError(f"{folder / 'groundtruth.txt'}: line {line} has a negative size.")
    present = (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
    for name, shown in (("absence.label", (0,)), ("cover.label", range(1, 9))):
        if (folder / name).is_file():
            present &= np.isin(_read_labels(folder / name, len(images)), shown)[: len(boxes)]
    species, size = _read_meta(folder / "meta_info.ini")
    return _Clip(images, boxes, present, species, size)


def _read_labels(path: Path, count: int) -> np.ndarray:
    labels = _read_numbers(path, 1)[:, 0]
    if len(labels) != count:
        raise InputError(f"{path} has {len(labels)} lines for {count} images; it needs one each.")
    return labels


def _read_numbers(path: Path, width: int) -> np.ndarray:
    """float32 (lines, width) of a text file of numbers parted by commas or spaces."""
    lines = [line.replace(",", " ").split() for line in _read_text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    for number, fields in enumerate(lines, 1):
        if len(fields) != width or not _are_finite(fields):
            raise InputError(
                f"{path}: line {number} does not hold {width} finite number"
                f"{'s' if width > 1 else ''}; correct the line."
            )
    return np.array(lines, str).reshape(-1, width).astype(np.float32)


def _are_finite(fields: Sequence[str]) -> bool:
    try:
        return all(abs(float(field)) < 3e38 for field in fields)
    except ValueError:
        return False


def _read_meta(path: Path) -> tuple[str, tuple[int, int]]:
    """Class name ("" where not said) and frame size (0, 0 where not said)."""
    if not path.is_file():
        return "", (0, 0)
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(_read_text(path))
    except configparser.Error as error:
        raise InputError(f"{path} is not a valid INI file: {error.message!r}.") from None
    meta = parser["METAINFO"] if parser.has_section("METAINFO") else {}
    resolution = meta.get("resolution", "")
    size = re.fullmatch(r"\(?\s*(\d{1,6})\s*,\s*(\d{1,6})\s*\)?", resolution)
    if resolution and not size:
        raise InputError(f'{path}: "resolution" is {resolution!r}, not (width, height).')
    return meta.get("object_class", ""), (int(size[1]), int(size[2])) if size else (0, 0)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file.") from None
