"""A test of only a tracker: GOT-10k's result folders and its scores, with one command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from aptv2.cli.main import app
from aptv2.datasets.got10k_results import read_got10k_results
from aptv2.errors import InputError
from aptv2.evaluation import score_followed
from aptv2.testing.tracker import read_clips, score_boxes


class Still:
    """A tracker that never moves, and counts the clips that it began."""

    started = 0

    def start(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        self.boxes = boxes
        self.started += 1

    def add(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        raise AssertionError("a clip has one animal")

    def step(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.boxes, np.full(len(self.boxes), 0.1, np.float32)


@pytest.fixture
def got10k(tmp_path: Path) -> Path:
    """Two clips in val, whose animals move by half a box, and as test with first boxes alone."""
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    for split in ("val", "test"):
        for name, count in (("buck", 1), ("doe", 4)):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                assert cv2.imwrite(str(folder / f"{number + 1:08d}.jpg"), image)
            lines = ["8,8,20,20", *["18,8,20,20"] * (count - 1)]
            given = lines if split == "val" else lines[:1]
            (folder / "groundtruth.txt").write_text("\n".join(given))
            (folder / "absence.label").write_text("0\n" * count)
    return tmp_path / "data"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["test", *map(str, arguments)], env={"COLUMNS": "120"})


def test_boxes_times_and_scores(got10k: Path, tmp_path: Path) -> None:
    truth, out = read_clips(got10k), tmp_path / "out"
    scores = score_boxes(Still(), truth, out)
    assert scores["AO"] == pytest.approx(1 / 3)
    assert (scores["animals"], scores["frames"]) == (2, 3)  # first frames do not count
    assert scores["fps"] > 0
    assert (out / "doe" / "doe_001.txt").read_text() == "8.000,8.000,20.000,20.000\n" * 4
    times = (out / "doe" / "doe_time.txt").read_text().split()
    assert len(times) == 4
    assert min(map(float, times)) >= 0
    again = score_followed(truth, read_got10k_results(out, truth))
    assert again["AO"] == scores["AO"]


def test_first_boxes_alone(got10k: Path, tmp_path: Path) -> None:
    """As in the split whose boxes only GOT-10k's server knows; a clip has one frame."""
    result = call("--tracker", "lite", "--data", got10k, "--split", "test", "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "2 clips, 0 frames that count" in result.stdout
    lines = {path.name: len(path.read_text().split()) for path in tmp_path.glob("out/*/*")}
    assert lines == {"buck_001.txt": 1, "buck_time.txt": 1, "doe_001.txt": 4, "doe_time.txt": 4}


def test_the_command(got10k: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = call("--tracker", "lite", "--data", got10k / "val", "-o", out)
    assert result.exit_code == 0, result.output
    assert "2 clips, 3 frames that count" in result.stdout
    assert "SR75" in result.stdout
    scored = CliRunner().invoke(app, ["score", str(got10k / "val"), str(out)])
    assert scored.exit_code == 0, scored.output


def test_it_refuses_before_it_follows(got10k: Path, tmp_path: Path) -> None:
    tracker, full = Still(), tmp_path / "full"
    (full / "kept").mkdir(parents=True)
    with pytest.raises(InputError, match="already exists"):
        score_boxes(tracker, read_clips(got10k), full)
    with pytest.raises(InputError, match="two clips are called buck"):
        score_boxes(tracker, read_clips(got10k, "all of them"), tmp_path / "out")
    truth = read_clips(got10k)
    several = replace(truth, tracks=np.arange(len(truth)))
    with pytest.raises(InputError, match="doe has 4 animals; GOT-10k's results are of one"):
        score_boxes(tracker, several, tmp_path / "out")
    (got10k / "val" / "doe" / "absence.label").write_text("1\n0\n0\n0\n")
    with pytest.raises(InputError, match=r"00000001\.jpg: the animal of clip doe is out of"):
        score_boxes(tracker, read_clips(got10k), tmp_path / "out")
    assert tracker.started == 0
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "give a recipe or a network's name, or --tracker"),
        (["--tracker", "lite", "--resume"], "--resume: a test of only a tracker has no use"),
        (["--tracker", "lite", "--no-flip-test"], "--flip-test: a test of only a tracker"),
        (["--tracker", "lite", "--devices", "2"], "--devices: a test of only a tracker"),
        (["--tracker", "lite", "--data", "nowhere"], "does not exist"),
    ],
)
def test_what_does_not_fit(options: list[str], words: str, got10k: Path, tmp_path: Path) -> None:
    result = call("--data", got10k, *options, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
