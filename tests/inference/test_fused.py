"""Following with a ViTPoseTrack that reads the poses on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from click.testing import Result
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.inference.pipeline import track_video
from aptv2.models import load_tracker, registry
from aptv2.models.trackers.vit_tracker import ViTTracker
from aptv2.weights import write_weights

BOXES = "frame,x,y,width,height\n0,10,10,40,30\n2,60,20,30,30\n"


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    path = tmp_path / "boxes.csv"
    path.write_text(BOXES)
    return path


def test_poses_of_all_animals(two_animals: SimpleNamespace, boxes: Path, tmp_path: Path) -> None:
    source = two_animals.path
    table = track_video(
        source,
        tmp_path / "out",
        boxes=boxes,
        tracker="vitposetrack_s",
        tracker_weights="random",
        pose="fused",
        overlay=False,
        device="cpu",
        dtype="float32",
    )
    assert set(table.tracks) == {1, 2}
    assert table.keypoints.shape == (len(table), 17, 3)
    assert (table.frame[table.tracks == 2] >= 2).all()
    assert np.isfinite(table.keypoints).all()


def test_a_tracker_of_ones_own(two_animals: SimpleNamespace, boxes: Path) -> None:
    tracker = load_tracker("vitposetrack_s", "random", device="cpu", pose=True)
    table = track_video(two_animals.path, boxes=boxes, tracker=tracker, pose="fused")
    assert len(table)


def weights_file(folder: Path) -> Path:
    """An untrained network that is sure of every animal, whatever the frame shows."""
    torch.manual_seed(0)
    network = registry.build("vitposetrack_s")
    with torch.no_grad():
        network.centre.score[-1].bias.fill_(9)
    write_weights(folder / "sure.safetensors", network.state_dict(), exact=True)
    return folder / "sure.safetensors"


def test_the_command_interrupted_and_resumed(
    two_animals: SimpleNamespace,
    boxes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def track(name: str) -> Result:
        options = ["--tracker", "vitposetrack_s", "--tracker-weights", str(weights)]
        options += ["--pose", "fused", "--boxes", str(boxes), "--no-video", "--device", "cpu"]
        begin = ["track", str(two_animals.path), "-o", str(tmp_path / name)]
        return CliRunner().invoke(app, [*begin, *options, "--resume"])

    def step(self: ViTTracker, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps.append(len(steps))
        if len(steps) == 20:
            os.kill(os.getpid(), signal.SIGINT)
        return plain(self, frame)

    weights, steps, plain = weights_file(tmp_path), [], ViTTracker.step
    assert track("whole").exit_code == 0
    monkeypatch.setattr(ViTTracker, "step", step)
    # As in a terminal; a shell starts its background jobs with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    assert track("out").exit_code == 130
    signal.signal(signal.SIGINT, before)
    assert track("out").exit_code == 0
    assert len(steps) == 45  # every frame but the first was followed once
    files = [tmp_path / name / "clip.tracks.json" for name in ("whole", "out")]
    assert files[0].read_text() == files[1].read_text()
    table = read_annotations(files[0])
    assert len(table) == 46 + 44
    assert np.unique(table.boxes, axis=0).shape[0] > 40  # they moved


# The command, with a checkpoint every 8 frames; it kills itself while it follows the 20th.
KILLED = """
import os, signal, sys
import torch
from aptv2.cli.main import app
from aptv2.inference import results
from aptv2.models.trackers.vit_tracker import ViTTracker

def step(self, frame):
    steps.append(frame)
    if len(steps) == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, frame)

torch.set_num_threads(int(sys.argv.pop(1)))
results.CHECKPOINT_FRAMES = 8
steps, plain, ViTTracker.step = [], ViTTracker.step, step
app()
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that kills")
def test_the_command_killed_and_resumed(
    two_animals: SimpleNamespace,
    boxes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def arguments(name: str) -> list[str]:
        options = ["--tracker", "vitposetrack_s", "--tracker-weights", str(weights)]
        options += ["--pose", "fused", "--boxes", str(boxes), "--no-video", "--device", "cpu"]
        return ["track", str(two_animals.path), "-o", str(tmp_path / name), *options]

    def step(self: ViTTracker, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        steps.append(len(steps))
        return plain(self, frame)

    weights, steps, plain = weights_file(tmp_path), [], ViTTracker.step
    assert CliRunner().invoke(app, arguments("whole")).exit_code == 0
    command = [sys.executable, "-c", KILLED, str(torch.get_num_threads()), *arguments("out")]
    assert subprocess.run(command, timeout=300, check=False).returncode == -signal.SIGKILL
    assert not list((tmp_path / "out").glob("clip.*"))
    monkeypatch.setattr(ViTTracker, "step", step)
    resumed = CliRunner().invoke(app, [*arguments("out"), "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert len(steps) == 30  # of 46 frames 16 were in the last checkpoint
    for name in ("clip.tracks.json", "clip.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"clip.tracks.json", "clip.csv"}


@pytest.mark.parametrize("pose", ["fused", "lite"])
def test_a_clip_of_one_frame(pose: str, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    assert cv2.imwrite(str(folder / "1.png"), np.full((48, 64, 3), 90, np.uint8))
    (tmp_path / "boxes.csv").write_text("frame,x,y,width,height\n0,10,10,30,20\n")
    options = {"tracker": "vitposetrack_s", "tracker_weights": "random", "overlay": False}
    table = track_video(folder, boxes=tmp_path / "boxes.csv", pose=pose, device="cpu", **options)
    assert table.boxes.tolist() == [[10, 10, 30, 20]]
    assert table.scores.tolist() == [1]
    assert np.isfinite(table.keypoints).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boxes": None}, "so it needs --boxes too"),
        ({"flip_test": True}, "leave out --flip-test"),
        ({"pose_weights": "net.pth"}, "leave out --pose-weights"),
        ({"tracker": "lite"}, "lite follows animals and reads no poses on the way"),
    ],
)
def test_what_does_not_go_together(
    two_animals: SimpleNamespace, boxes: Path, options: dict[str, object], message: str
) -> None:
    given = {"boxes": boxes, "tracker": "vitposetrack_s", "tracker_weights": "random"} | options
    with pytest.raises(InputError, match=message):
        track_video(two_animals.path, pose="fused", **given)
