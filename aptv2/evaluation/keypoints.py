"""Keypoint AP as APTv2 and AP-10K report it: COCO's, over object keypoint similarity.

The evaluation itself is hotcoco's, which gives pycocotools' numbers. What is added here is what
animals need: the joints' own sigmas, scores by species, family and pooled, mmpose's rescoring and
duplicate suppression, and a word when a frame holds more animals than COCO scores.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import hotcoco
import numpy as np

from aptv2 import boxes as box_tools
from aptv2.crops import PADDING
from aptv2.errors import InputError
from aptv2.evaluation.oks import suppress, suppress_softly
from aptv2.evaluation.pairing import Source, pair
from aptv2.species import canonical, family
from aptv2.tables import PoseTable

COCO_LIMIT = 20  # detections that COCO's keypoint evaluation keeps of a frame and species
_VISIBLE = 0.2  # joints above this score count in rescoring
_DUPLICATE = 0.9  # OKS above which two predictions are taken for the same animal
_THRESHOLD_75 = 5  # position of OKS 0.75 among COCO's ten thresholds, which start at 0.50


def score_keypoints(
    ground_truth: Source,
    predictions: Source,
    rescore: bool = False,
    oks_nms: bool | Literal["soft"] = False,
) -> dict[str, Any]:
    """Score predicted joints against annotated ones.

    Parameters
    ----------
    ground_truth, predictions
        Tables, or files that :func:`aptv2.read_annotations` reads. Predictions belong to frames
        by image id. They belong to species by name where they bring category names, by category
        id otherwise. A prediction without a score counts with score 1.
    rescore
        First set each score to itself times the mean of its joint scores above 0.2 (0 where there
        is none).
    oks_nms
        Then drop near-duplicates in a frame, across species, at an OKS of 0.9. A prediction's
        scale is its `area`, or else its box padded by 1.25. "soft" keeps the 20 best of a frame
        after lowering duplicates' scores, as mmpose does.

    Returns
    -------
    dict
        `AP`, `AP50`, `AP75`, `APM`, `APL`, `AR`, `AR50`, `AR75`, `ARM`, `ARL`: means over species,
        from 0 to 1, NaN where undefined. `by_species` and `by_family` hold the same ten by name,
        for the species that the ground truth has; a family's are the means over its species.
        `pooled` holds them for all animals taken as one species, which is another number.
        `frames_over_limit` counts the frames with more annotated animals than the 20 detections
        that COCO scores of a frame and species, and a warning says so; `AP_all_detections`, here
        and in `pooled`, is AP without that limit.

    Raises
    ------
    InputError
        Where a file is wrong, or predictions have other joints or frames than the ground truth.

    Notes
    -----
    Areas that split APM from APL, and a prediction's area when it matches nothing, are
    pycocotools': the box's, or that of the joints' extent where a result has no box.
    """
    if oks_nms not in (False, True, "soft"):
        raise InputError(f'oks_nms is {oks_nms!r}; give False, True or "soft".')
    truth, found = pair(ground_truth, predictions)
    scores = np.where(np.isnan(found.scores), 1, found.scores).astype(np.float64)
    found = replace(found, species=_same_species(found, truth), scores=scores)
    if rescore:
        found = replace(found, scores=found.scores * _mean_joint_score(found.joints))
    if oks_nms:
        found = found[_distinct(found, soft=oks_nms == "soft")]
    return _score(truth, found)


def _same_species(predictions: PoseTable, truth: PoseTable) -> np.ndarray:
    """The predictions' species as the ground truth numbers them; -1 where it has none such."""
    species = predictions.species
    if predictions.categories and truth.categories:
        by_name = {canonical(name): key for key, name in truth.categories.items()}
        translate = {
            key: by_name.get(canonical(name), -1) for key, name in predictions.categories.items()
        }
        species = np.array([translate.get(key, -1) for key in species.tolist()], np.int64)
    if len(species) and not np.isin(species, [*truth.categories, *truth.species]).any():
        warnings.warn(
            "No prediction is of a species of the ground truth, so AP is 0; "
            "only the pooled scores say how good the joints are.",
            stacklevel=3,
        )
    return species


def _mean_joint_score(joints: np.ndarray) -> np.ndarray:
    """float64 (N,): mean of the joint scores above 0.2; 0 where there is none."""
    scores = joints[:, :, 2].astype(np.float64)
    used = scores > _VISIBLE
    return np.where(used, scores, 0).sum(axis=1) / np.maximum(used.sum(axis=1), 1)


def _distinct(table: PoseTable, *, soft: bool) -> np.ndarray:
    """Rows without near-duplicates, frame by frame and best first."""
    boxes = np.where(np.isnan(table.boxes), _extents(table.joints), table.boxes)
    areas = np.where(np.isnan(table.areas), box_tools.area(boxes) * PADDING**2, table.areas)
    sigmas = np.array(table.skeleton.sigmas)
    choose = suppress_softly if soft else suppress
    order = np.argsort(table.frame, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(table.frame[order])) + 1)
    kept = [
        rows[choose(table.joints[rows], areas[rows], table.scores[rows], sigmas, _DUPLICATE)]
        for rows in groups
    ]
    return np.concatenate(kept)


def _extents(joints: np.ndarray, used: np.ndarray | None = None) -> np.ndarray:
    """float64 (N, 4): xywh box around the joints (N, K, 3), or the `used` ones (N, K) of them."""
    points = joints[:, :, :2].astype(np.float64)
    keep = np.ones(points.shape[:2], bool) if used is None else used
    low = np.where(keep[:, :, None], points, np.inf).min(axis=1)
    high = np.where(keep[:, :, None], points, -np.inf).max(axis=1)
    some = keep.any(axis=1, keepdims=True)
    low, high = np.where(some, low, 0), np.where(some, high, 0)
    return np.concatenate([low, high - low], axis=1)


def _score(truth: PoseTable, found: PoseTable) -> dict[str, Any]:
    keys = sorted({*truth.categories, *truth.species.tolist()})
    names = {key: truth.categories.get(key, "unknown") for key in keys}
    position = {key: place for place, key in enumerate(keys)}
    present = [position[key] for key in np.unique(truth.species).tolist()]

    species = _Evaluation(truth, found, keys)
    scores: dict[str, Any] = species.summary(range(len(keys)))
    scores["by_species"] = {names[keys[place]]: species.summary([place]) for place in present}
    families: dict[str, list[int]] = {}
    for place in present:
        families.setdefault(family(names[keys[place]]), []).append(place)
    scores["by_family"] = {name: species.summary(places) for name, places in families.items()}

    one = replace(truth, species=np.zeros(len(truth), np.int64))
    all_found = replace(found, species=np.zeros(len(found), np.int64))
    scores["pooled"] = _Evaluation(one, all_found, [0]).summary([0])

    scores["frames_over_limit"] = int((np.bincount(truth.frame) > COCO_LIMIT).sum())
    scores["AP_all_detections"] = scores["AP"]
    scores["pooled"]["AP_all_detections"] = scores["pooled"]["AP"]
    most = int(np.bincount(found.frame, minlength=1).max())
    if most > COCO_LIMIT:
        lifted = _Evaluation(truth, found, keys, most).summary(range(len(keys)))
        scores["AP_all_detections"] = lifted["AP"]
        lifted = _Evaluation(one, all_found, [0], most).summary([0])
        scores["pooled"]["AP_all_detections"] = lifted["AP"]
    if scores["frames_over_limit"]:
        warnings.warn(
            f"{scores['frames_over_limit']} frames hold more than {COCO_LIMIT} animals, of which "
            f"COCO's AP scores only {COCO_LIMIT}; see AP_all_detections.",
            stacklevel=3,
        )
    return scores


class _Evaluation:
    """One run of COCO's evaluation; the species in `keys` become categories 1, 2, …"""

    def __init__(
        self, truth: PoseTable, found: PoseTable, keys: Sequence[int], limit: int = COCO_LIMIT
    ) -> None:
        labelled = truth.joints[:, :, 2] > 0
        truth_boxes = np.where(np.isnan(truth.boxes), _extents(truth.joints, labelled), truth.boxes)
        truth_areas = np.where(np.isnan(truth.areas), box_tools.area(truth_boxes), truth.areas)
        found_boxes = np.where(np.isnan(found.boxes), _extents(found.joints), found.boxes)
        evaluator = hotcoco.COCOeval(
            _dataset(truth, truth_boxes, truth_areas, keys),
            _dataset(found, found_boxes, box_tools.area(found_boxes), keys),
            "keypoints",
        )
        evaluator.params.kpt_oks_sigmas = list(truth.skeleton.sigmas)
        evaluator.params.max_dets = [limit]
        evaluator.evaluate()
        evaluator.accumulate()
        # Thresholds, recalls, species, areas (all, medium, large), limits; -1 is undefined.
        curves: dict[str, np.ndarray] = evaluator.eval or {}
        self.precision, self.recall = curves["precision"][..., 0], curves["recall"][..., 0]

    def summary(self, places: Sequence[int]) -> dict[str, float]:
        """COCO's ten numbers over some species."""
        precision, recall = self.precision[:, :, list(places)], self.recall[:, list(places)]
        return {
            "AP": _mean(precision[..., 0]),
            "AP50": _mean(precision[0, ..., 0]),
            "AP75": _mean(precision[_THRESHOLD_75, ..., 0]),
            "APM": _mean(precision[..., 1]),
            "APL": _mean(precision[..., 2]),
            "AR": _mean(recall[..., 0]),
            "AR50": _mean(recall[0, ..., 0]),
            "AR75": _mean(recall[_THRESHOLD_75, ..., 0]),
            "ARM": _mean(recall[..., 1]),
            "ARL": _mean(recall[..., 2]),
        }


def _mean(values: np.ndarray) -> float:
    defined = values[values > -1]
    return float(defined.mean()) if len(defined) else float("nan")


def _dataset(
    table: PoseTable, boxes: np.ndarray, areas: np.ndarray, keys: Sequence[int]
) -> hotcoco.COCO:
    """The table as hotcoco's data set; rows of other species than `keys` are left out."""
    category = {key: number for number, key in enumerate(keys, 1)}
    # Numbered in the order of their ids, which settles the order of equal scores.
    number_of = 1 + np.argsort(np.argsort(table.frames.ids))
    flat = table.joints.astype(np.float64).reshape(len(table), 3 * len(table.skeleton)).tolist()
    columns = zip(
        number_of[table.frame].tolist(),
        table.species.tolist(),
        np.asarray(boxes, np.float64).tolist(),
        np.asarray(areas, np.float64).tolist(),
        flat,
        table.num_joints.tolist(),
        table.crowd.tolist(),
        np.nan_to_num(table.scores.astype(np.float64)).tolist(),
        strict=True,
    )
    annotations = [
        {
            "id": number,
            "image_id": image,
            "category_id": category[species],
            "bbox": box,
            "area": area,
            "keypoints": joints,
            "num_keypoints": count,
            "iscrowd": int(crowd),
            "score": score,
        }
        for number, (image, species, box, area, joints, count, crowd, score) in enumerate(
            columns, 1
        )
        if species in category
    ]
    return hotcoco.COCO(
        {
            "images": [{"id": image, "width": 1, "height": 1} for image in number_of.tolist()],
            "annotations": annotations,
            "categories": [{"id": number, "name": str(number)} for number in category.values()],
        }
    )
