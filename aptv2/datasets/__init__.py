"""Readers: files of many formats -> :class:`aptv2.tables.PoseTable`.

Each format is one file here and one row of `FORMATS`; :func:`read_annotations` finds the right one
by looking at what a file holds, never at its name.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from aptv2.datasets.animal_pose import is_animal_pose, parse_animal_pose, read_animal_pose
from aptv2.datasets.apt36k import is_apt36k, parse_apt36k
from aptv2.datasets.aptv2 import annotation_files, is_aptv2_root, read_aptv2
from aptv2.datasets.coco import is_coco, is_own, parse_coco, read_coco
from aptv2.datasets.coco_results import is_coco_results, parse_coco_results, read_coco_results
from aptv2.datasets.cvat import is_cvat, is_cvat_folder, load_xml, parse_cvat, read_cvat
from aptv2.datasets.deeplabcut import is_deeplabcut, read_deeplabcut
from aptv2.datasets.got10k import is_got10k, read_got10k
from aptv2.datasets.labelme import is_labelme, is_labelme_folder, read_labelme
from aptv2.datasets.lasot import is_lasot, read_lasot
from aptv2.datasets.names import entries
from aptv2.datasets.records import check_there, load_json, read_bytes
from aptv2.datasets.repairs import repaired
from aptv2.datasets.sleap import is_sleap, read_sleap
from aptv2.datasets.trackingnet import is_trackingnet, read_trackingnet
from aptv2.datasets.yolo import is_yolo, read_yolo
from aptv2.errors import InputError
from aptv2.tables import PoseTable

__all__ = [
    "FORMATS",
    "annotation_files",
    "read_animal_pose",
    "read_annotations",
    "read_aptv2",
    "read_coco",
    "read_coco_results",
    "read_cvat",
    "read_deeplabcut",
    "read_got10k",
    "read_labelme",
    "read_lasot",
    "read_sleap",
    "read_trackingnet",
    "read_yolo",
]


class Format(NamedTuple):
    """A file format: its name, how to know it, how to read it.

    `recognise` and `read` get the path and what :func:`load_document` makes of it. `read_around`,
    where there is one, leaves out files that are wrong, and hands each and its error on.
    """

    name: str
    recognise: Callable[[Path, Any], bool]
    read: Callable[[Path, Any], PoseTable]
    read_around: Callable[[Path, Callable[[Path, InputError], None]], PoseTable] | None = None


def _document(
    name: str, recognise: Callable[[Any], bool], parse: Callable[[Any, Path], PoseTable]
) -> Format:
    return Format(
        name,
        lambda path, document: document is not None and recognise(document),
        lambda path, document: parse(document, path),
    )


def _folder(
    name: str, recognise: Callable[[Path], bool], read: Callable[[Path], PoseTable]
) -> Format:
    return Format(
        name,
        lambda path, document: document is None and recognise(path),
        lambda path, document: read(path),
    )


# The first that recognises a path reads it; formats of many files come last.
FORMATS = (
    _document("APT-36K annotations", is_apt36k, parse_apt36k),
    _document("Animal-Pose annotations", is_animal_pose, parse_animal_pose),
    _document("COCO keypoint annotations", is_coco, parse_coco),
    _document("COCO keypoint results", is_coco_results, parse_coco_results),
    _document("LabelMe", is_labelme, lambda document, path: read_labelme(path)),
    _document("CVAT XML", is_cvat, parse_cvat),
    _folder("YOLO pose", is_yolo, read_yolo),
    _folder("an APTv2 release", is_aptv2_root, read_aptv2),
    _folder("GOT-10k clip folders", is_got10k, read_got10k),
    _folder("LaSOT clip folders", is_lasot, read_lasot),
    _folder("TrackingNet folders", is_trackingnet, read_trackingnet),
    _folder("SLEAP", is_sleap, read_sleap),
    _folder("DeepLabCut labels", is_deeplabcut, read_deeplabcut),
    _folder("CVAT folders", is_cvat_folder, read_cvat),
    _folder("LabelMe folders", is_labelme_folder, read_labelme)._replace(read_around=read_labelme),
)


def read_annotations(path: str | Path) -> PoseTable:
    """Read annotations or predictions of any known format, recognised by content.

    A folder that holds a single annotation file, or has one in `annotations/`, is read as that
    file.

    Raises
    ------
    InputError
        Where the path does not exist, is of no known format, or holds something wrong.
    """
    path = Path(path)
    check_there(path)
    document = load_document(path)
    for known in FORMATS:
        if known.recognise(path, document):
            table = known.read(path, document)
            return table if document is None or is_own(document) else repaired(table, path)
    if path.is_dir() and (files := json_files(path)):
        if len(files) == 1:
            return read_annotations(files[0])
        names = ", ".join(str(file.relative_to(path)) for file in files[:9])
        more = ", …" if len(files) > 9 else ""
        raise InputError(f"{path} holds {len(files)} annotation files; give one: {names}{more}.")
    names = ", ".join(known.name for known in FORMATS)
    raise InputError(f"{path} is of no known format; give one of: {names}.")


def load_document(path: Path) -> Any:
    """Parsed JSON or the root element of XML; None for a folder, HDF5, DeepLabCut's, YOLO's."""
    if path.is_dir() or is_deeplabcut(path) or is_yolo(path):
        return None
    start = read_bytes(path, 100).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"PK\x03\x04"):
        raise InputError(f"{path} is a ZIP archive; unpack it and give the folder.")
    return load_xml(path) if start.startswith(b"<") else load_json(path)


def json_files(folder: Path) -> list[Path]:
    """The JSON files in `annotations/` of a folder, or where there is none in itself."""
    for place in (folder / "annotations", folder):
        if not place.is_dir():
            continue
        files = [place / name for name in entries(place) if name.endswith(".json")]
        if files:
            return files
    return []
