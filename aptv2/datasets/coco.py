"""COCO keypoint files: COCO itself, AP-10K, APTv2, the mapped Animal-Pose, and our own tracks.

The dialects differ only in extra fields, so one reader serves all: `video_id` becomes clips,
`track_id` tracks, and a `frame_index` and `time` are kept where a file (such as the
`clip.tracks.json` that this package writes) has them. The names that people gave animals stand
in a list `tracks`, one `id` and `name` each. `num_keypoints` is never read: in released
files it is wrong, and what counts is a keypoint whose third number is above 0.

The keypoints are those of the categories: names in `keypoints`, limbs in `skeleton` (counted from
1), and of our own `sigmas` (one a keypoint) and, where the names do not give left and right,
`flip_pairs` (pairs of names). A list of the 17 animal keypoints in any known spelling is
`ANIMAL17`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aptv2.datasets.names import fault_of, is_file, name_fault, natural_key, with_slashes
from aptv2.datasets.records import Records, load_json, no_collection
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable

# Other spellings of the same 17 keypoints: AP-10K's official code says `L_F_Paw`, `Root of tail`.
_ALIASES = (("l_", "left_"), ("r_", "right_"), ("_f_", "_front_"), ("_b_", "_back_"))

WRITER = "Animal poses, written by aptv2"
"""The description, in `info`, of the files that this package writes."""


def is_own(document: Any) -> bool:
    """Whether parsed JSON is a file that this package wrote, whose records mean what they say."""
    info = document.get("info") if isinstance(document, dict) else None
    return isinstance(info, dict) and info.get("description") == WRITER


def is_coco(document: Any) -> bool:
    """Whether parsed JSON looks like a COCO annotation file."""
    return isinstance(document, dict) and "images" in document and "annotations" in document


def read_coco(path: str | Path, root: str | Path | None = None) -> PoseTable:
    r"""Read a COCO keypoint file.

    Parameters
    ----------
    path
        The JSON file.
    root
        Folder that the file names are relative to. Left out, it is the first of the folders that
        :func:`image_folders` names that holds one of the first images, or else the video named
        in `info.video` where that lies beside the file; None where nothing is found.

    Returns
    -------
    PoseTable
        Every image of the file is a frame, with or without animals. Where images have no
        `frame_index`, a frame's index is its place in its clip by file name. A box is NaN where an
        annotation has keypoints and no `bbox`; an animal whose category lists no keypoints has
        none. A `\` in a file name is read as `/`, as Windows means it, where the image lies so.

    Raises
    ------
    InputError
        Where the file cannot be read or holds something that is wrong; it names the field.
    """
    path = Path(path)
    return parse_coco(load_json(path), path, root)


@no_collection()
def parse_coco(document: Any, path: Path, root: str | Path | None = None) -> PoseTable:
    """As :func:`read_coco`, from parsed JSON; `path` is where it came from."""
    if not is_coco(document):
        raise InputError(
            f'{path} holds no "images" and "annotations"; give a COCO keypoint annotation file.'
        )
    categories = Records(path, "category", document.get("categories"))
    category_ids, names = categories_of(categories)
    skeleton, has_keypoints = _skeleton(categories)

    images = Records(path, "image", document["images"])
    frames = _frames(images)
    root = Path(root) if root is not None else _root(path, frames.names, document)
    frames, root = _from_windows(frames, root, path, document)
    listed = _without_keypoints(document["annotations"], categories) if has_keypoints else None
    animals = Records(path, "annotation", listed or document["annotations"])
    animals.lookup("category_id", category_ids, "category")
    boxes = animals.rows("bbox", 4, null=math.nan, required=not has_keypoints)
    animals.refuse_negative("bbox", boxes[:, 2:])
    areas = animals.floats("area", math.nan)
    animals.refuse_negative("area", areas)
    count = len(skeleton)
    keypoints = animals.rows("keypoints", 3 * count, null=0.0, required=has_keypoints)
    tracks = animals.integers("track_id", -1)
    return PoseTable.make(
        frames,
        animals.lookup("image_id", frames.ids, "image"),
        boxes=boxes,
        keypoints=keypoints.reshape(-1, count, 3),
        scores=animals.floats("score", math.nan),
        tracks=tracks,
        species=animals.integers("category_id"),
        areas=areas,
        ids=animals.unique("id"),
        # APT-36K and some tools that write APTv2's files say `is_crowd`.
        crowd=(animals.integers("iscrowd", 0) != 0) | (animals.integers("is_crowd", 0) != 0),
        skeleton=skeleton,
        categories=names,
        root=root,
        names=_animal_names(path, document.get("tracks"), tracks),
        videos=_video_names(path, document.get("videos"), frames),
    )


def _without_keypoints(annotations: Any, categories: Records) -> list[Any] | None:
    """The annotations, where those of categories that list no keypoints need none."""
    plain = {item.get("id") for item in categories.items if not item.get("keypoints")}
    if not plain or not isinstance(annotations, list):
        return None
    return [
        {"keypoints": None, **item}
        if isinstance(item, dict) and _is_in(item.get("category_id"), plain)
        else item
        for item in annotations
    ]


def _is_in(key: Any, known: set[Any]) -> bool:
    return isinstance(key, int) and key in known


def categories_of(categories: Records) -> tuple[np.ndarray, dict[int, str]]:
    """The ids of the categories, int64, and their names; -1 stands for an unknown species."""
    ids = categories.unique("id")
    names = dict(zip(ids.tolist(), categories.texts("name"), strict=True))
    names.pop(-1, None)
    return ids, names


def _animal_names(path: Path, listed: Any, tracks: np.ndarray) -> dict[int, str]:
    """The names of tracks. Other tools' lists `tracks` hold none; a track without animals is lost.

    Raises
    ------
    InputError
        Where one is no name, or that of two tracks.
    """
    if not isinstance(listed, list):
        return {}
    named = [item for item in listed if isinstance(item, dict) and item.get("name") is not None]
    records = Records(path, "track", named)
    names = records.texts("name")
    for index, name in enumerate(names):
        if fault := name_fault(name):
            records.fail(index, "name", fault)
    known = set(tracks.tolist())
    pairs = zip(records.unique("id").tolist(), names, strict=True)
    found = {number: name for number, name in pairs if number in known}
    if len(set(found.values())) < len(found):
        raise InputError(f"{path}: two tracks have one name; rename one.")
    return found


def _video_names(path: Path, listed: Any, frames: Frames) -> dict[int, str]:
    """The names of videos by clip, as our own files list them; APTv2 and others list no `name`."""
    if not isinstance(listed, list) or any(frames.names):
        return {}
    named = [item for item in listed if isinstance(item, dict) and item.get("name") is not None]
    records = Records(path, "video", named)
    names = records.texts("name")
    for index, name in enumerate(names):
        if not PurePosixPath(name).name or fault_of(name):
            records.fail(index, "name", fault_of(name) or "is no file name")
    return dict(zip(records.unique("id").tolist(), names, strict=True))


def _skeleton(categories: Records) -> tuple[Skeleton, bool]:
    """The keypoints that the categories list, and whether one does."""
    skeleton = None
    for index, item in enumerate(categories.items):
        names = item.get("keypoints")
        if not names:
            continue
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            categories.fail(index, "keypoints", "is not a list of keypoint names")
        spelling = [tidy_keypoint(name) for name in names]
        if skeleton is None:
            first, skeleton = spelling, _skeleton_of(categories, index)
        elif spelling != first:
            categories.fail(index, "keypoints", "lists other keypoints than the category before it")
    return skeleton or ANIMAL17, skeleton is not None


def _skeleton_of(categories: Records, index: int) -> Skeleton:
    item = categories.items[index]
    names = tuple(item["keypoints"])
    if is_animal17(names):
        return ANIMAL17
    try:
        limbs = [(int(a), int(b)) for a, b in item.get("skeleton") or ()]
    except (OverflowError, TypeError, ValueError):
        categories.fail(index, "skeleton", "is not a list of pairs of whole numbers")
    # COCO counts keypoints from 1; a 0 marks the files that do not.
    start = 0 if any(0 in limb for limb in limbs) else 1
    try:
        sigmas = tuple(float(sigma) for sigma in item.get("sigmas") or ())
    except (OverflowError, TypeError, ValueError):
        categories.fail(index, "sigmas", "is not a list of numbers")
    try:
        pairs = tuple((names.index(a), names.index(b)) for a, b in item.get("flip_pairs") or ())
    except (TypeError, ValueError):
        categories.fail(index, "flip_pairs", "is not a list of pairs of its keypoints")
    try:
        return Skeleton(names, tuple((a - start, b - start) for a, b in limbs), sigmas, pairs=pairs)
    except ValueError as error:
        categories.fail(index, "keypoints", f"does not fit the rest of its category: {error}")


def is_animal17(names: Sequence[str]) -> bool:
    """Whether these are the 17 animal keypoints in their order, in any known spelling."""
    return tuple(tidy_keypoint(name) for name in names) == ANIMAL17.names


def tidy_keypoint(name: str) -> str:
    """A keypoint's name as APTv2 spells it: `L_F_Paw` becomes `left_front_paw`."""
    name = name.lower().replace(" ", "_")
    for short, long in _ALIASES:
        if short.startswith("_"):
            name = name.replace(short, long)
        elif name.startswith(short):
            name = long + name[len(short) :]
    return name


def _frames(images: Records) -> Frames:
    names = images.texts("file_name")
    faults = {index: fault for index, name in enumerate(names) if (fault := fault_of(name))}
    if faults:
        said = next(iter(faults.values()))
        images.fail(list(faults), "file_name", "is no name inside the image folder", said)
    sizes = np.stack([images.integers(key, 0) for key in ("width", "height")], axis=1)
    for key, values in zip(("width", "height"), sizes.T, strict=True):
        images.refuse_negative(key, values)
        if len(values) and values.max() >= 2**31:
            images.fail(int(values.argmax()), key, "is beyond all bounds")
    clips = images.integers("video_id", -1)
    indices = images.integers("frame_index", -1)
    unknown = (indices == -1) & (clips != -1)
    if unknown.any():
        indices = np.where(unknown, place_in_clip(names, clips), indices)
    return Frames.make(
        len(names),
        ids=images.unique("id"),
        names=names,
        sizes=sizes,
        clips=clips,
        indices=indices,
        times=images.floats("time", math.nan),
    )


def _from_windows(
    frames: Frames, root: Path | None, path: Path, document: Any
) -> tuple[Frames, Path | None]:
    r"""Frames whose names have `/` for `\`, and their root, where the images lie so.

    On other systems than Windows a `\` may be part of a name, so the files decide.
    """
    if not any("\\" in name for name in frames.names):
        return frames, root
    names = np.array([with_slashes(name) for name in frames.names], dtype=object)
    for folder in (root, _root(path, names, document)):
        first = next(i for i, name in enumerate(frames.names) if "\\" in name)
        if folder and not is_file(folder / frames.names[first]) and is_file(folder / names[first]):
            return replace(frames, names=names), folder
    return frames, root


def place_in_clip(names: Sequence[str], clips: np.ndarray) -> np.ndarray:
    """int64: the number of each image in its clip, by file name with numbers in numeric order."""
    keys = [natural_key(name) for name in names]
    order = np.array(sorted(range(len(names)), key=lambda i: (clips[i], keys[i])), np.int64)
    place = np.empty(len(names), np.int64)
    first = np.searchsorted(clips[order], clips[order], side="left")
    place[order] = np.arange(len(names)) - first
    return place


def _root(path: Path, names: np.ndarray, document: dict[str, Any]) -> Path | None:
    if (root := find_root(path, names)) is not None:
        return root
    info = document.get("info")
    video = info.get("video") if isinstance(info, dict) else None
    # A plain name only: what a file says must not lead out of its folder.
    if isinstance(video, str) and Path(video).name == video and is_file(path.parent / video):
        return path.parent / video
    return None


def find_root(path: Path, names: Sequence[str] | np.ndarray) -> Path | None:
    """The first of :func:`image_folders` that holds one of the first few images."""
    first = [name for name in names[:5] if name]
    for folder in image_folders(path):
        if any(is_file(folder / name) for name in first):
            return folder
    return None


def image_folders(path: Path) -> list[Path]:
    """Where the images of an annotation file may lie, the likeliest first.

    Beside it, or beside its folder: `images` and `data`, and as COCO has it a folder named like
    the end of the file, `val2017` of `annotations/person_keypoints_val2017.json`.
    """
    folder, above = path.parent, path.parent.resolve().parent
    split = path.stem.rpartition("_")[2]
    inner = [place / name for place in (folder, above) for name in ("images", "data", split)]
    return [*inner, folder, above]
