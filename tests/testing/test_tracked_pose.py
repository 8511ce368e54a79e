"""The tracked protocol: whose boxes and poses are scored as what, and the one command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import generate
import numpy as np
import pytest
import release_clips
from typer.testing import CliRunner

import aptv2
from aptv2.cli.main import app
from aptv2.datasets.read_split import read_split
from aptv2.models.pose.base import PoseModel
from aptv2.testing.follow import follow_annotated
from aptv2.testing.tracked_pose import score_tracked_poses


class Still:
    """A tracker that never moves, and holds every animal for lost after its first frame."""

    def start(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        self.boxes = boxes

    def add(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        self.boxes = np.concatenate([self.boxes, boxes])

    def step(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.boxes, np.full(len(self.boxes), 0.1, np.float32)


@pytest.fixture(scope="module")
def pose() -> PoseModel:
    return aptv2.load_pose_model("lite", device="cpu", dtype="float32")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A val split of two clips: an easy one, and a hard one with two animals."""
    clips = [release_clips.Clip("val", "easy", "dog", 3, [(0, 3)])]
    clips += [release_clips.Clip("val", "hard", "cat", 3, [(0, 3), (1, 2)])]
    return generate.write_release(tmp_path / "APTv2", clips, sizes=[(64, 48)], pictures=True)


def test_perfect_boxes_give_the_scores_of_true_boxes(
    release: Path, tmp_path: Path, pose: PoseModel
) -> None:
    truth = read_split(release, "val")
    followed = replace(
        truth, keypoints=np.zeros_like(truth.keypoints), scores=np.ones(len(truth), np.float32)
    )
    report = score_tracked_poses(pose, followed, truth, tmp_path, resamples=0, flip=False)
    assert report["scores"] == report["true_boxes"]
    assert list(report["scores"]) == list(report["tracking"]) == ["all", "easy", "hard"]
    for scores in report["tracking"].values():
        assert scores["AO"] == scores["HOTA"] == scores["IDF1"] == pytest.approx(1)
        assert scores["lost"] == scores["id_switches"] == 0
    assert {path.name for path in tmp_path.glob("*.json")} == {
        "predictions.json",
        "report.json",
        "tracks.json",
    }
    assert json.loads((tmp_path / "report.json").read_text())["settings"]["boxes"] == "tracked"


def test_lost_animals_keep_a_box_in_the_papers_protocol(
    release: Path, tmp_path: Path, pose: PoseModel
) -> None:
    truth = read_split(release, "val", "easy")
    followed = follow_annotated(truth, Still())
    report = score_tracked_poses(pose, followed, truth, tmp_path, resamples=0, flip=False)
    tracking = report["tracking"]["all"]
    assert tracking["lost"] == 1
    # Only first boxes are reported, and those are right.
    animals = tracking["animals"]
    assert tracking["missed"] == len(truth) - animals
    assert tracking["false_positives"] == 0
    predictions = json.loads((tmp_path / "predictions.json").read_text())
    assert len(predictions) > animals
    tracks = aptv2.read_annotations(tmp_path / "tracks.json")
    assert len(tracks) == len(followed)


def test_the_command(release: Path, tmp_path: Path) -> None:
    options = ["--subset", "easy", "--data", str(release), "--dtype", "float32"]
    options += ["--no-flip-test", "--resamples", "0", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(
        app, ["test", "lite", "--tracker", "lite", *options], env={"COLUMNS": "120"}
    )
    assert result.exit_code == 0, result.output
    for words in ("tracked boxes", "annotated boxes", "as reported", "HOTA", "joint MOTA", "AO"):
        assert words in result.stdout
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["settings"]["tracker"] == "lite"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tracker", "lite", "--boxes", "b.json"], "both give boxes"),
        (["--tracker-weights", "w.pth"], "give the tracker's name"),
        (["--tracker", "sort"], "sort"),
    ],
)
def test_what_does_not_fit(options: list[str], words: str, release: Path, tmp_path: Path) -> None:
    rest = ["--data", str(release), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(app, ["test", "lite", *options, *rest])
    assert result.exit_code == 2
    assert words in result.stderr
    assert not (tmp_path / "out").exists()
