"""`aptv2 track`: options, messages, exit codes. The pipeline itself is tested in its own place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.datasets import read_annotations
from aptv2.inference import pipeline
from aptv2.skeleton import ANIMAL17


class RedFinder:
    """Boxes around what is red."""

    def detect_batch(self, frames: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        found = []
        for frame in frames:
            red = (frame[:, :, 0] > frame[:, :, 1:].max(axis=2).astype(int) + 60).astype(np.uint8)
            stats = cv2.connectedComponentsWithStats(red)[2][1:]
            stats = stats[stats[:, 4] > 40]
            found.append((stats[:, :4].astype(np.float32), np.full(len(stats), 0.9, np.float32)))
        return found


class CornerPose:
    """All keypoints in the box's top left corner."""

    skeleton = ANIMAL17

    def predict(self, frame: np.ndarray, boxes: np.ndarray, flip: bool = False) -> np.ndarray:
        corners = np.repeat(boxes[:, None, :2], 17, axis=1)
        return np.concatenate([corners, np.full((len(boxes), 17, 1), 0.8)], axis=2)


@pytest.fixture(autouse=True)
def asked_for(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[Any, ...]]]:
    """Small networks in place of the real ones; gives what was asked for."""
    pipeline._pose_network.cache_clear()
    calls: list[tuple[Any, ...]] = []

    def loader(network: Any) -> Callable[..., Any]:
        def load(*arguments: Any) -> Any:
            calls.append(arguments)
            return network

        return load

    monkeypatch.setattr(pipeline, "load_detector", loader(RedFinder()))
    monkeypatch.setattr(pipeline, "load_pose_model", loader(CornerPose()))
    yield calls
    pipeline._pose_network.cache_clear()  # else the next module's videos get these corners


@pytest.fixture
def clip(make_clip: Callable[..., Path]) -> Path:
    """One red animal that walks through ten frames."""
    frames = []
    for t in range(10):
        # Grain, or the encoder makes a file that is all header.
        frame = np.random.default_rng(t).integers(80, 120, (48, 64, 3), np.uint8)
        frame[10:30, 5 + 2 * t : 35 + 2 * t] = (200, 30, 30)
        frames.append(frame)
    return make_clip(frames=frames)


def track(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["track", *map(str, arguments)])


def test_a_video_gives_its_three_files(clip: Path, tmp_path: Path) -> None:
    result = track(clip, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "1 animal in 10 frames" in result.stdout
    names = ["clip.csv", "clip.pose.mp4", "clip.tracks.json"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    assert all(name in result.stdout for name in names)
    table = read_annotations(tmp_path / "out" / "clip.tracks.json")
    assert table.tracks.tolist() == [1] * 10
    np.testing.assert_allclose(table.boxes[3], [11, 10, 30, 20], atol=2)


def test_options_reach_the_pipeline(
    clip: Path, tmp_path: Path, asked_for: list[tuple[Any, ...]]
) -> None:
    arguments = ["--no-video", "--export", "mot, coco", "--pose", "res50", "--device", "cpu"]
    result = track(clip, "-o", tmp_path / "out", "--smooth", "--flip-test", *arguments)
    assert result.exit_code == 0
    names = {"clip.csv", "clip.tracks.json", "clip.mot.txt", "clip.results.json"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    assert ("res50", None, "cpu", "auto") in asked_for
    assert ("lite", None, "cpu", "auto") in asked_for


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.mp4", "-o", "out"], "Error: no.mp4: no such file or folder"),
        (["text.mp4", "-o", "out"], "Error: text.mp4: is not a video that can be read"),
        (["clip.mp4", "-o", "text.mp4"], "Error: text.mp4: results cannot be written here"),
        (["clip.mp4", "-o", "out", "--export", "dlx"], "did you mean dlc?"),
        (["clip.mp4", "-o", "out", "--boxes", "no.csv"], "Error: no.csv: cannot be read"),
        (["clip.mp4", "-o", "out", "--tracker", "vittrack_b"], "so give --boxes too"),
    ],
)
def test_bad_input_is_one_sentence_and_code_2(
    arguments: list[str], said: str, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    Path("text.mp4").write_text("hello")
    result = track(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert Path("text.mp4").read_text() == "hello"


def test_the_worst_video_gives_the_exit_code(clip: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    content = clip.read_bytes()
    cut.write_bytes(content[: len(content) * 3 // 4])
    result = track("no.mp4", cut, clip, "-o", tmp_path / "out")
    assert result.exit_code == 3
    assert "breaks at frame" in result.stderr
    assert "no.mp4: no such file" in result.stderr
    assert "1 animal in 10 frames" in result.stdout


def test_an_output_folder_has_to_be_given(clip: Path) -> None:
    result = track(clip)
    assert result.exit_code == 2
    assert "--output" in result.stderr
