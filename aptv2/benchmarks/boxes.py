"""Boxes that several cells use: a detector's, jittered ones, and those of a tracker.

They are made once, as COCO results with `image_id`, `category_id`, `bbox`, `score` and, where they
are a tracker's, `track_id`.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from aptv2 import boxes as box_tools
from aptv2.benchmarks.cells import ANNOTATED
from aptv2.errors import InputError
from aptv2.files import atomic_write, write_json
from aptv2.images import read_image
from aptv2.inference.progress import progress_bar
from aptv2.models.protocols import Detector, Tracker
from aptv2.tables import PoseTable
from aptv2.testing.boxes import annotated_boxes
from aptv2.testing.follow import follow_annotated, on_annotated
from aptv2.testing.pose import parts_of
from aptv2.testing.tracked_pose import score_tracks

DETECTOR = "detector"
_JITTER = re.compile(r"jitter(?P<size>\d*\.?\d+)?(-seed(?P<seed>\d+))?")
_SIZE = 0.1
_FILE, _METADATA = "boxes.json", "metadata.json"


@dataclass(frozen=True)
class SharedBoxes:
    """Boxes that were made.

    Parameters
    ----------
    path
        COCO results.
    seconds
        That it took to make them.
    tracking
        Scores of following by part of the data, as of
        :func:`aptv2.testing.tracked_pose.score_tracks`; None where no tracker ran.
    """

    path: Path
    seconds: float = 0.0
    tracking: Mapping[str, Mapping[str, Any]] | None = None


def checked(boxes: str) -> str:
    """Where boxes come from, spelled out: "jitter" becomes "jitter0.1-seed0".

    Raises
    ------
    InputError
        Where it is none of annotated, detector, jitter[SIZE][-seedN] and an existing file.
    """
    if boxes in (ANNOTATED, DETECTOR):
        return boxes
    if jitter := _JITTER.fullmatch(boxes):
        size, seed = float(jitter["size"] or _SIZE), int(jitter["seed"] or 0)
        if not 0 < size <= 1:
            raise InputError(f"--boxes {boxes}: the size is a share of the box, above 0 to 1.")
        return f"jitter{size:g}-seed{seed}"
    if not Path(boxes).is_file():
        raise InputError(
            f"--boxes {boxes}: no such file; give annotated, detector, jitter, jitter0.2-seed1 or "
            "a file of COCO results."
        )
    return boxes


def shared_boxes(folder: Path, fingerprint: str) -> SharedBoxes | None:
    """Boxes that were made earlier.

    Raises
    ------
    InputError
        Where they were made from something else than `fingerprint` says.
    """
    if not (folder / _METADATA).is_file():
        return None
    try:
        metadata = orjson.loads((folder / _METADATA).read_bytes())
        before, seconds, tracking = (metadata[k] for k in ("fingerprint", "seconds", "tracking"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        file = folder / _METADATA
        raise InputError(f"{file}: cannot be read ({error}); delete {folder}.") from None
    if before != fingerprint:
        raise InputError(
            f"{folder}: its boxes were made from other data or weights; delete the folder."
        )
    return SharedBoxes(folder / _FILE, seconds, tracking)


def make_boxes(
    truth: PoseTable, boxes: str, folder: Path, fingerprint: str, detector: Detector
) -> SharedBoxes:
    """Boxes of the detector, or jittered ones, of a split's animals; see :func:`checked`."""
    start = time.monotonic()
    table = detected(truth, detector) if boxes == DETECTOR else jittered(truth, boxes)
    return _write(folder, table, fingerprint, time.monotonic() - start, None)


def follow_boxes(truth: PoseTable, tracker: Tracker, folder: Path, fingerprint: str) -> SharedBoxes:
    """Boxes of a tracker that follows every animal from its first box, and its scores."""
    start = time.monotonic()
    followed = follow_annotated(truth.with_keypoint_boxes(), tracker, progress=True)
    seconds = time.monotonic() - start
    tracking: dict[str, Mapping[str, Any]] = {
        part: score_tracks(truth, followed, part) for part in parts_of(truth)
    }
    boxes = on_annotated(followed, annotated_boxes(truth))
    return _write(folder, boxes, fingerprint, seconds, tracking)


def detected(truth: PoseTable, detector: Detector) -> PoseTable:
    """Boxes of a detector in the frames that show annotated animals.

    A detection takes the species of the annotated animal that it overlaps most, or of the frame's
    first: the detector knows no species, and AP is counted by them.
    """
    rows, boxes, scores, species = [], [], [], []
    frames = np.unique(truth.frame)
    with progress_bar("detection", len(frames), 0, True) as show:
        for done, frame in enumerate(frames.tolist(), 1):
            image = read_image(Path(truth.root or ".") / truth.frames.names[frame])
            found, confidences = detector.detect_batch([image])[0]
            here = truth.rows_of(frame)
            nearest = box_tools.iou(found, np.nan_to_num(truth.boxes[here])).argmax(axis=1)
            rows += [frame] * len(found)
            boxes += found.tolist()
            scores += confidences.tolist()
            species += truth.species[here][nearest].tolist()
            show(done)
    return PoseTable.make(
        truth.frames,
        rows,
        boxes=boxes,
        scores=scores,
        species=species,
        categories=truth.categories,
        root=truth.root,
    )


def jittered(truth: PoseTable, boxes: str) -> PoseTable:
    """The annotated boxes, moved and scaled at random.

    `jitterS-seedN`: the centre moves by S times the sides, normally distributed, and each side
    grows or shrinks by the exponential of S times a normal number.
    """
    parts = _JITTER.fullmatch(boxes)
    assert parts is not None
    size, seed = float(parts["size"]), int(parts["seed"])
    table = annotated_boxes(truth)
    noise = np.random.default_rng(seed).normal(0, size, (len(table), 4))
    sides = table.boxes[:, 2:] * np.exp(noise[:, 2:])
    centres = table.boxes[:, :2] + table.boxes[:, 2:] * (0.5 + noise[:, :2])
    moved = np.concatenate([centres - sides / 2, sides], axis=1).astype(np.float32)
    return replace(table, boxes=moved)


def _write(
    folder: Path,
    table: PoseTable,
    fingerprint: str,
    seconds: float,
    tracking: Mapping[str, Mapping[str, Any]] | None,
) -> SharedBoxes:
    with atomic_write(folder / _FILE) as temporary:
        temporary.write_bytes(orjson.dumps([_record(table, row) for row in range(len(table))]))
    metadata = {"fingerprint": fingerprint, "seconds": seconds, "tracking": tracking}
    write_json(folder / _METADATA, metadata)
    return SharedBoxes(folder / _FILE, seconds, tracking)


def _record(table: PoseTable, row: int) -> dict[str, Any]:
    score = float(table.scores[row])
    return {
        "image_id": int(table.frames.ids[table.frame[row]]),
        "category_id": int(table.species[row]),
        "bbox": table.boxes[row].tolist(),
        "score": 1.0 if np.isnan(score) else score,
        "track_id": int(table.tracks[row]),
    }
