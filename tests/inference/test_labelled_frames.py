"""Corrected tracks of a video -> images to train on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.export import write
from aptv2.images import read_image
from aptv2.inference.labelled_frames import write_labelled_frames
from aptv2.tables import Frames, PoseTable


@pytest.fixture
def labels(make_clip: Callable[..., Path]) -> PoseTable:
    """A person's keypoints in frames 3 and 7 of a video of 12."""
    keypoints = np.zeros((2, 17, 3))
    keypoints[:, :4] = [[10, 11, 2], [20, 21, 2], [30, 12, 1], [12, 31, 2]]
    return PoseTable.make(
        Frames.make(indices=[3, 5, 7], sizes=[[64, 48]] * 3),
        [0, 2],
        keypoints=keypoints,
        tracks=[1, 1],
        root=make_clip("clip.mp4", 12),
    )


def test_only_labelled_frames_are_written(
    labels: PoseTable, tmp_path: Path, frame_number: Callable[[np.ndarray], int]
) -> None:
    assert write_labelled_frames(labels, tmp_path / "out") == 2
    found = read_annotations(tmp_path / "out")
    assert found.frames.names.tolist() == ["clip_000003.png", "clip_000007.png"]
    assert found.root is not None
    numbers = [frame_number(read_image(found.root / name)) for name in found.frames.names]
    assert numbers == [3, 7]
    np.testing.assert_array_equal(found.keypoints, labels.keypoints)


def test_tracks_corrected_in_sleap_become_a_data_set(labels: PoseTable, tmp_path: Path) -> None:
    pytest.importorskip("sleap_io", reason="needs sleap-io")
    path = write(labels, "slp", tmp_path / "elsewhere", "corrected")
    command = ["data", "frames", str(path), "-o", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    assert "--video" in refused.stderr
    done = CliRunner().invoke(app, [*command, "--video", str(labels.root)])
    assert done.exit_code == 0, done.output
    np.testing.assert_array_equal(read_annotations(tmp_path / "out").keypoints, labels.keypoints)


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (Frames.make(indices=[3, 5, 40]), "ends before the labelled frame 40"),
        (Frames.make(indices=[3, 5, 7], sizes=[[32, 32]] * 3), "its labels are of 32x32"),
        (Frames.make(indices=[3, 5, 3]), "name no frames, or one twice"),
        (Frames.make(names=["a.png", "b.png", "c.png"]), "are images already"),
        (Frames.make(indices=[3, 5, 7], clips=[1, 1, 2]), "give the one with --video"),
    ],
)
def test_what_does_not_fit_leaves_nothing(
    labels: PoseTable, tmp_path: Path, frames: Frames, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        write_labelled_frames(replace(labels, frames=frames), tmp_path / "out")
    assert not (tmp_path / "out").exists()
