"""APT-36K, the forerunner of APTv2: one COCO-like file, `apt36k_annotations.json`.

2,400 clips of 30 species, 35,483 images, the 17 animal keypoints, `video_id` and `track_id`. It
departs from COCO in three ways: `file_name` is an absolute Windows path of the machine it was
made on, of which `<species>\\<clip>\\<file>` is what a download holds; the crowd flag is
`is_crowd`; the licences stand under `license`. There is no split.

Names of some clips are Chinese, stored in the archive as GBK bytes without saying so. What a
download holds depends on the program that unpacked it, so folders are looked for under all
readings of those bytes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from aptv2.datasets.coco import find_root, is_coco, parse_coco
from aptv2.tables import PoseTable

# What programs take the bytes of names in a ZIP archive for.
_READINGS = ("gbk", "cp437", "cp866", "cp850", "cp1252", "utf-8")


def is_apt36k(document: Any) -> bool:
    """True if parsed JSON looks like APT-36K's annotation file."""
    if not is_coco(document) or not isinstance(document["images"], list):
        return False
    first = document["images"][0] if document["images"] else None
    name = first.get("file_name") if isinstance(first, dict) else None
    return isinstance(name, str) and name[1:3] == ":\\" and "license" in document


def parse_apt36k(document: dict[str, Any], path: Path) -> PoseTable:
    """A table of parsed JSON that came from `path`.

    File names become `<species>/<clip>/<file>`; the root is the folder beside the file in which
    the first images are found.

    Raises
    ------
    InputError
        Where the file holds something that is wrong; it names the record and the field.
    """
    images = [_relative(image) for image in document["images"]]
    names = [image["file_name"] for image in images if _has_name(image)]
    root = find_root(path, [name for name in names if name.isascii()])
    if root is not None:
        on_disk = {folder: _on_disk(root, folder) for folder in {_folder(name) for name in names}}
        images = [_moved(image, on_disk) if _has_name(image) else image for image in images]
    return parse_coco(document | {"images": images}, path, root)


def _relative(image: Any) -> Any:
    """The image record with `<species>/<clip>/<file>` for a whole path; others stay as they are."""
    parts = image["file_name"].split("\\") if _has_name(image) else []
    if len(parts) >= 4 and parts[0].endswith(":"):
        return image | {"file_name": "/".join(parts[-3:])}
    return image


def _has_name(image: Any) -> bool:
    return isinstance(image, dict) and isinstance(image.get("file_name"), str)


def _folder(name: str) -> str:
    return name.rpartition("/")[0]


def _moved(image: dict[str, Any], on_disk: dict[str, str]) -> dict[str, Any]:
    folder = _folder(image["file_name"])
    return image | {"file_name": on_disk[folder] + image["file_name"][len(folder) :]}


def _on_disk(root: Path, folder: str) -> str:
    """The folder under the name it has on this disk; as it is where none of them is there."""
    species, _, clip = folder.rpartition("/")
    if clip.isascii():
        return folder
    for source in _READINGS:
        for target in _READINGS:
            stored = clip.encode(source, "ignore").decode(target, "ignore")
            if stored and os.path.isdir(root / species / stored):  # noqa: PTH112 - long names
                return f"{species}/{stored}"
    return folder
