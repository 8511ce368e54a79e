"""Drawn shapes -> animals: what LabelMe and CVAT have in common.

Both let a person draw rectangles and points with labels. A rectangle is an animal and its label
the species; a point is a keypoint and its label the keypoint's name; a group number ties them
together.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aptv2.datasets.coco import tidy_keypoint
from aptv2.datasets.records import LARGEST
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable


class Shape(NamedTuple):
    """One rectangle (`corners`: two opposite ones) or one point (`corners`: itself)."""

    label: str
    corners: tuple[tuple[float, float], ...]
    group: Hashable = None
    track: int = -1
    visibility: int = 2
    where: str = ""


@dataclass
class Animal:
    """One animal of a frame: its keypoints by name, each x, y and visibility."""

    species: str = ""
    track: int = -1
    box: tuple[float, float, float, float] | None = None
    keypoints: dict[str, tuple[float, float, int]] = field(default_factory=dict)


@dataclass
class Picture:
    """One frame: its name ("" for a video's), size (0 where unknown), animals, clip and index."""

    name: str
    size: tuple[int, int]
    animals: list[Animal]
    clip: int = -1
    index: int = -1


def number(value: object, where: str) -> float:
    """A finite number that float32 can hold, from text or JSON.

    Raises
    ------
    InputError
        Where it is none; `where` begins the sentence.
    """
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            found = float(value)
            if abs(found) < LARGEST:
                return found
    except (OverflowError, ValueError):
        pass
    shown = repr(value)
    raise InputError(f"{where} is {shown[:40]}, which is no finite number; correct it.")


def animals_of(shapes: Sequence[Shape]) -> list[Animal]:
    """The animals of one frame.

    Shapes of one group are one animal. A rectangle without a group is an animal of its own; points
    without a group belong to the only animal of the frame.

    Raises
    ------
    InputError
        Where a group holds two rectangles or one keypoint twice, or a point belongs to no animal.
    """
    groups: dict[Hashable, Animal] = {}
    loose: list[Shape] = []
    for place, shape in enumerate(shapes):
        if shape.group is None and len(shape.corners) == 1:
            loose.append(shape)
            continue
        key = ("alone", place) if shape.group is None else shape.group
        _add(groups.setdefault(key, Animal()), shape)
    animals = list(groups.values())
    if loose and not animals:
        animals = [Animal()]
    for shape in loose:
        if len(animals) > 1:
            raise InputError(
                f"{shape.where}: the point {shape.label!r} has no group, and the frame holds "
                f"{len(animals)} animals; give it the group of one of them."
            )
        _add(animals[0], shape)
    return animals


def _add(animal: Animal, shape: Shape) -> None:
    # Where the shapes of a group differ, as CVAT's tracks do, the rectangle's track counts.
    if animal.track == -1 or len(shape.corners) > 1:
        animal.track = shape.track
    if len(shape.corners) == 1:
        if shape.label in animal.keypoints:
            raise InputError(
                f"{shape.where}: the keypoint {shape.label!r} is there twice in one group; "
                "remove one, or give it its own group."
            )
        animal.keypoints[shape.label] = (*shape.corners[0], shape.visibility)
        return
    if animal.box is not None:
        raise InputError(
            f"{shape.where}: a second rectangle in one group; give every animal its own group."
        )
    xs, ys = zip(*shape.corners, strict=True)
    animal.box = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
    animal.species = shape.label


def keypoints_of(labels: Iterable[str]) -> Skeleton:
    """The keypoint list of labels, in the order given.

    Labels that are all among the 17 animal keypoints, by name in any known spelling or by number
    from 1 to 17, mean `ANIMAL17`, of which some may be missing.
    """
    names = tuple(dict.fromkeys(labels))
    if all(_place_in_17(name) is not None for name in names):
        return ANIMAL17
    return Skeleton(names)


def _place_in_17(label: str) -> int | None:
    if label.isascii() and label.isdigit() and len(label) <= 2:
        return int(label) - 1 if 1 <= int(label) <= len(ANIMAL17) else None
    name = tidy_keypoint(label)
    return ANIMAL17.names.index(name) if name in ANIMAL17.names else None


def table_of(pictures: Sequence[Picture], skeleton: Skeleton, root: Path | None) -> PoseTable:
    """One table of frames, with species numbered from 1 in the order of their names.

    Animals without a rectangle get a box around their keypoints, as
    :meth:`aptv2.tables.PoseTable.with_keypoint_boxes` makes it.
    """
    animals = [animal for picture in pictures for animal in picture.animals]
    species = sorted({animal.species for animal in animals if animal.species})
    species_ids = {name: key for key, name in enumerate(species, 1)}
    place = {name: keypoint for keypoint, name in enumerate(skeleton.names)}
    keypoints = np.zeros((len(animals), len(skeleton), 3))
    boxes = np.full((len(animals), 4), np.nan)
    for row, animal in enumerate(animals):
        if animal.box is not None:
            boxes[row] = animal.box
        for name, keypoint in animal.keypoints.items():
            spot = _place_in_17(name) if skeleton is ANIMAL17 else place[name]
            keypoints[row, spot] = keypoint
    counts = [len(picture.animals) for picture in pictures]
    return PoseTable.make(
        Frames.make(
            names=[picture.name for picture in pictures],
            sizes=[picture.size for picture in pictures],
            clips=[picture.clip for picture in pictures],
            indices=[picture.index for picture in pictures],
        ),
        np.repeat(np.arange(len(pictures)), counts),
        boxes=boxes,
        keypoints=keypoints,
        tracks=[animal.track for animal in animals],
        species=[species_ids.get(animal.species, -1) for animal in animals],
        skeleton=skeleton,
        categories={key: name for name, key in species_ids.items()},
        root=root,
    ).with_keypoint_boxes()
