"""A network's test: what it scores, what it writes, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.datasets import read_coco_results
from aptv2.datasets.read_split import read_split
from aptv2.errors import InputError
from aptv2.evaluation import score_keypoints
from aptv2.models import load_pose_model
from aptv2.models.pose.base import PoseModel
from aptv2.skeleton import Skeleton
from aptv2.tables import PoseTable
from aptv2.testing.boxes import annotated_boxes
from aptv2.testing.pose import score_pose_model
from aptv2.testing.predict import predict_poses


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return load_pose_model("lite", device="cpu")


@pytest.fixture
def truth(small_release: Path) -> PoseTable:
    """Animals of 10 clips; large areas, so that poses of noise are right now and then."""
    table = read_split(small_release, "val")
    return replace(table, areas=np.full(len(table), 1e5, np.float32))


@pytest.fixture
def few(truth: PoseTable) -> PoseTable:
    """Ten of them."""
    return truth[::4]


def assert_equal(first: Any, second: Any) -> None:
    """Equal, NaN too."""
    assert json.dumps(first) == json.dumps(second)


def test_scores_are_those_of_the_parts(model: PoseModel, truth: PoseTable, tmp_path: Path) -> None:
    report = score_pose_model(model, truth, tmp_path / "out", flip=False, resamples=20)
    poses = predict_poses(model, annotated_boxes(truth))
    # As the reference has it: the box's score, here 1, times the mean keypoint score; no boxes.
    raw = replace(
        poses,
        scores=np.ones(len(poses), np.float32),
        boxes=np.full_like(poses.boxes, np.nan),
    )
    scores = score_keypoints(truth, raw, rescore=True, oks_nms=True, resamples=20)
    assert 0 < scores["AP"] < 1
    assert_equal(report["scores"]["all"], scores)
    assert list(report["scores"]) == ["all", "easy", "hard"]
    easy = read_split(truth.root.parent, "val", "easy")  # type: ignore[union-attr]
    easy = replace(easy, areas=np.full(len(easy), 1e5, np.float32))
    alone = score_pose_model(model, easy, tmp_path / "easy", flip=False, resamples=20)
    assert list(alone["scores"]) == ["all"]
    for key in ("AP", "AR", "AP_interval"):
        assert alone["scores"]["all"][key] == pytest.approx(report["scores"]["easy"][key])


def test_what_is_written(model: PoseModel, few: PoseTable, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    report = score_pose_model(model, few, folder, metadata={"network": "lite"}, resamples=0)
    assert {path.name for path in folder.iterdir()} == {".lock", "predictions.json", "report.json"}
    written = json.loads((folder / "report.json").read_text())
    assert written["settings"]["network"] == "lite"
    assert written["settings"]["flip_test"] is True
    assert written["scores"]["all"]["AP"] == pytest.approx(report["scores"]["all"]["AP"])
    # The file is what was scored: nothing is left to rescore or drop.
    results = read_coco_results(folder / "predictions.json", few)
    assert len(results) == report["predictions"]
    again = score_keypoints(few, results)
    for key in ("AP", "APM", "APL", "AR"):
        assert again[key] == pytest.approx(report["scores"]["all"][key], abs=1e-6, nan_ok=True)


def test_given_boxes(model: PoseModel, few: PoseTable, tmp_path: Path) -> None:
    boxes = [
        {
            "image_id": int(few.frames.ids[few.frame[row]]),
            "category_id": int(few.species[row]),
            "bbox": few.boxes[row].tolist(),
            "score": 0.5,
        }
        for row in range(len(few))
    ]
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(boxes))
    given = score_pose_model(model, few, tmp_path / "given", boxes=path, resamples=0)
    annotated = score_pose_model(model, few, tmp_path / "annotated", resamples=0)
    # Half the score for all changes no order.
    assert_equal(given["scores"], annotated["scores"])
    assert given["settings"]["boxes"] == str(path)
    half, whole = (
        read_coco_results(tmp_path / name / "predictions.json").scores
        for name in ("given", "annotated")
    )
    np.testing.assert_allclose(2 * half, whole, rtol=1e-6)


def test_resumed_and_shared_out(model: PoseModel, few: PoseTable, tmp_path: Path) -> None:
    whole = score_pose_model(model, few, tmp_path / "whole", resamples=20)
    missing = few.root / few.frames.names[few.frame[-1]]  # type: ignore[operator]
    content = missing.read_bytes()
    missing.unlink()
    with pytest.raises(InputError, match=missing.name):
        score_pose_model(model, few, tmp_path / "broken")
    assert {path.name for path in (tmp_path / "broken").iterdir()} == {".lock", "chunks"}
    missing.write_bytes(content)
    resumed = score_pose_model(
        model, few, tmp_path / "broken", resamples=20, devices=2, resume=True
    )
    assert_equal(resumed, whole)
    for name in ("predictions.json", "report.json"):
        first, second = tmp_path / "whole" / name, tmp_path / "broken" / name
        assert first.read_bytes() == second.read_bytes()


def test_a_failure_keeps_what_was_there(model: PoseModel, few: PoseTable, tmp_path: Path) -> None:
    score_pose_model(model, few, tmp_path, resamples=0)
    before = (tmp_path / "report.json").read_bytes()
    (few.root / few.frames.names[few.frame[0]]).unlink()  # type: ignore[operator]
    with pytest.raises(InputError):
        score_pose_model(model, few, tmp_path, resamples=10)
    assert (tmp_path / "report.json").read_bytes() == before


def test_a_folder_that_another_process_tests_into(
    model: PoseModel, few: PoseTable, tmp_path: Path
) -> None:
    script = (
        "import sys; from pathlib import Path; from aptv2.locks import held\n"
        "with held(Path(sys.argv[1]), 'testing into'): print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(
            InputError, match=f"process {other.pid} .* is testing into it; give another"
        ):
            score_pose_model(model, few, tmp_path, resamples=0)
        other.communicate(b"\n")
    assert score_pose_model(model, few[:1], tmp_path, resamples=0)["animals"] == 1


def test_what_does_not_fit(model: PoseModel, few: PoseTable, tmp_path: Path) -> None:
    beak = replace(few, keypoints=few.keypoints[:, :1], skeleton=Skeleton(("beak",)))
    with pytest.raises(InputError, match=r"The network predicts 17 keypoints, .* have 1"):
        score_pose_model(model, beak, tmp_path / "out")
    with pytest.raises(InputError, match="there is no annotated animal to test on"):
        score_pose_model(model, few[:0], tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        score_pose_model(model, few, tmp_path / "file")
    assert not (tmp_path / "out").exists()
