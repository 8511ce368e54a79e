"""COCO files: `clip.tracks.json`, this package's own record of a video, and keypoint results."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson

from aptv2.datasets.coco import WRITER, is_animal17
from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.skeleton import ANIMAL17, pairs_by_name
from aptv2.tables import PoseTable


def write_coco(table: PoseTable, path: str | Path) -> None:
    """Write a table as a COCO keypoint file that :func:`aptv2.read_annotations` reads back.

    Beside COCO's own fields an image has `video_id`, `frame_index` and `time` (seconds), an
    annotation `video_id`, `track_id` and `score`, and a category `sigmas` and, where the names of
    its keypoints have no left and right, `flip_pairs`; each is left out where it is unknown.
    Names of animals stand in a list `tracks`, those of several videos in a list `videos`; each is
    left out where there are none. The third
    number of a keypoint is the table's: a score in predictions, a visibility in annotations; a
    keypoint that holds NaN is written as 0, 0, 0. `area` is the box's where the table has none,
    since COCO's tools need one; `bbox` is null where there is no box. Animals of unknown species
    are of category -1, "animal".

    One record stands on a line, and memory does not grow with the length of the table.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        file.write(b'{"info": ' + _dump(_info(table)))
        _write_list(file, b',\n"categories": ', _categories(table))
        if names := _names(table):
            _write_list(file, b',\n"tracks": ', names)
        if table.videos:
            videos = [{"id": clip, "name": _text(name)} for clip, name in table.videos.items()]
            _write_list(file, b',\n"videos": ', videos)
        _write_list(file, b',\n"images": ', _images(table))
        _write_list(file, b',\n"annotations": ', _annotations(table))
        file.write(b"}\n")


def write_coco_labels(table: PoseTable, path: str | Path) -> None:
    """Write a table as COCO keypoint annotations, as annotation tools read them.

    As :func:`write_coco`, but a predicted keypoint gets the visibility 2 in place of its score, and
    video frames the names of :attr:`aptv2.tables.PoseTable.image_names`.

    Raises
    ------
    InputError
        Where two frames would have one name, or the file cannot be written.
    """
    predicted = ~np.isnan(table.scores)[:, None] & (table.keypoints[:, :, 2] > 0)
    keypoints = table.keypoints.copy()
    keypoints[:, :, 2] = np.where(predicted, 2, keypoints[:, :, 2])
    frames, names = table.frames, table.image_names
    if len(set(names)) < len(names):
        raise InputError(
            f"{path}: frames of several videos have the same name; export each video to a file of "
            "its own."
        )
    write_coco(replace(table, keypoints=keypoints, frames=replace(frames, names=names)), path)


def write_coco_results(table: PoseTable, path: str | Path) -> None:
    """Write a table as COCO keypoint results, the list of detections that COCO's tools score.

    `bbox` and `area` are left out where the table has none; a missing score is written as 1.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        _write_list(file, b"", _results(table))
        file.write(b"\n")


def lost_in_coco(table: PoseTable) -> list[str]:
    """Sentences on what :func:`write_coco` changes or leaves out."""
    skeleton = table.skeleton
    broken = np.isnan(table.keypoints).any(axis=2).sum()
    losses = [
        sentence.format(int(count))
        for sentence, count in (
            ("Animals without an area that get their box's: {}.", np.isnan(table.areas).sum()),
            ("Keypoints that hold NaN and are written as absent: {}.", broken),
        )
        if count
    ]
    if is_animal17(skeleton.names) and skeleton != ANIMAL17:
        losses.append("The keypoints read back as the 17 of APTv2, with its limbs and sigmas.")
    elif skeleton.upper and skeleton != ANIMAL17:
        losses.append("Which keypoints are of the upper body is lost: COCO has no place for it.")
    return losses


def _info(table: PoseTable) -> dict[str, Any]:
    info = {"description": WRITER}
    if table.root is not None and not any(table.frames.names):
        info["video"] = _text(table.root.name)
    return info


def _categories(table: PoseTable) -> Iterator[dict[str, Any]]:
    skeleton = table.skeleton
    names = dict(table.categories)
    for species in np.unique(table.species).tolist():
        names.setdefault(species, "animal" if species == -1 else f"species {species}")
    # A file without animals still has to say what the keypoints are.
    for species, name in (names or {-1: "animal"}).items():
        record = {
            "id": species,
            "name": name,
            "supercategory": "animal",
            "keypoints": skeleton.names,
            "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs],
            "sigmas": skeleton.sigmas,
        }
        if skeleton.pairs != pairs_by_name(skeleton.names):
            record["flip_pairs"] = [
                [skeleton.names[keypoint] for keypoint in pair] for pair in skeleton.pairs
            ]
        yield record


def _names(table: PoseTable) -> list[dict[str, Any]]:
    known = np.unique(table.tracks).tolist()
    return [{"id": track, "name": table.names[track]} for track in known if track in table.names]


def _images(table: PoseTable) -> Iterator[dict[str, Any]]:
    frames = table.frames
    for row in range(len(frames)):
        record = {
            "id": frames.ids[row],
            "file_name": _text(frames.names[row]),
            "width": frames.sizes[row, 0],
            "height": frames.sizes[row, 1],
        }
        if frames.clips[row] != -1:
            record["video_id"] = frames.clips[row]
        if frames.indices[row] != -1:
            record["frame_index"] = frames.indices[row]
        if not np.isnan(frames.times[row]):
            record["time"] = frames.times[row]
        yield record


def _annotations(table: PoseTable) -> Iterator[dict[str, Any]]:
    keypoints = _flat_keypoints(table)
    counts, areas = table.num_keypoints, table.scale_areas
    boxes = np.ascontiguousarray(table.boxes)
    has_box = ~np.isnan(boxes).any(axis=1)
    for row in range(len(table)):
        record = {
            "id": table.ids[row],
            "image_id": table.frames.ids[table.frame[row]],
            "category_id": table.species[row],
            "bbox": boxes[row] if has_box[row] else None,
            "area": areas[row],
            "iscrowd": int(table.crowd[row]),
            "num_keypoints": counts[row],
            "keypoints": keypoints[row],
        }
        if table.frames.clips[table.frame[row]] != -1:
            record["video_id"] = table.frames.clips[table.frame[row]]
        if table.tracks[row] != -1:
            record["track_id"] = table.tracks[row]
        if not np.isnan(table.scores[row]):
            record["score"] = table.scores[row]
        yield record


def _results(table: PoseTable) -> Iterator[dict[str, Any]]:
    keypoints = _flat_keypoints(table)
    boxes = np.ascontiguousarray(table.boxes)
    has_box = ~np.isnan(boxes).any(axis=1)
    for row in range(len(table)):
        record = {
            "image_id": table.frames.ids[table.frame[row]],
            "category_id": table.species[row],
            "keypoints": keypoints[row],
            "score": 1.0 if np.isnan(table.scores[row]) else table.scores[row],
        }
        if has_box[row]:
            record["bbox"] = boxes[row]
        if not np.isnan(table.areas[row]):
            record["area"] = table.areas[row]
        if table.tracks[row] != -1:
            record["track_id"] = table.tracks[row]
        yield record


def _flat_keypoints(table: PoseTable) -> np.ndarray:
    """float32 (N, 3K), contiguous; keypoints with NaN are 0."""
    broken = np.isnan(table.keypoints).any(axis=2, keepdims=True)
    keypoints = np.where(broken, np.float32(0), table.keypoints)
    return np.ascontiguousarray(keypoints).reshape(len(table), 3 * len(table.skeleton))


def _text(name: str) -> str:
    """A file name that is valid Unicode: not every name on a disk is."""
    return name.encode("utf-8", "replace").decode("utf-8")


def _write_list(file: BinaryIO, key: bytes, records: Iterable[dict[str, Any]]) -> None:
    file.write(key + b"[")
    separator = b"\n"
    for record in records:
        file.write(separator + _dump(record))
        separator = b",\n"
    file.write(b"]")


def _dump(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
