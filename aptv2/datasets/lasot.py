"""LaSOT clip folders: one tracked object a clip, a box a frame.

Layout as LaSOT publishes it (Fan et al., 2019): `<class>/<class>-<number>/` with the images in
`img/`, `groundtruth.txt` (x,y,w,h a line), and `full_occlusion.txt` and `out_of_view.txt`, each
one line of 0 and 1 parted by commas. Some downloads leave out the folder of the class.
"""

from __future__ import annotations

from pathlib import Path

from aptv2.datasets.clips import Clip, read_boxes, read_images, read_labels, table_of
from aptv2.datasets.names import subfolders
from aptv2.errors import InputError
from aptv2.tables import PoseTable


def is_lasot(folder: Path) -> bool:
    """True if a folder is a LaSOT clip, or holds some or folders of some."""
    return bool(_clip_folders(folder))


def read_lasot(folder: str | Path) -> PoseTable:
    """Read one clip folder, a class, or the whole data set as one table.

    Clips are numbered from 1 in the order of their names, the object is track 1 of each, and its
    class, the clip's name up to its number, becomes the species. A frame whose object is fully
    occluded or out of view stays as a frame without a row.

    Raises
    ------
    InputError
        Where there is no clip, or a label file is broken or does not fit the number of images.
    """
    folder = Path(folder)
    folders = _clip_folders(folder)
    if not folders:
        raise InputError(f"{folder} holds no clip folders with groundtruth.txt and img/.")
    return table_of(folder, [_read_clip(one, folder) for one in folders])


def _clip_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    if _is_clip(folder):
        return [folder]
    inner = subfolders(folder)
    return [one for one in inner if _is_clip(one)] or [
        one for middle in inner for one in subfolders(middle) if _is_clip(one)
    ]


def _is_clip(folder: Path) -> bool:
    return (folder / "groundtruth.txt").is_file() and (folder / "img").is_dir()


def _read_clip(folder: Path, root: Path) -> Clip:
    images = read_images(folder / "img", (folder / "img").relative_to(root).as_posix())
    boxes, present = read_boxes(folder / "groundtruth.txt", len(images))
    for name in ("full_occlusion.txt", "out_of_view.txt"):
        if (folder / name).is_file():
            present &= read_labels(folder / name, len(images))[: len(boxes)] == 0
    species, _, number = folder.resolve().name.rpartition("-")
    return Clip(images, boxes, present, species if number.isdigit() else "")
