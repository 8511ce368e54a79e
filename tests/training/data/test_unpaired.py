"""Keypoints whose left and right are not known: nothing is mirrored, and a sentence says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from aptv2.codecs import UDP
from aptv2.export import write_coco
from aptv2.models.pose.base import PoseModel
from aptv2.skeleton import Skeleton
from aptv2.tables import Frames, PoseTable
from aptv2.training.data.sources import Sources
from aptv2.training.recipes import Data, Recipe, Stage, Task

UNKNOWN = Skeleton(tuple(f"p{number}" for number in range(17)))
KNOWN = replace(UNKNOWN, pairs=((0, 1),))


def test_flip_tests_look_once() -> None:
    class Counting(PoseModel):
        calls = 0

        def forward(self, images: Tensor) -> Tensor:
            self.calls += 1
            return images[:, :1, ::4, ::4].expand(-1, 17, -1, -1)

    images = torch.rand(1, 3, 64, 64)
    for skeleton, calls in ((UNKNOWN, 1), (KNOWN, 2)):
        model = Counting((64, 64), skeleton, UDP)
        heatmaps = model.forward_flip(images)
        assert model.calls == calls
        assert torch.equal(heatmaps, model(images)) is (calls == 1)


def test_labels_of_a_video_are_learnt_from_and_the_sentence_names_the_keypoints(
    make_clip: Callable[..., Path], tmp_path: Path
) -> None:
    """No folder of images has to be made first."""
    table = PoseTable.make(
        Frames.make(indices=[2, 5], sizes=[[64, 48]] * 2),
        [0, 1],
        keypoints=np.tile([[10, 12, 2], [40, 30, 2]], (2, 1, 1)),
        skeleton=Skeleton(("pawA", "pawB")),
        root=make_clip("clip.mp4", 8),
    )
    write_coco(table, tmp_path / "labels.json")
    data = Data(pose_train="labels.json", pose_val="labels.json")
    stage = Stage(name="one", epochs=1, tasks={"pose": Task()})
    sources = Sources(Recipe(model="res50", data=data, stages=[stage]), tmp_path)
    with pytest.warns(UserWarning, match="left and right are not known of pawA, pawB, so no"):
        assert len(sources.skeleton) == 2
    learnt, images = sources.poses
    assert len(learnt) == 2
    assert images[1].shape == (48, 64, 3)
