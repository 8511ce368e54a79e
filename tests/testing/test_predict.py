"""Poses of annotated images are those of single frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aptv2 import crops
from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.images import read_image
from aptv2.models import load_pose_model
from aptv2.models.pose.base import PoseModel
from aptv2.tables import PoseTable
from aptv2.testing.predict import predict_poses
from aptv2.testing.resumable import predict_in_chunks


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return load_pose_model("lite", device="cpu")


@pytest.fixture
def animals(small_release: Path) -> PoseTable:
    """The 40 animals of 10 clips, in no order."""
    table = read_annotations(small_release / "annotations" / "val_annotations.json")
    return table[np.random.default_rng(0).permutation(len(table))]


def assert_same(found: PoseTable, expected: PoseTable) -> None:
    for name in ("frame", "boxes", "keypoints", "scores", "areas", "species", "ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


def test_poses_are_those_of_single_frames(model: PoseModel, animals: PoseTable) -> None:
    table = replace(animals, scores=np.linspace(0.1, 1, len(animals), dtype=np.float32))
    found = predict_poses(model, table, flip=True)
    for row in (0, 17, len(table) - 1):
        assert table.root is not None
        image = read_image(table.root / table.frames.names[table.frame[row]])
        alone = model.predict(image, table.boxes[row : row + 1], flip=True)[0]
        np.testing.assert_allclose(found.keypoints[row], alone, atol=1e-3)
        score = alone[:, 2].mean() * table.scores[row]
        assert found.scores[row] == pytest.approx(score, rel=1e-4)
    _, extents = crops.crop_frames(table.boxes, model.input_size)
    np.testing.assert_allclose(found.areas, extents.prod(axis=1), rtol=1e-5)


def test_the_area_is_the_crops_in_the_other_convention(animals: PoseTable) -> None:
    model = load_pose_model("res50", "random", "cpu")
    found = predict_poses(model, animals[:2])
    boxes = [
        crops.clean_boxes(animals.boxes[row], tuple(animals.frames.sizes[animals.frame[row]][::-1]))
        for row in range(2)
    ]
    _, extents = crops.crop_frames(np.concatenate(boxes), model.input_size)
    np.testing.assert_allclose(found.areas, extents.prod(axis=1), rtol=1e-5)


def test_no_animal(model: PoseModel, animals: PoseTable, tmp_path: Path) -> None:
    assert len(predict_poses(model, animals[:0])) == 0
    assert len(predict_in_chunks(model, animals[:0], tmp_path / "chunks")) == 0


def test_a_missing_image(model: PoseModel, animals: PoseTable, tmp_path: Path) -> None:
    name = animals.frames.names[animals.frame[3]]
    assert animals.root is not None
    (animals.root / name).unlink()
    with pytest.raises(InputError, match=name):
        predict_poses(model, animals)
    with pytest.raises(InputError, match=name):
        predict_in_chunks(model, animals, tmp_path / "chunks")
