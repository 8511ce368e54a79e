"""What the README says of following and of animals that meet, on real animals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes import pasted_scenes, write
from track_many import without_ignored
from track_single import Lite, follow, tasks

import aptv2
from aptv2.evaluation import score_single_object

pytestmark = pytest.mark.slow


def test_twins_that_pass_keep_their_numbers(shared: Path, tmp_path: Path) -> None:
    """The same camel twice, once mirrored: only motion and pose tell them apart."""
    scenes = (scene for scene in pasted_scenes(shared / "data") if scene.name.startswith("twins"))
    scene = next(scenes)
    found = aptv2.track_video(write(scene, tmp_path))
    scores = aptv2.score_tracking(scene.truth, without_ignored(found, scene))
    assert scores["IDF1"] > 0.9


def test_one_animal_is_followed_from_its_first_box(shared: Path) -> None:
    """NanoTrack v2 reaches 0.721 and 0.858; the figures here are 0.02 under the README's."""
    tracker, found = Lite(None), {}
    for task in tasks(shared / "data"):
        if task.group == "validation":
            boxes, _ = follow(tracker, task)
            hidden = np.isnan(task.boxes[:, 0])
            found[task.name] = score_single_object(task.boxes, boxes, hidden)["AO"]
        if len(found) == 2:
            break
    assert found["camel"] > 0.79
    assert found["cows"] > 0.858


def test_what_is_no_animal_gets_no_number(shared: Path, tmp_path: Path) -> None:
    """A tyre beside horses: the network finds it, but no keypoints speak for it."""
    clip = shared / "data" / "clips" / "two_horses_and_tyre.mp4"
    found = aptv2.track_video(clip, tmp_path)
    assert (found.boxes[:, 3] > 60).all()  # the tyre is 30 px high, the horses above 200
    assert set(found.frames.indices[found.frame].tolist()) == set(range(200))
