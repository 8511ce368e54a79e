"""Animal-Pose (Cao et al., ICCV 2019): dog, cat, sheep, horse and cow with 20 keypoints.

Its own file, `keypoints.json`, is like COCO's but for: `images` is an object that maps the image
id (as text) to the file name, without sizes; `bbox` is x1, y1, x2, y2; `keypoints` is a list of
20 triples x, y, 0 or 1; annotations have no id; limbs are counted from 0. Images lie in `images/`
beside the file.

Other people's copies of it are COCO files with the 17 animal keypoints, some with the 20 original
ones in `keypoints_20`. As elbows and knees of the 20 name what AP-10K's 17 call shoulders and
hips, and the 20 knees are AP-10K's elbows and knees, :func:`as_animal17` maps by place.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from aptv2.boxes import xyxy_to_xywh
from aptv2.datasets.coco import categories_of, find_root, parse_coco
from aptv2.datasets.names import fault_of
from aptv2.datasets.records import Records, load_json
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable

_LEGS = ("left_front", "right_front", "left_back", "right_back")
ANIMAL_POSE20 = Skeleton(
    names=(
        *("left_eye", "right_eye", "nose", "left_ear", "right_ear"),
        *(f"{leg}_{keypoint}" for keypoint in ("elbow", "knee", "paw") for leg in _LEGS),
        *("throat", "withers", "tailbase"),
    ),
    limbs=(
        *((0, 1), (0, 2), (1, 2), (0, 3), (1, 4), (2, 17), (17, 18), (18, 19)),
        *((18, 5), (18, 6), (19, 7), (19, 8)),
        *((elbow + 4 * part, elbow + 4 * (part + 1)) for elbow in (5, 6, 7, 8) for part in (0, 1)),
    ),
    upper=(0, 1, 2, 3, 4, 5, 6, 9, 10, 13, 14, 17, 18),
)

# Keypoint of the 17 -> keypoint of the 20 at the same place; the neck is the middle of two.
_PLACES = {
    "left_eye": "left_eye",
    "right_eye": "right_eye",
    "nose": "nose",
    "root_of_tail": "tailbase",
    **{
        f"{side}_{name17}": f"{side}_{leg}_{name20}"
        for side in ("left", "right")
        for leg, names17 in (
            ("front", ("shoulder", "elbow", "front_paw")),
            ("back", ("hip", "knee", "back_paw")),
        )
        for name17, name20 in zip(names17, ("elbow", "knee", "paw"), strict=True)
    },
}


def is_animal_pose(document: Any) -> bool:
    """True if parsed JSON looks like Animal-Pose's own file."""
    return (
        isinstance(document, dict)
        and isinstance(document.get("images"), dict)
        and isinstance(document.get("annotations"), list)
    )


def read_animal_pose(path: str | Path, root: str | Path | None = None) -> PoseTable:
    """Read Animal-Pose with its 20 keypoints, from its own file or from `keypoints_20` of a copy.

    Parameters
    ----------
    path
        The JSON file.
    root
        Folder of the images; left out, it is looked for as :func:`aptv2.datasets.read_coco` does.

    Returns
    -------
    PoseTable
        With the skeleton `ANIMAL_POSE20` and visibility 2 where a keypoint is labelled;
        :func:`as_animal17` makes the 17 keypoints of it.

    Raises
    ------
    InputError
        Where the file cannot be read or holds something that is wrong; it names the field.
    """
    path = Path(path)
    document = load_json(path)
    if is_animal_pose(document):
        return parse_animal_pose(document, path, root)
    table = parse_coco(document, path, root)
    keypoints = _keypoints(Records(path, "annotation", document["annotations"]), "keypoints_20")
    return replace(table, keypoints=keypoints.astype(np.float32), skeleton=ANIMAL_POSE20)


def parse_animal_pose(
    document: dict[str, Any], path: Path, root: str | Path | None = None
) -> PoseTable:
    """As :func:`read_animal_pose`, from the parsed JSON of the data set's own file."""
    ids, names = [], []
    for key, name in document["images"].items():
        if not (key.isascii() and key.isdigit() and len(key) <= 18):
            raise InputError(f'{path}: "images": {key[:40]!r} is not the number of an image.')
        if not isinstance(name, str):
            raise InputError(f'{path}: "images": the file name of image {key} is not text.')
        if fault := fault_of(name):
            raise InputError(f'{path}: "images": image {key}: {fault}.')
        ids.append(int(key))
        names.append(name)
    if len(set(ids)) != len(ids):
        raise InputError(f'{path}: "images": a number is given to two images.')
    frames = Frames.make(len(ids), ids=ids, names=names)
    category_ids, categories = categories_of(Records(path, "category", document.get("categories")))
    animals = Records(path, "annotation", document["annotations"])
    animals.lookup("category_id", category_ids, "category")
    boxes = xyxy_to_xywh(animals.rows("bbox", 4, null=math.nan))
    animals.refuse_negative("bbox", boxes[:, 2:])
    return PoseTable.make(
        frames,
        animals.lookup("image_id", frames.ids, "image"),
        boxes=boxes,
        keypoints=_keypoints(animals, "keypoints"),
        species=animals.integers("category_id"),
        skeleton=ANIMAL_POSE20,
        categories=categories,
        root=Path(root) if root is not None else find_root(path, frames.names),
    )


def as_animal17(table: PoseTable) -> PoseTable:
    """The table with the 17 animal keypoints in place of Animal-Pose's 20.

    The neck is the middle of throat and withers where both are labelled; ears are left out.

    Raises
    ------
    ValueError
        Where the table has other keypoints.
    """
    if table.skeleton != ANIMAL_POSE20:
        raise ValueError("the table does not have the 20 keypoints of Animal-Pose")
    keypoints = np.zeros((len(table), len(ANIMAL17), 3), np.float32)
    for name17, name20 in _PLACES.items():
        keypoints[:, ANIMAL17.names.index(name17)] = _keypoint(table, name20)
    throat, withers = _keypoint(table, "throat"), _keypoint(table, "withers")
    neck = (throat + withers) / 2
    neck[(throat[:, 2] == 0) | (withers[:, 2] == 0)] = 0
    keypoints[:, ANIMAL17.names.index("neck")] = neck
    return replace(table, keypoints=keypoints, skeleton=ANIMAL17)


def _keypoint(table: PoseTable, name: str) -> np.ndarray:
    return table.keypoints[:, table.skeleton.names.index(name)]


def _keypoints(animals: Records, key: str) -> np.ndarray:
    """float64 (N, 20, 3) of a field of 20 triples; where the third is above 0 it becomes 2."""
    count = len(ANIMAL_POSE20)
    keypoints = animals.points(key, count)
    keypoints[keypoints[:, :, 2] <= 0] = 0
    keypoints[:, :, 2] = np.where(keypoints[:, :, 2] > 0, 2, 0)
    return keypoints
