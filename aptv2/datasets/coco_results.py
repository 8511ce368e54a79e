"""COCO keypoint results: the list of detections that COCO's own tools score."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from aptv2.datasets.records import Records, load_json
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable


def is_coco_results(document: Any) -> bool:
    """True if parsed JSON looks like COCO keypoint results."""
    return isinstance(document, list)


def read_coco_results(path: str | Path, ground_truth: PoseTable | None = None) -> PoseTable:
    """Read COCO keypoint results: `image_id`, `category_id`, `keypoints`, `score` a detection.

    Parameters
    ----------
    path
        The JSON file. `bbox` and `area` are kept where a detection has them.
    ground_truth
        The annotations that the results belong to. Their frames, keypoints and categories are taken
        over, and image and category ids must be theirs. Left out, the frames are the image ids
        that occur, in rising order, and 17 keypoints are taken for those of `ANIMAL17`.

    Raises
    ------
    InputError
        Where the file cannot be read or holds something that is wrong; it names the field.
    """
    path = Path(path)
    return parse_coco_results(load_json(path), path, ground_truth)


def parse_coco_results(
    document: Any, path: Path, ground_truth: PoseTable | None = None
) -> PoseTable:
    """As :func:`read_coco_results`, from parsed JSON; `path` is where it came from."""
    if not is_coco_results(document):
        raise InputError(f"{path} is not a list of detections; give COCO keypoint results.")
    detections = Records(path, "detection", document)
    image_ids = detections.integers("image_id")
    if ground_truth is None:
        frames = Frames.make(ids=np.unique(image_ids))
        skeleton, categories, root = _skeleton(detections), {}, None
    else:
        frames, skeleton = ground_truth.frames, ground_truth.skeleton
        categories, root = dict(ground_truth.categories), ground_truth.root
        if categories:
            known = np.array(sorted(categories), np.int64)
            detections.lookup("category_id", known, "category of the ground truth")
    boxes = detections.rows("bbox", 4, null=math.nan, required=False)
    areas = detections.floats("area", math.nan)
    detections.refuse_negative("bbox", boxes[:, 2:])
    detections.refuse_negative("area", areas)
    return PoseTable.make(
        frames,
        detections.lookup("image_id", frames.ids, "image of the ground truth"),
        boxes=boxes,
        keypoints=detections.rows("keypoints", 3 * len(skeleton)).reshape(-1, len(skeleton), 3),
        scores=detections.floats("score"),
        tracks=detections.integers("track_id", -1),
        species=detections.integers("category_id"),
        areas=areas,
        skeleton=skeleton,
        categories=categories,
        root=root,
    )


def _skeleton(detections: Records) -> Skeleton:
    """The keypoints, of which a results file gives only the number."""
    numbers = detections.items[0].get("keypoints") if len(detections) else None
    count = len(numbers) // 3 if isinstance(numbers, list) else len(ANIMAL17)
    if count == len(ANIMAL17):
        return ANIMAL17
    return Skeleton(tuple(f"keypoint_{number}" for number in range(1, count + 1)))
