"""A pose network's test: its poses of a split, scored as the APTv2 paper scores them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aptv2.datasets.splits import DIFFICULTIES, Subset, difficulty_of, subset
from aptv2.errors import InputError
from aptv2.evaluation.keypoints import ranked, score_keypoints
from aptv2.evaluation.results import KeypointScores
from aptv2.export import write_coco_results
from aptv2.files import write_json
from aptv2.locks import held
from aptv2.models.pose.base import PoseModel
from aptv2.tables import PoseTable
from aptv2.testing.boxes import annotated_boxes, given_boxes
from aptv2.testing.reports import PoseReport
from aptv2.testing.resumable import predict_in_chunks

RESULTS, REPORT, CHUNKS = "predictions.json", "report.json", "chunks"


def score_pose_model(
    model: PoseModel,
    truth: PoseTable,
    output: str | Path,
    *,
    boxes: str | Path | None = None,
    flip: bool = True,
    oks_nms: bool | Literal["soft"] = True,
    devices: int = 1,
    resume: bool = False,
    resamples: int = 1000,
    seed: int = 0,
    metadata: dict[str, Any] | None = None,
    progress: bool = False,
) -> PoseReport:
    """Pose the animals of a split and score the poses; by default as the official test does.

    Parameters
    ----------
    model
        The pose network.
    truth
        The annotated animals, with their images (:func:`aptv2.datasets.read_split.read_split`).
    output
        Folder for `predictions.json`, the COCO results that the scores are of (rescored, without
        duplicates, without boxes, as the official ones), and `report.json`, what is returned. What
        is not finished lies in `chunks/` there.
    boxes
        COCO results with the boxes of a detector; left out, the annotated ones are used.
    flip
        Average over the mirrored crops as well.
    oks_nms
        Drop near-duplicates, as in :func:`aptv2.score_keypoints`.
    devices, resume, progress
        As in :func:`aptv2.testing.resumable.predict_in_chunks`.
    resamples, seed
        Of the confidence intervals, as in :func:`aptv2.score_keypoints`.
    metadata
        What else the report is to say.

    Returns
    -------
    PoseReport
        Scores of all animals and, where the data has them, of easy and hard ones.

    Raises
    ------
    InputError
        Where data, boxes and network do not fit together, or the output cannot be written or is in
        use by another process.
    """
    check_keypoints(model, truth)
    folder = Path(output)
    targets = annotated_boxes(truth) if boxes is None else given_boxes(boxes, truth)
    if not len(targets):
        raise InputError(f"{truth.root}: there is no annotated animal to test on.")
    with held(folder, "testing into"):
        poses = predict_in_chunks(
            model,
            targets,
            folder / CHUNKS,
            flip=flip,
            devices=devices,
            resume=resume,
            progress=progress,
        )
        found = official_results(poses, targets.scores, oks_nms)
        report = PoseReport(
            settings={
                **(metadata or {}),
                "boxes": "annotated" if boxes is None else str(boxes),
                **settings_of(model, flip, oks_nms, resamples, seed),
            },
            **counts_of(truth, found),
            scores=scores_by_part(truth, found, resamples, seed),
        )
        finish(folder, found, report)
    return report


def check_keypoints(model: PoseModel, truth: PoseTable) -> None:
    """Raise an InputError where a network predicts other keypoints than are annotated."""
    if len(model.skeleton) != len(truth.skeleton):
        raise InputError(
            f"The network predicts {len(model.skeleton)} keypoints, but the animals of "
            f"{truth.root} have {len(truth.skeleton)}; give weights for the same keypoints."
        )


def settings_of(
    model: PoseModel, flip: bool, oks_nms: bool | Literal["soft"], resamples: int, seed: int
) -> dict[str, Any]:
    """What a report says of how a test was run."""
    return {
        "flip_test": flip,
        "oks_nms": oks_nms,
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        "resamples": resamples,
        "seed": seed,
        "aptv2": version("aptv2"),
    }


def counts_of(truth: PoseTable, found: PoseTable) -> dict[str, int]:
    """What a report says of how much was tested."""
    return {
        "animals": len(truth),
        "frames": len(np.unique(truth.frame)),
        "predictions": len(found),
    }


def finish(folder: Path, found: PoseTable, report: PoseReport) -> None:
    """Write the results and the report of a test, and drop what it would have resumed from."""
    write_coco_results(found, folder / RESULTS)
    write_json(folder / REPORT, report)
    shutil.rmtree(folder / CHUNKS)


def official_results(
    poses: PoseTable, box_scores: np.ndarray, oks_nms: bool | Literal["soft"]
) -> PoseTable:
    """Poses as the official test submits them: rescored, without duplicates and without boxes."""
    unboxed = np.full_like(poses.boxes, np.nan)
    return ranked(replace(poses, scores=box_scores, boxes=unboxed), True, oks_nms)


def parts_of(truth: PoseTable) -> list[Subset]:
    """What scores are given of: all animals and, where there are both, easy and hard ones."""
    both = set(DIFFICULTIES) <= set(difficulty_of(truth)[truth.frame].tolist())
    return ["all", *(DIFFICULTIES if both else ())]


def scores_by_part(
    truth: PoseTable, found: PoseTable, resamples: int, seed: int
) -> dict[str, KeypointScores]:
    """:func:`aptv2.score_keypoints` of :func:`parts_of` the animals."""
    return {
        name: score_keypoints(
            subset(truth, name), subset(found, name), resamples=resamples, seed=seed
        )
        for name in parts_of(truth)
    }
