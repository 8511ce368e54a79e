"""Clips that follow one object: what GOT-10k, LaSOT and TrackingNet have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aptv2.datasets.names import images_in
from aptv2.datasets.records import LARGEST, read_text
from aptv2.errors import InputError
from aptv2.tables import Frames, PoseTable


@dataclass(frozen=True)
class Clip:
    """One clip.

    Parameters
    ----------
    images
        Names relative to the root of the table, in order.
    boxes
        float32 (L, 4), xywh in pixels: of every image, or of the first alone.
    present
        bool (L,): whether the object is to be seen.
    species
        Class of the object, "" where it is not said.
    size
        Width and height of the images, 0 where they are not said.
    """

    images: list[str]
    boxes: np.ndarray
    present: np.ndarray
    species: str = ""
    size: tuple[int, int] = (0, 0)


def table_of(root: Path, clips: Sequence[Clip]) -> PoseTable:
    """One table of clips, numbered from 1 in their order.

    The object is track 1 of each clip and its class becomes the species. A frame whose object is
    not to be seen stays as a frame without a row.
    """
    classes = sorted({clip.species for clip in clips if clip.species})
    class_ids = {name: number for number, name in enumerate(classes, 1)}
    lengths = np.array([len(clip.images) for clip in clips])
    starts = np.cumsum(lengths) - lengths
    frames = Frames.make(
        names=[image for clip in clips for image in clip.images],
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
        root=root,
    )


def read_images(folder: Path, prefix: str) -> list[str]:
    """Names of a clip's images, in natural order, with `prefix` (a folder, or "") before them.

    Raises
    ------
    InputError
        Where the folder cannot be read or holds no image.
    """
    names = images_in(folder)
    if not names:
        raise InputError(f"{folder} holds no numbered .jpg or .png images; give a whole clip.")
    return [f"{prefix}/{name}" if prefix else name for name in names]


def read_boxes(path: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of a file with `x,y,width,height` a line, and whether each has any area.

    Parameters
    ----------
    path
        The file; numbers are parted by commas or white space.
    count
        Number of images; the file has as many lines, or the first box alone.

    Returns
    -------
    boxes, present
        float32 (L, 4) and bool (L,).

    Raises
    ------
    InputError
        Where the file cannot be read, a line is broken or their number does not fit.
    """
    lines = read_text(path).replace(",", " ").rstrip().splitlines()
    boxes = _numbers(" ".join(lines).split())
    if boxes is None or any(len(line.split()) != 4 for line in lines):
        broken = (len(line.split()) != 4 or _numbers(line.split()) is None for line in lines)
        raise InputError(
            f"{path}: line {[*broken].index(True) + 1} does not hold 4 finite numbers; "
            "correct the line."
        )
    if len(lines) not in (1, count):
        raise InputError(
            f"{path}: lines {len(lines)}, images {count}; it needs a line for each image, or the "
            "first alone."
        )
    boxes = boxes.reshape(-1, 4)
    negative = np.flatnonzero((boxes[:, 2:] < 0).any(axis=1))
    if len(negative):
        raise InputError(f"{path}: line {negative[0] + 1} has a negative size; correct the line.")
    return boxes, (boxes[:, 2] > 0) & (boxes[:, 3] > 0)


def read_labels(path: Path, count: int) -> np.ndarray:
    """float32 (count,): one number an image, parted by commas, white space or lines.

    Raises
    ------
    InputError
        Where the file cannot be read, an entry is no number or their number does not fit.
    """
    fields = read_text(path).replace(",", " ").split()
    labels = _numbers(fields)
    if labels is None:
        wrong = next(i for i, field in enumerate(fields, 1) if _numbers([field]) is None)
        raise InputError(f"{path}: entry {wrong} is not a finite number; correct it.")
    if len(labels) != count:
        raise InputError(f"{path}: entries {len(labels)}, images {count}; it needs one for each.")
    return labels


def _numbers(fields: list[str]) -> np.ndarray | None:
    """float32 (N,), or None where one is not a finite number."""
    try:
        numbers = np.array(fields, str).astype(np.float64)
    except ValueError:
        return None
    return numbers.astype(np.float32) if (np.abs(numbers) < LARGEST).all() else None
