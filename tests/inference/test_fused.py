"""Following with a ViTPoseTrack that reads the poses on the way."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.inference.pipeline import track_video
from aptv2.models import load_tracker

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
    assert table.joints.shape == (len(table), 17, 3)
    assert (table.frame[table.tracks == 2] >= 2).all()
    assert np.isfinite(table.joints).all()


def test_a_tracker_of_ones_own(two_animals: SimpleNamespace, boxes: Path) -> None:
    tracker = load_tracker("vitposetrack_s", "random", device="cpu", pose=True)
    table = track_video(two_animals.path, boxes=boxes, tracker=tracker, pose="fused")
    assert len(table)


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
