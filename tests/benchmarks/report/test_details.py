from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from aptv2.benchmarks.report.details import write_details
from aptv2.tables import Frames, PoseTable


@pytest.fixture
def walk(tmp_path: Path) -> PoseTable:
    """Three clips of three frames with one animal, and one clip of a single frame."""
    clips = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 3])
    names = [f"data/v{clip}/{number}.png" for number, clip in enumerate(clips)]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((90, 120, 3), 90, np.uint8))
    keypoints = np.full((len(clips), 17, 3), 2.0)
    keypoints[:, :, :2] = np.random.default_rng(0).uniform(20, 70, (len(clips), 17, 2))
    return PoseTable.make(
        Frames.make(names=names, clips=clips, indices=np.arange(len(clips))),
        np.arange(len(clips)),
        boxes=np.tile([20, 20, 50, 50], (len(clips), 1)),
        keypoints=keypoints,
        tracks=np.ones(len(clips)),
        species=np.ones(len(clips)),
        categories={1: "dog"},
        root=tmp_path,
    )


def _found(truth: PoseTable) -> PoseTable:
    """Poses that are off by as many pixels as the clip's number."""
    keypoints = truth.keypoints.copy()
    keypoints[:, :, 0] += truth.frames.clips[truth.frame][:, None]
    keypoints[:, :, 2] = 1
    return replace(
        truth, keypoints=keypoints, scores=np.ones(len(truth)), boxes=truth.boxes * np.nan
    )


def test_the_best_and_the_worst_clip_become_videos(walk: PoseTable, tmp_path: Path) -> None:
    write_details(walk, _found(walk), tmp_path / "details")
    details = json.loads((tmp_path / "details" / "details.json").read_text())
    clips = details["clips"]
    assert [(clip["place"], clip["best"]) for clip in clips] == [
        ("data/v0", True),
        ("data/v1", True),
        ("data/v2", False),
    ]
    assert clips[0]["similarity"] == 1
    assert clips[0]["similarity"] > clips[1]["similarity"] > clips[2]["similarity"] > 0
    assert details["no_clips"] == ""
    for clip in clips:
        with av.open(str(tmp_path / "details" / "clips" / clip["file"])) as video:
            frames = list(video.decode(video=0))
        assert len(frames) == clip["frames"] == 3
        assert (frames[0].width, frames[0].height) == (clip["width"], clip["height"]) == (580, 216)
    assert set(details["keypoints"]) == {"all", "dog"}
    assert [row[2] for row in details["over_time"][:3]] == [4, 3, 3]
    assert len(details["curves"]["mean"]) == 101


def test_frames_without_a_labelled_keypoint_are_left_out(walk: PoseTable, tmp_path: Path) -> None:
    walk.keypoints[1, :, 2] = 0
    write_details(walk, _found(walk), tmp_path / "details")
    details = json.loads((tmp_path / "details" / "details.json").read_text())
    assert {clip["place"]: clip["frames"] for clip in details["clips"]}["data/v0"] == 2


def test_without_images_there_are_numbers_and_a_reason(walk: PoseTable, tmp_path: Path) -> None:
    moved = replace(walk, root=tmp_path / "elsewhere")
    write_details(moved, _found(moved), tmp_path / "details")
    details = json.loads((tmp_path / "details" / "details.json").read_text())
    assert details["clips"] == []
    assert "0.png" in details["no_clips"]
    assert details["keypoints"]["all"]["nose"] > 0.5


def test_single_frames_are_no_clips(walk: PoseTable, tmp_path: Path) -> None:
    alone = replace(walk, frames=Frames.make(len(walk)))
    write_details(alone, _found(alone), tmp_path / "details")
    details = json.loads((tmp_path / "details" / "details.json").read_text())
    assert details["no_clips"] == "No clip has two annotated frames."
    assert details["over_time"] == []
