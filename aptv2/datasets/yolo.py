"""YOLO pose data sets, laid out as Ultralytics reads them.

A YAML file names the folders of images (`train`, `val`, `test`), or text files with an image a
line, the species (`names`), the number of keypoints and of numbers for each (`kpt_shape`), their
mirror twins (`flip_idx`) and perhaps their names (`kpt_names`). Labels lie in a text file an
image, in `labels` where the image lies in `images`: a line an animal with its class, the centre
and size of its box and its keypoints, all as shares of the image's width and height.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aptv2.datasets.coco import is_animal17
from aptv2.datasets.names import fault_of, walk, with_slashes
from aptv2.datasets.records import read_bytes, read_text
from aptv2.errors import InputError
from aptv2.images import IMAGE_SUFFIXES, image_size
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable
from aptv2.yaml_files import MOST_BYTES, parse_yaml

SPLITS = ("train", "val", "test")
_MOST_KEYPOINTS = 1000


def label_path(image: str) -> str:
    """Where the labels of an image lie; both paths are relative to the YAML file's folder.

    >>> label_path("images/train/dog.jpg")
    'labels/train/dog.txt'
    """
    path = PurePosixPath(image)
    folders = list(path.parts[:-1])
    if "images" in folders:
        folders[len(folders) - 1 - folders[::-1].index("images")] = "labels"
    return str(PurePosixPath(*folders, path.name).with_suffix(".txt"))


def is_yolo(path: Path) -> bool:
    """Whether a path is the YAML file of a YOLO pose data set, or a folder that holds one."""
    return _description(path) is not None


def read_yolo(path: str | Path) -> PoseTable:
    """Read a YOLO pose data set, all its splits together.

    Parameters
    ----------
    path
        The YAML file, or the folder it lies in. `path` in the file is not followed: folders and
        lists of images are looked for from where the file lies, and the images of a list from
        where the list lies.

    Returns
    -------
    PoseTable
        Every image is a frame, in the order of the splits and then of the names, which are
        relative to the folder that holds all of them. Keypoints without a third number are visible
        (2) unless they are 0, 0. 17 keypoints with the names of `ANIMAL17`, or without names but
        with its `flip_idx`, are `ANIMAL17`.

    Raises
    ------
    InputError
        Where the YAML file, a label file or the header of an image is wrong.
    """
    file = _description(Path(path))
    if file is None:
        raise InputError(f'{path} is no YAML file with "kpt_shape", nor does it hold one.')
    settings = _settings(file)
    count, width = _shape(file, settings)
    names = _class_names(file, settings)
    images, common = _images(file, settings)
    _warn_of_labels_without_images(file, images)
    sizes = [image_size(image) for image in images]
    frame: list[int] = []
    labels: list[np.ndarray] = []
    for row, (image, size) in enumerate(zip(images, sizes, strict=True)):
        found = _labels(file.parent / _label_of(file, image), count, width, len(names))
        found[:, 1:5] *= np.tile(size, 2)
        found[:, 5::width] *= size[0]
        found[:, 6::width] *= size[1]
        frame += [row] * len(found)
        labels.append(found)
    rows = np.concatenate([np.zeros((0, 5 + count * width)), *labels])
    keypoints = rows[:, 5:].reshape(-1, count, width)
    if width == 2:
        keypoints = np.concatenate([keypoints, 2 * keypoints.any(axis=2, keepdims=True)], axis=2)
    boxes = rows[:, 1:5]
    boxes[:, :2] -= boxes[:, 2:] / 2
    return PoseTable.make(
        Frames.make(
            len(images),
            names=[image.relative_to(common).as_posix() for image in images],
            sizes=sizes,
        ),
        frame,
        boxes=boxes,
        keypoints=keypoints,
        species=rows[:, 0],
        skeleton=_skeleton(file, settings, count),
        categories=names,
        root=common,
    )


def _description(path: Path) -> Path | None:
    """The YAML file that describes the data set."""
    files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
    for file in files:
        if file.suffix.lower() not in (".yaml", ".yml") or not file.is_file():
            continue
        if b"kpt_shape" in read_bytes(file, MOST_BYTES):
            return file
    return None


def _settings(file: Path) -> dict[str, Any]:
    settings = parse_yaml(read_bytes(file, MOST_BYTES + 1), file)
    if not isinstance(settings, dict):
        raise InputError(f"{file} is not a list of named settings; correct it.")
    return settings


def _shape(file: Path, settings: dict[str, Any]) -> tuple[int, int]:
    shape = settings.get("kpt_shape")
    if isinstance(shape, list) and len(shape) == 2 and all(type(part) is int for part in shape):
        count, width = shape
        if 0 < count <= _MOST_KEYPOINTS and width in (2, 3):
            return count, width
    raise InputError(
        f'{file}: "kpt_shape" is not [number of keypoints, 2 or 3], with at most {_MOST_KEYPOINTS} '
        "keypoints; correct it."
    )


def _class_names(file: Path, settings: dict[str, Any]) -> dict[int, str]:
    names = settings.get("names")
    named = dict(enumerate(names)) if isinstance(names, list) else names
    if (
        not isinstance(named, dict)
        or set(named) != set(range(len(named)))
        or not all(isinstance(name, str | int) for name in named.values())
    ):
        raise InputError(f'{file}: "names" does not name the classes 0, 1, 2, …; correct it.')
    return {key: str(named[key]) for key in range(len(named))}


def _images(file: Path, settings: dict[str, Any]) -> tuple[list[Path], Path]:
    """The images of all splits, and the folder that holds all of them."""
    images: dict[Path, None] = {}
    folders: set[Path] = set()
    for split in SPLITS:
        given = settings.get(split) or []
        for name in given if isinstance(given, list) else [given]:
            name = _beside(file, name, split) if isinstance(name, str) else name
            fault = fault_of(name) if isinstance(name, str) else "is not the name of a folder"
            if fault:
                raise InputError(f'{file}: "{split}" {fault}; name a folder beside the file.')
            place = Path(os.path.normpath(file.parent / name))
            if split == "test" and not os.path.lexists(place):
                warnings.warn(
                    f'{file}: "test" names {name[:80]}, which is not there.', stacklevel=2
                )
                continue
            if place.is_dir():
                found = [
                    folder / image
                    for folder, names in walk(place)
                    for image in names
                    if Path(image).suffix.lower() in IMAGE_SUFFIXES
                ]
                folders.add(place)
            elif place.suffix == ".txt" and place.is_file():
                found = _listed(place)
                folders.update(image.parent for image in found)
            else:
                raise InputError(
                    f'{file}: "{split}" names {name[:80]}, which is neither a folder beside it nor '
                    "a .txt file with an image a line."
                )
            images |= dict.fromkeys(found)
    if not folders:
        raise InputError(f'{file}: "train", "val" and "test" name no folder of images; add one.')
    return list(images), Path(os.path.commonpath(folders))


def _beside(file: Path, name: str, split: str) -> str:
    """Roboflow names `../train/images` what lies beside the file, and Ultralytics takes it so."""
    name = with_slashes(name)
    inner = name.lstrip("./") if name.startswith("../") else name
    # Roboflow also names folders of test that it did not write.
    return inner if split == "test" or (file.parent / inner).exists() else name


def _warn_of_labels_without_images(file: Path, images: Sequence[Path]) -> None:
    used = {Path(os.path.normpath(file.parent / _label_of(file, image))) for image in images}
    lost = [
        folder / name
        for place in sorted({path.parent for path in used})
        if place.is_dir()
        for folder, names in walk(place)
        for name in names
        if name.endswith(".txt") and name != "classes.txt" and folder / name not in used
    ]
    if lost:
        lost = list(dict.fromkeys(lost))
        endings = ", ".join(sorted(IMAGE_SUFFIXES))
        warnings.warn(
            f"{file}: {len(lost)} label files have no image and are left out, {lost[0]} first; "
            f"images end in {endings}.",
            stacklevel=2,
        )


def _label_of(file: Path, image: Path) -> str:
    return label_path(image.relative_to(file.parent).as_posix())


def _listed(path: Path) -> list[Path]:
    """The images that a text file names, a line each."""
    names = [name for line in read_text(path).splitlines() if (name := line.strip())]
    for number, name in enumerate(names, 1):
        if fault := fault_of(name):
            raise InputError(f"{path}: image {number} {fault}; name one relative to the file.")
    return [Path(os.path.normpath(path.parent / name)) for name in names]


def _labels(path: Path, count: int, width: int, classes: int) -> np.ndarray:
    """float64 (animals, 5 + count * width) of a label file; none where there is no file."""
    columns = 5 + count * width
    if not path.is_file():
        return np.zeros((0, columns))
    lines = read_bytes(path).decode("utf-8", "replace").splitlines()
    rows = []
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if not fields:
            continue
        try:
            row = np.array(fields, np.float64)
        except ValueError:
            row = np.zeros(0)
        if len(row) != columns or not (np.abs(row) < 1e6).all() or row[3:5].min() < 0:
            raise InputError(
                f"{path}: line {number} does not hold {columns} finite numbers with a box of "
                "positive size; correct it."
            )
        if row[0] not in range(classes):
            raise InputError(
                f'{path}: line {number} is of class {fields[0]}, which "names" does not name.'
            )
        rows.append(row)
    return np.array(rows).reshape(-1, columns)


def _skeleton(file: Path, settings: dict[str, Any], count: int) -> Skeleton:
    flip = settings.get("flip_idx")
    if flip is not None and (
        not isinstance(flip, list)
        or not all(type(twin) is int for twin in flip)
        or sorted(flip) != list(range(count))
        or any(flip[twin] != keypoint for keypoint, twin in enumerate(flip))
    ):
        raise InputError(f'{file}: "flip_idx" does not pair the {count} keypoints; correct it.')
    pairs = tuple((keypoint, twin) for keypoint, twin in enumerate(flip or ()) if keypoint < twin)
    given = settings.get("kpt_names")
    names = next(iter(given.values()), None) if isinstance(given, dict) else given
    if names is None:
        if count == len(ANIMAL17) and flip == ANIMAL17.flip.tolist():
            return ANIMAL17
        names = [f"keypoint_{number}" for number in range(1, count + 1)]
    if (
        not isinstance(names, list)
        or len(names) != count
        or not all(isinstance(name, str | int) for name in names)
    ):
        raise InputError(f'{file}: "kpt_names" does not name {count} keypoints; correct it.')
    names = [str(name) for name in names]
    if is_animal17(names):
        return ANIMAL17
    try:
        skeleton = Skeleton(tuple(names))
        return skeleton if _same(skeleton.pairs, pairs) else Skeleton(tuple(names), pairs=pairs)
    except ValueError as error:
        raise InputError(f'{file}: "kpt_names": {error}; correct it.') from None


def _same(first: tuple[tuple[int, int], ...], second: tuple[tuple[int, int], ...]) -> bool:
    return {frozenset(pair) for pair in first} == {frozenset(pair) for pair in second}
