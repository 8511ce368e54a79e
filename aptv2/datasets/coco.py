"""COCO keypoint files: COCO itself, AP-10K, APTv2, the mapped Animal-Pose, and our own tracks.

The dialects differ only in extra fields, so one reader serves all: `video_id` becomes clips,
`track_id` tracks, and a `frame_index` and `time` are kept where a file (such as the
`clip.tracks.json` that this package writes) has them. `num_keypoints` is never read: in released
files it is wrong, and what counts is a joint whose third number is above 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aptv2.datasets.records import Records, load_json
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable

# Other spellings of the same 17 joints: AP-10K's official code says `L_F_Paw`, `Root of tail`.
_ALIASES = (("l_", "left_"), ("r_", "right_"), ("_f_", "_front_"), ("_b_", "_back_"))


def is_coco(document: Any) -> bool:
    """Whether parsed JSON looks like a COCO annotation file."""
    return isinstance(document, dict) and "images" in document and "annotations" in document


def read_coco(path: str | Path, root: str | Path | None = None) -> PoseTable:
    """Read a COCO keypoint file.

    Parameters
    ----------
    path
        The JSON file.
    root
        Folder that the file names are relative to. Left out, it is the first of `images`, `data`,
        `../data` and `.`, seen from the file, that holds one of the first images, or else the
        video named in `info.video` where that lies beside the file; None where nothing is found.

    Returns
    -------
    PoseTable
        Every image of the file is a frame, with or without animals. Where images have no
        `frame_index`, a frame's index is its place in its clip by file name.

    Raises
    ------
    InputError
        Where the file cannot be read or holds something that is wrong; it names the field.
    """
    path = Path(path)
    return parse_coco(load_json(path), path, root)


def parse_coco(document: Any, path: Path, root: str | Path | None = None) -> PoseTable:
    """As :func:`read_coco`, from parsed JSON; `path` is where it came from."""
    if not is_coco(document):
        raise InputError(
            f'{path} holds no "images" and "annotations"; give a COCO keypoint annotation file.'
        )
    categories = Records(path, "category", document.get("categories"))
    category_ids = categories.unique("id")
    names = dict(zip(category_ids.tolist(), categories.texts("name"), strict=True))
    skeleton, has_joints = _skeleton(categories)

    images = Records(path, "image", document["images"])
    frames = _frames(images)
    animals = Records(path, "annotation", document["annotations"])
    animals.lookup("category_id", category_ids, "category")
    boxes = animals.rows("bbox", 4, null=math.nan)
    animals.refuse_negative("bbox", boxes[:, 2:])
    areas = animals.floats("area", math.nan)
    animals.refuse_negative("area", areas)
    count = len(skeleton)
    joints = animals.rows("keypoints", 3 * count, null=0.0, required=has_joints)
    return PoseTable.make(
        frames,
        animals.lookup("image_id", frames.ids, "image"),
        boxes=boxes,
        joints=joints.reshape(-1, count, 3),
        scores=animals.floats("score", math.nan),
        tracks=animals.integers("track_id", -1),
        species=animals.integers("category_id"),
        areas=areas,
        ids=animals.unique("id"),
        crowd=animals.integers("iscrowd", 0) != 0,
        skeleton=skeleton,
        categories={key: name for key, name in names.items() if key != -1},
        root=Path(root) if root is not None else _find_root(path, frames.names, document),
    )


def _skeleton(categories: Records) -> tuple[Skeleton, bool]:
    """The joints of the first category that lists any, and whether one does."""
    for index, item in enumerate(categories.items):
        names = item.get("keypoints")
        if not names:
            continue
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            categories.fail(index, "keypoints", "is not a list of joint names")
        if tuple(_tidy(name) for name in names) == ANIMAL17.names:
            return ANIMAL17, True
        try:
            return Skeleton(
                tuple(names),
                limbs=tuple((int(a) - 1, int(b) - 1) for a, b in item.get("skeleton") or ()),
                sigmas=tuple(float(sigma) for sigma in item.get("sigmas") or ()),
            ), True
        except (TypeError, ValueError) as error:
            categories.fail(index, "skeleton", f"does not fit its joints: {error}")
    return ANIMAL17, False


def _tidy(name: str) -> str:
    name = name.lower().replace(" ", "_")
    for short, long in _ALIASES:
        if short.startswith("_"):
            name = name.replace(short, long)
        elif name.startswith(short):
            name = long + name[len(short) :]
    return name


def _frames(images: Records) -> Frames:
    names = images.texts("file_name")
    for index, name in enumerate(names):
        if _leaves_root(name):
            images.fail(index, "file_name", f"{name!r} leads out of the image folder")
    sizes = np.stack([images.integers(key, 0) for key in ("width", "height")], axis=1)
    for key, values in zip(("width", "height"), sizes.T, strict=True):
        images.refuse_negative(key, values)
        if len(values) and values.max() >= 2**31:
            images.fail(int(values.argmax()), key, "is beyond all bounds")
    clips = images.integers("video_id", -1)
    indices = images.integers("frame_index", -1)
    unknown = (indices == -1) & (clips != -1)
    if unknown.any():
        indices = np.where(unknown, _place_in_clip(names, clips), indices)
    return Frames.make(
        len(names),
        ids=images.unique("id"),
        names=names,
        sizes=sizes,
        clips=clips,
        indices=indices,
        times=images.floats("time", math.nan),
    )


def _leaves_root(name: str) -> bool:
    if ".." not in name and ":" not in name and not name.startswith(("/", "\\")):
        return False
    parts = PurePosixPath(name.replace("\\", "/"))
    return parts.is_absolute() or ".." in parts.parts or bool(re.match(r"[A-Za-z]:", name))


def _place_in_clip(names: Sequence[str], clips: np.ndarray) -> np.ndarray:
    """int64: the number of each image in its clip, by file name with numbers in numeric order."""
    keys = [
        [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
        for name in names
    ]
    order = np.array(sorted(range(len(names)), key=lambda i: (clips[i], keys[i])), np.int64)
    place = np.empty(len(names), np.int64)
    first = np.searchsorted(clips[order], clips[order], side="left")
    place[order] = np.arange(len(names)) - first
    return place


def _find_root(path: Path, names: np.ndarray, document: dict[str, Any]) -> Path | None:
    folder = path.parent
    first = [name for name in names[:5] if name]
    above = folder.resolve().parent
    for candidate in (folder / "images", folder / "data", above / "data", folder):
        if any((candidate / name).is_file() for name in first):
            return candidate
    info = document.get("info")
    video = info.get("video") if isinstance(info, dict) else None
    # A plain name only: what a file says must not lead out of its folder.
    if isinstance(video, str) and Path(video).name == video and (folder / video).is_file():
        return folder / video
    return None
