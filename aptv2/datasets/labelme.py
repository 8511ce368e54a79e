"""LabelMe files: one JSON beside each image, as APTv2 and APT-36K come with them.

A file has `shapes`, each with `label`, `points` (a list of x, y), `shape_type` and `group_id`,
and `imagePath`, `imageWidth` and `imageHeight`. In APTv2's the group is the track, the files lie
beside the frames in `<number><species>/<clip>/`, and folders are spelled in several ways
(`11spider-monkey`, `11spidermonkey`). A rectangle or a polygon is an animal and a point a keypoint
(:mod:`aptv2.datasets.shapes`); lines, circles and masks are left out.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from aptv2 import species
from aptv2.datasets.names import fault_of, images_in, is_file, walk, with_slashes
from aptv2.datasets.records import load_json
from aptv2.datasets.shapes import Animal, Picture, Shape, animals_of, keypoints_of, number, table_of
from aptv2.errors import InputError
from aptv2.images import IMAGE_SUFFIXES
from aptv2.tables import PoseTable

_BOXES = ("rectangle", "polygon")


class _File(NamedTuple):
    """What one file says: the image's width and height (0 where unknown), animals, the image's
    name beside the file, and the path that it gives.
    """

    size: tuple[int, int] = (0, 0)
    animals: Sequence[Animal] = ()
    image: str = ""
    path: str = ""


def is_labelme(document: Any) -> bool:
    """Whether parsed JSON looks like a LabelMe file."""
    return isinstance(document, dict) and "shapes" in document and "imagePath" in document


def is_labelme_folder(folder: Path) -> bool:
    """Whether the first JSON file in a folder, or in the folders below, is of LabelMe.

    Files that are no JSON are passed over: one of them does not make a tree another format.
    """
    if not folder.is_dir():
        return False
    for current, names in walk(folder):
        for name in names:
            if name.endswith(".json"):
                with contextlib.suppress(InputError):
                    return is_labelme(load_json(current / name))
    return False


def read_labelme(
    path: str | Path, refused: Callable[[Path, InputError], None] | None = None
) -> PoseTable:
    """Read one LabelMe file, or all in a folder and the folders below, as one table.

    Parameters
    ----------
    path
        A file, a clip, a species, or a whole `data` tree. Every JSON file in a folder has to be
        of LabelMe; images without one are frames without animals.
    refused
        Gets each file that holds something wrong, and what; its image is then a frame without
        animals. Where it is None, the first such file is an error.

    Returns
    -------
    PoseTable
        A clip is a folder with images, numbered from 1 in natural order; a track is a `group_id`.
        The species is that of the folder `<number><species>` around a clip, spelled as APTv2
        does, or else the rectangle's label. Keypoints are the 17 where all labels are among them,
        by name or by number from 1; or else the labels in the order they are met. Where an
        animal has no rectangle its box is that around its keypoints.

    Raises
    ------
    InputError
        Where there is no file, or one holds something wrong; it names the file and the shape.
    """

    def read(file: Path) -> _File:
        try:
            return _read_file(file)
        except InputError as error:
            if refused is None:
                raise
            refused(file, error)
            return _File()

    path = Path(path)
    root = path if path.is_dir() else path.parent
    pictures: list[Picture] = []
    if path.is_dir():
        for folder, names in walk(path):
            clip = pictures[-1].clip + 1 if pictures else 1
            pictures += _read_clip(folder, names, root, clip, read)
    else:
        images = [name for name in images_in(root) if PurePosixPath(name).stem == path.stem]
        pictures = _read_clip(root, [*images, path.name], root, 1, read)
    if not pictures:
        raise InputError(f"{path} holds no LabelMe files.")
    labels = [
        name for picture in pictures for animal in picture.animals for name in animal.keypoints
    ]
    return table_of(pictures, keypoints_of(labels), root)


def _read_clip(
    folder: Path, names: Sequence[str], root: Path, clip: int, read: Callable[[Path], _File]
) -> list[Picture]:
    """The images of one folder; none where no file lies beside them."""
    files = {PurePosixPath(name).stem: name for name in names if name.endswith(".json")}
    if not files:
        return []
    images = {
        PurePosixPath(name).stem: name
        for name in names
        if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES
    }
    named = _species_of(folder)
    prefix = "" if folder == root else folder.relative_to(root).as_posix() + "/"
    pictures: list[Picture] = []
    # `names` are in natural order, and a file stands beside its image.
    for stem in dict.fromkeys(PurePosixPath(name).stem for name in names):
        if stem not in files and stem not in images:
            continue
        file = read(folder / files[stem]) if stem in files else _File()
        for animal in file.animals:
            animal.species = named or animal.species
        image = images.get(stem) or _elsewhere(folder, root, file.path) or file.image
        name = image if "/" in image else prefix + image if image else ""
        pictures.append(Picture(name, file.size, list(file.animals), clip, len(pictures)))
    return pictures


def _elsewhere(folder: Path, root: Path, given: str) -> str:
    """An image in another folder of the set, relative to its root; "" where there is none."""
    place = os.path.relpath(os.path.normpath(folder / given), root)
    inside = "/" in given and not fault_of(place) and is_file(root / place)
    return Path(place).as_posix() if inside else ""


def _species_of(folder: Path) -> str:
    """Species of the folder `<number><species>` around a clip, "" where it is not called so."""
    match = re.fullmatch(r"[0-9]+([^0-9]+)", folder.resolve().parent.name)
    return species.canonical(match[1]) if match else ""


def _read_file(path: Path) -> _File:
    document = load_json(path)
    if not is_labelme(document):
        raise InputError(f'{path} is no LabelMe file: it holds no "shapes" and "imagePath".')
    width, height = (_size(document, key, path) for key in ("imageWidth", "imageHeight"))
    if not isinstance(document["shapes"], list):
        raise InputError(f'{path}: "shapes" is no list; correct it.')
    shapes = [_shape(item, f"{path}: shape {i}") for i, item in enumerate(document["shapes"])]
    image = document["imagePath"]
    if not isinstance(image, str):
        raise InputError(f'{path}: "imagePath" is not text; correct it.')
    image = with_slashes(image)
    animals = animals_of([shape for shape in shapes if shape])
    # The name only: the path may be that of the machine it was drawn on.
    beside = path.stem + PurePosixPath(image.rpartition("/")[2]).suffix
    return _File((width, height), animals, beside, image)


def _size(document: dict[str, Any], key: str, path: Path) -> int:
    value = document.get(key)
    size = number(0 if value is None else value, f'{path}: "{key}"')
    if not 0 <= size < 2**31:
        raise InputError(f'{path}: "{key}" is {size:g}, which is no size; correct it.')
    return int(size)


def _shape(item: Any, where: str) -> Shape | None:
    if not isinstance(item, dict):
        raise InputError(f"{where} is not an object with named fields; correct or remove it.")
    label, group, points = item.get("label"), item.get("group_id"), item.get("points")
    # LabelMe's first versions drew polygons only and did not say so.
    kind = item.get("shape_type", "polygon")
    if not isinstance(label, str) or not label:
        raise InputError(f'{where}: "label" is not text; correct it.')
    if group is not None and (type(group) is not int or not 0 <= group < 2**53):
        raise InputError(f'{where}: "group_id" is not a whole number from 0; correct it.')
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 2 for p in points):
        raise InputError(f'{where}: "points" is not a list of x and y; correct it.')
    corners = tuple(
        (number(x, f'{where}: "points"'), number(y, f'{where}: "points"')) for x, y in points
    )
    if kind not in ("point", *_BOXES):
        return None
    if (kind == "point") != (len(corners) == 1) or not corners:
        raise InputError(f'{where}: "points" holds {len(corners)} for a {kind}; correct it.')
    track = -1 if group is None else group
    return Shape(label, corners, group, track, where=where)
