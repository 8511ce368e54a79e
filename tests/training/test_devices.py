"""Training on several devices gives what one device gives."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.models.networks.lite import EMBEDDED
from aptv2.training import Recipe
from aptv2.training.data.loaders import BatchOrder, Place, stage_data
from aptv2.training.data.sources import Sources
from aptv2.training.report import Curves, read_curves

# A ViT with resting batch norms: no number hangs on which pictures share a device.
CONTENT: dict[str, Any] = {
    "model": {"name": "vitpose_s", "drop_path": 0.1, "frozen_norms": True},
    "init": "random",
    "precision": "32-true",
    "workers": 0,
    "data": {"pose_train": "train.json", "pose_val": "val.json"},
    "stages": [
        {
            "name": "pose",
            "epochs": 12,
            "backbone_lr": 5e-4,
            "head_lr": 5e-4,
            "warmup": 4,
            "gradient_clip_norm": None,
            "ema_decay": None,
            "validate_every": 4,
            "tasks": {"pose": {"batch": 12, "size": 64}},
            "augmentation": {"rotation": 0, "scale": 1.05, "erase": 0, "blur": 0, "half_body": 0},
        }
    ],
}

SCRIPT = """
import json, sys
from pathlib import Path
import torch
from aptv2.training import Recipe
from aptv2.training.trainer import train

torch.set_num_threads(1)
recipe, data, output, devices = json.loads(sys.argv[1])
train(Recipe.model_validate(recipe), Path(data), Path(output), devices=devices)
"""


def run(content: dict[str, Any], data: Path, folder: Path, devices: int) -> Curves:
    """The curves of a run in processes of its own."""
    script, output = folder / "script.py", folder / str(devices)
    script.write_text(SCRIPT)
    arguments = json.dumps([content, str(data), str(output), devices])
    command = [sys.executable, "-W", "ignore", str(script), arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    return read_curves(output / "0-pose")


@pytest.mark.slow
def test_two_processes_give_the_ap_of_one(photographs: Path, tmp_path: Path) -> None:
    """Each poses some of the clips; the trained network makes that a number to compare."""
    content = json.loads(json.dumps(CONTENT))
    stage = {"epochs": 1, "backbone_lr": 0, "head_lr": 1e-9, "validate_every": 1}
    content |= {"model": {"name": "lite", "frozen_norms": True}, "init": str(EMBEDDED)}
    content["stages"][0] |= stage | {"tasks": {"pose": {"batch": 12, "size": 256}}}
    one, two = (run(content, photographs, tmp_path, devices)["AP/all"] for devices in (1, 2))
    assert one[0][1] > 0.2
    np.testing.assert_allclose(two, one, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("drop_path", "per_device"),
    [(0.0, None), (0.2, 6)],
    ids=["twice the batch", "the same parts with drop path"],
)
def test_two_processes_are_one_with_twice_the_batch(
    data: Path, tmp_path: Path, drop_path: float, per_device: int | None
) -> None:
    content = json.loads(json.dumps(CONTENT))
    content["model"]["drop_path"] = drop_path
    content["stages"][0]["tasks"]["pose"]["per_device"] = per_device
    curves = [run(content, data, tmp_path, devices) for devices in (1, 2)]
    one, two = (np.array(curve["loss/pose"]) for curve in curves)
    assert len(one) == len(two) == 12
    np.testing.assert_allclose(two, one, rtol=1e-4)
    assert one[-1, 1] < 0.95 * one[0, 1]  # it learnt
    assert len(curves[0]["AP/all"]) == 3
    assert curves[0]["AP/all"] == curves[1]["AP/all"]


class TestOrder:
    def test_devices_share_a_batch(self) -> None:
        clips = np.arange(50) // 5
        whole = BatchOrder(clips, 12, seed=3)
        parts = [BatchOrder(clips, 12, 3, Place(rank, 3)) for rank in range(3)]
        for order in (whole, *parts):
            order.set_epoch(2)
        of_one = np.array(list(whole)).reshape(4, 12, 2)
        of_three = [np.array(list(part)).reshape(4, 4, 2) for part in parts]
        np.testing.assert_array_equal(np.concatenate(of_three, axis=1), of_one)
        assert [len(part) for part in parts] == [16, 16, 16]

    def test_a_batchs_clips_are_not_torn(self) -> None:
        clips = np.arange(64) // 8
        rows = np.array(list(BatchOrder(clips, 32, seed=0)))[:, 1].reshape(2, 32)
        assert (np.diff(clips[rows], axis=1) >= 0).all()

    def test_every_index_once_an_epoch_in_an_order_of_its_own(self) -> None:
        def order(seed: int, epoch: int) -> list[int]:
            made = BatchOrder(np.zeros(20, int), 1, seed)
            made.set_epoch(epoch)
            keys = list(made)
            assert {found for found, _ in keys} == {epoch}
            return [index for _, index in keys]

        assert sorted(order(1, 5)) == list(range(20))
        assert order(1, 5) == order(1, 5)
        assert len({tuple(order(*key)) for key in [(1, 0), (1, 1), (2, 0), (2, 1)]}) == 4

    def test_it_goes_on_where_it_stopped_and_only_there(self) -> None:
        order = BatchOrder(np.zeros(20, int), 4, seed=1)
        order.set_epoch(5)
        whole = list(order)
        order.start_at(5, 8)
        assert list(order) == whole[8:]
        order.set_epoch(6)
        assert len(list(order)) == 20


class TestParts:
    """A step's batch is the recipe's on any number of devices."""

    def data(self, root: Path, devices: int, **task: int) -> Any:
        recipe = Recipe.model_validate(CONTENT)
        settings = recipe.stages[0].tasks["pose"].model_copy(update=task)
        stage = recipe.stages[0].model_copy(update={"tasks": {"pose": settings}})
        recipe = recipe.model_copy(update={"stages": [stage]})
        return stage_data(recipe, 0, Sources(recipe, root), Place(0, devices))

    @pytest.mark.parametrize(
        ("devices", "per_device", "part", "parts"),
        [(1, None, 12, 1), (1, 4, 4, 3), (1, 5, 4, 3), (2, 4, 3, 2), (3, 4, 4, 1), (12, 4, 1, 1)],
    )
    def test_the_fewest_that_fit(
        self, data: Path, devices: int, per_device: int | None, part: int, parts: int
    ) -> None:
        found = self.data(data, devices, per_device=per_device)
        assert (found.loaders["pose"].batch_size, found.accumulate) == (part, parts)
        assert found.epoch_steps == 1

    def test_what_does_not_fit_is_refused_with_what_would(self, data: Path) -> None:
        with pytest.raises(InputError, match=r"batch: 12 cannot be shared by 5 devices; 10 or 15"):
            self.data(data, 5)
        with pytest.raises(InputError, match=r"batch: 13 is more than the 12 .* at most 12 fit"):
            self.data(data, 1, batch=13)
