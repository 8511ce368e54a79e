"""Which scores are given: those that both sides hold enough for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.evaluation.all_scores import score_all
from aptv2.tables import Frames, PoseTable


@pytest.fixture
def truth() -> PoseTable:
    """One cat with keypoints in three frames."""
    keypoints = np.random.default_rng(0).uniform(0, 100, (3, 17, 3))
    keypoints[:, :, 2] = 2
    return PoseTable.make(
        Frames.make(clips=[1] * 3, indices=[0, 1, 2]),
        [0, 1, 2],
        boxes=[[0, 0, 100, 100]] * 3,
        keypoints=keypoints,
        tracks=[4] * 3,
        species=[1] * 3,
        categories={1: "cat"},
    )


def test_keypoints_alone(truth: PoseTable) -> None:
    scores = score_all(truth, replace(truth, tracks=np.full(3, -1)))
    assert scores.keys() == {"keypoints"}
    assert scores["keypoints"]["AP"] == pytest.approx(1)
    assert score_all(truth, truth[:0]).keys() == {"keypoints"}


def test_keypoints_and_tracks(truth: PoseTable) -> None:
    scores = score_all(truth, replace(truth, tracks=np.full(3, 9)))
    assert scores.keys() == {"keypoints", "tracking", "pose_tracking"}
    assert scores["pose_tracking"]["MOTA"] == 1


def test_boxes_alone(truth: PoseTable) -> None:
    bare = replace(truth, keypoints=np.zeros_like(truth.keypoints))
    other = replace(bare, tracks=np.full(3, 9))
    assert score_all(truth, other).keys() == {"tracking"}
    assert score_all(bare, other).keys() == {"tracking"}


def test_followed_from_the_first_box(truth: PoseTable) -> None:
    boxes = truth.boxes + np.float32([[0, 0, 0, 0], [50, 0, 0, 0], [50, 0, 0, 0]])
    followed = replace(truth, boxes=boxes)
    scores = score_all(truth, followed)
    assert scores["single_object"]["AO"] == pytest.approx(1 / 3)
    # A track that begins elsewhere was found, not given.
    assert "single_object" not in score_all(truth, replace(truth, boxes=boxes + np.float32(5)))
    assert "single_object" not in score_all(truth, followed[1:])


def test_nothing_in_common(truth: PoseTable) -> None:
    bare = replace(truth, keypoints=np.zeros_like(truth.keypoints))
    with pytest.raises(
        InputError, match="neither keypoints nor boxes with track numbers in common"
    ):
        score_all(bare, replace(truth, tracks=np.full(3, -1)))
