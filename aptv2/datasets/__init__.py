"""Readers: files of many formats -> :class:`aptv2.tables.PoseTable`.

Each format is one file here and one row of `FORMATS`; :func:`read_annotations` finds the right one
by looking at what a file holds, never at its name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from aptv2.datasets.coco import is_coco, parse_coco, read_coco
from aptv2.datasets.coco_results import (
    is_coco_results,
    parse_coco_results,
    read_coco_results,
)
from aptv2.datasets.got10k import is_got10k, read_got10k
from aptv2.datasets.records import load_json
from aptv2.errors import InputError
from aptv2.tables import PoseTable

__all__ = ["FORMATS", "read_annotations", "read_coco", "read_coco_results", "read_got10k"]


class Format(NamedTuple):
    """A file format: its name, how to know it, how to read it.

    `recognise` and `read` get the path and, where it is a file, its parsed JSON; a folder comes
    with None.
    """

    name: str
    recognise: Callable[[Path, Any], bool]
    read: Callable[[Path, Any], PoseTable]


FORMATS = (
    Format(
        "COCO keypoint annotations",
        lambda path, document: is_coco(document),
        lambda path, document: parse_coco(document, path),
    ),
    Format(
        "COCO keypoint results",
        lambda path, document: is_coco_results(document),
        lambda path, document: parse_coco_results(document, path),
    ),
    Format(
        "GOT-10k clip folders",
        lambda path, document: document is None and is_got10k(path),
        lambda path, document: read_got10k(path),
    ),
)


def read_annotations(path: str | Path) -> PoseTable:
    """Read annotations or predictions of any known format, recognised by content.

    Raises
    ------
    InputError
        Where the path does not exist, is of no known format, or holds something wrong.
    """
    path = Path(path)
    document = None if path.is_dir() else load_json(path)
    for known in FORMATS:
        if known.recognise(path, document):
            return known.read(path, document)
    names = ", ".join(known.name for known in FORMATS)
    raise InputError(f"{path} is of no known format; give one of: {names}.")
