"""The reference's predictions and its scores of them, and how scores are compared."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.datasets import read_coco
from aptv2.datasets.coco import parse_coco
from aptv2.tables import PoseTable

KEYS = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
NAMES = ("AP", "AP .5", "AP .75", "AP (M)", "AP (L)", "AR", "AR .5", "AR .75", "AR (M)", "AR (L)")


def assert_close(scores: dict[str, Any], expected: dict[str, float], margin: float = 1e-9) -> None:
    for key in KEYS:
        assert scores[key] == pytest.approx(expected[key], abs=margin, nan_ok=True), key


def reference_case(reference: Path, name: str) -> tuple[dict[str, Any], PoseTable, PoseTable]:
    """What the reference says of a case of `eval.json`, its annotations and its predictions."""
    cases = json.loads((reference / "eval.json").read_text())
    arrays = np.load(reference / "eval.npz")
    data, error = name.split("/")[0], name.split("/")[-1]
    if data == "synth":
        path = reference / "eval_synth_gt.json.gz"
        truth = parse_coco(json.loads(gzip.decompress(path.read_bytes())), path)
    else:
        truth = read_coco(reference.parent / "data/ap10k_sample/test_ap10k.json")
    files = cases["synth/instances" if data == "synth" else name]["image_files"]
    frame_of = {file: row for row, file in enumerate(truth.frames.names)}
    frame = np.array([frame_of[Path(file).name] for file in files])
    # The reference predicts for every annotation with keypoints that is no crowd, in file order.
    real = truth[(truth.num_keypoints > 0) & ~truth.crowd]
    order = np.argsort(real.frame, kind="stable")
    species = np.empty(len(frame), np.int64)
    species[np.argsort(frame, kind="stable")] = real.species[order]
    boxes = arrays[f"{data}/{error}/boxes"]
    table = PoseTable.make(
        truth.frames,
        frame,
        keypoints=arrays[f"{data}/{error}/preds"],
        areas=boxes[:, 4],
        scores=boxes[:, 5],
        species=species,
        categories=truth.categories,
    )
    return cases[name], truth, table


def expected_scores(case: dict[str, Any]) -> dict[str, float]:
    values = (case["metrics"][name] for name in NAMES)
    return {
        key: math.nan if value == -1 else value for key, value in zip(KEYS, values, strict=True)
    }
