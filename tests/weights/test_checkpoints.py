"""Checkpoints of other projects: every tensor has its place, and what does not fit is named."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aptv2.errors import InputError
from aptv2.models.checkpoints import load_initial_weights, load_trained_weights, read_checkpoint
from aptv2.models.pose.heatmap import HeatmapPose
from aptv2.models.registry import build
from aptv2.weights import write_weights
from aptv2.weights.experts import EXPERTS
from aptv2.weights.mmpose import from_mmpose, mmpose_name, to_mmpose

OFFICIAL = {
    "res50": "res50",
    "res101": "res101",
    "hrnet_w32": "hrnet_w32",
    "hrnet_w48": "hrnet_w48",
    "hrformer_small": "hrformer_s",
    "hrformer_base": "hrformer_b",
    "vit_base": "vitpose_b",
    "vit_large": "vitpose_l",
}
Hollow = Callable[..., dict[str, Tensor]]
Official = Callable[[str], dict[str, Tensor]]
Saved = Callable[..., Path]
Same = Callable[[dict[str, Tensor], dict[str, Tensor]], bool]


class HistoryBuffer:
    """A loss curve, as mmengine's."""


@contextmanager
def pickled_as(module: str, cls: type) -> Iterator[None]:
    """While this lasts, a class is one of a library that is not installed."""
    parts = module.split(".")
    names = [".".join(parts[: end + 1]) for end in range(len(parts))]
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setitem(sys.modules, name, ModuleType(name))
        setattr(sys.modules[module], cls.__name__, cls)
        patch.setattr(cls, "__module__", module)
        yield


@pytest.mark.parametrize("name_of_file", OFFICIAL)
def test_official_checkpoints_are_recognised_and_no_tensor_is_lost(
    official: Official, saved: Saved, name_of_file: str
) -> None:
    state = official(name_of_file)
    checkpoint = read_checkpoint(saved({"meta": {"epoch": 210}, "state_dict": state}))
    assert checkpoint.network == OFFICIAL[name_of_file]
    assert checkpoint.keypoints == 17
    assert {mmpose_name(name): t.shape for name, t in checkpoint.tensors.items()} == {
        name: t.shape for name, t in state.items()
    }


class TestShapesOfFiles:
    """The same network, as different programs save it."""

    def test_bare(self, mmpose_vitpose: dict, blank: HeatmapPose, vitpose: HeatmapPose,
                  saved: Saved, same: Same) -> None:  # fmt: skip
        load_trained_weights(blank, "vitpose_s", saved(mmpose_vitpose))
        assert same(blank.state_dict(), vitpose.state_dict())

    def test_mmpose_0(self, mmpose_vitpose: dict, blank: HeatmapPose, vitpose: HeatmapPose,
                      saved: Saved, same: Same) -> None:  # fmt: skip
        """Training scores are NumPy numbers, and the optimizer is there; both are left out."""
        content = {
            "meta": {"hook_msgs": {"best_score": np.float64(0.724)}, "curve": np.arange(3.0)},
            "state_dict": {**mmpose_vitpose, "ema_backbone_pos_embed": torch.ones(3)},
            "optimizer": {"state": {0: {"exp_avg": torch.ones(5)}}, "param_groups": []},
        }
        load_trained_weights(blank, "vitpose_s", saved(content))
        assert same(blank.state_dict(), vitpose.state_dict())

    def test_mmpose_1(self, mmpose_vitpose: dict, blank: HeatmapPose, vitpose: HeatmapPose,
                      saved: Saved, same: Same) -> None:  # fmt: skip
        """mmpretrain's names, no entry for a class token, and loss curves as objects."""
        renamed = {}
        for name, tensor in mmpose_vitpose.items():
            for old, new in (
                ("keypoint_head.", "head."),
                ("blocks.", "layers."),
                ("norm1.", "ln1."),
                ("norm2.", "ln2."),
                ("last_norm.", "ln1."),
                ("mlp.fc1.", "ffn.layers.0.0."),
                ("mlp.fc2.", "ffn.layers.1."),
                ("patch_embed.proj.", "patch_embed.projection."),
            ):
                name = name.replace(old, new)
            renamed[name] = tensor
        positions = renamed["backbone.pos_embed"]
        renamed["backbone.pos_embed"] = positions[:, 1:].clone()
        curve = HistoryBuffer()
        curve.history = np.arange(4.0)  # type: ignore[attr-defined]
        with pickled_as("mmengine.logging.history_buffer", HistoryBuffer):
            path = saved({"state_dict": renamed, "message_hub": {"loss": curve}, "meta": {}})

        load_trained_weights(blank, "vitpose_s", path)
        expected = dict(vitpose.state_dict())
        expected["backbone.pos_embed"] = torch.cat([torch.zeros(1, 1, 384), positions[:, 1:]], 1)
        assert same(blank.state_dict(), expected)

    @pytest.mark.parametrize("prefix", ["module.", "teacher.", "module.teacher."])
    def test_prefixes(self, mmpose_vitpose: dict, blank: HeatmapPose, vitpose: HeatmapPose,
                      saved: Saved, same: Same, prefix: str) -> None:  # fmt: skip
        load_trained_weights(
            blank, "vitpose_s", saved({f"{prefix}{n}": t for n, t in mmpose_vitpose.items()})
        )
        assert same(blank.state_dict(), vitpose.state_dict())

    def test_a_teacher_beside_the_network_is_left_out(
        self, mmpose_vitpose: dict, blank: HeatmapPose, vitpose: HeatmapPose, saved: Saved,
        same: Same
    ) -> None:  # fmt: skip
        teacher = {f"teacher.{n}": torch.zeros_like(t) for n, t in mmpose_vitpose.items()}
        load_trained_weights(blank, "vitpose_s", saved(mmpose_vitpose | teacher))
        assert same(blank.state_dict(), vitpose.state_dict())

    def test_a_student_and_a_teacher_are_too_many(self, official: Official, saved: Saved) -> None:
        state = official("res50")
        both = {f"{who}.{n}": t for who in ("teacher", "student") for n, t in state.items()}
        with pytest.raises(InputError, match="a teacher and a student"):
            read_checkpoint(saved(both))

    def test_our_own(self, blank: HeatmapPose, vitpose: HeatmapPose, tmp_path: Path,
                     same: Same) -> None:  # fmt: skip
        write_weights(tmp_path / "o.safetensors", vitpose.state_dict(), {"who": "we"}, exact=True)
        about = load_trained_weights(blank, "vitpose_s", tmp_path / "o.safetensors")
        assert about["who"] == "we"
        assert same(blank.state_dict(), vitpose.state_dict())

    def test_half_precision_becomes_single(
        self, mmpose_vitpose: dict, blank: HeatmapPose, vitpose: HeatmapPose, saved: Saved
    ) -> None:
        half = {n: t.half() if t.is_floating_point() else t for n, t in mmpose_vitpose.items()}
        load_trained_weights(blank, "vitpose_s", saved(half))
        weight = blank.state_dict()["head.final_layer.weight"]
        assert torch.equal(weight, vitpose.state_dict()["head.final_layer.weight"].half().float())


class TestExperts:
    PART = 96

    @pytest.fixture
    def plusplus(self, vitpose: HeatmapPose, hollow: Hollow) -> dict[str, Tensor]:
        """A ViTPose++ as the official one is: expert and head number K hold the number K."""
        shapes = {n: list(t.shape) for n, t in to_mmpose(vitpose.state_dict()).items()}
        state = {}
        for name, (first, *rest) in [(n, s or [0]) for n, s in shapes.items()]:
            if ".mlp.fc2." in name:
                shapes[name] = [first - self.PART, *rest]
                for number in range(6):
                    key = name.replace("fc2.", f"experts.{number}.")
                    state |= hollow({key: [self.PART, *rest]}, number)
            if name.startswith("keypoint_head."):
                for number, keypoints in enumerate(list(EXPERTS.values())[1:]):
                    key = name.replace("keypoint_head.", f"associate_keypoint_heads.{number}.")
                    shape = [keypoints, *rest] if "final" in name else shapes[name]
                    state |= hollow({key: shape}, number + 1)
        return hollow(shapes, 9) | state

    @pytest.mark.parametrize("number", range(6))
    def test_the_chosen_expert_and_its_head_are_taken(
        self, plusplus: dict, saved: Saved, number: int
    ) -> None:
        expert = list(EXPERTS)[number]
        checkpoint = read_checkpoint(saved({"state_dict": plusplus}), expert)
        assert checkpoint.keypoints == EXPERTS[expert]
        assert checkpoint.metadata["expert"] == expert
        for block in range(12):
            fc2 = checkpoint.tensors[f"backbone.blocks.{block}.mlp.fc2.weight"]
            assert fc2.shape == (384, 1536)
            assert (fc2[: -self.PART] == 9).all()
            assert (fc2[-self.PART :] == number).all()
        for name, tensor in checkpoint.tensors.items():
            if name.startswith("head."):
                assert (tensor == (number or 9)).all()
        assert not [name for name in checkpoint.tensors if "expert" in name or "associate" in name]

    def test_none_chosen(self, plusplus: dict, saved: Saved) -> None:
        with pytest.raises(InputError, match=r"net\.pth: .*--expert coco\|aic\|mpii\|ap10k"):
            read_checkpoint(saved(plusplus))

    def test_no_such(self, plusplus: dict, saved: Saved) -> None:
        with pytest.raises(InputError, match="expert 'ap-10k': known are coco, aic"):
            read_checkpoint(saved(plusplus), "ap-10k")

    def test_nothing_to_choose_from(self, official: Official, saved: Saved) -> None:
        with pytest.raises(InputError, match="no experts to choose 'ap10k' from"):
            read_checkpoint(saved(official("vit_base")), "ap10k")

    def test_a_block_without_experts(self, plusplus: dict, saved: Saved) -> None:
        for part in ("weight", "bias"):
            del plusplus[f"backbone.blocks.7.mlp.experts.3.{part}"]
        with pytest.raises(InputError, match="expert 'ap10k': not in every block"):
            read_checkpoint(saved(plusplus), "ap10k")

    def test_shapes_that_contradict_each_other(self, plusplus: dict, saved: Saved) -> None:
        plusplus["backbone.blocks.0.mlp.experts.3.weight"] = torch.zeros(96, 7)
        with pytest.raises(InputError, match=r"net\.pth: damaged: shapes of its tensors"):
            read_checkpoint(saved(plusplus), "ap10k")

    def test_keypoints_of_another_number(
        self, plusplus: dict, saved: Saved, blank: HeatmapPose
    ) -> None:
        with pytest.raises(InputError, match=r"net\.pth: predicts 14 keypoints, this network 17"):
            load_trained_weights(blank, "vitpose_s", saved(plusplus), expert="aic")


class TestMisfits:
    """One sentence each."""

    @pytest.fixture
    def network(self) -> nn.Module:
        """A tiny one: only what it lacks matters here."""
        network = nn.Module()
        network.head = nn.Module()
        network.head.final_layer = nn.Conv2d(4, 17, 1)
        return network

    def refusal(self, network: nn.Module, path: Path, name: str = "vitpose_b") -> str:
        with pytest.raises(InputError) as caught:
            load_trained_weights(network, name, path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_another_network(self, network: nn.Module, official: Official, saved: Saved) -> None:
        said = self.refusal(network, saved(official("hrnet_w32")))
        assert said.endswith("holds HRNet-w32, not ViTPose-B; load it as 'hrnet_w32'.")

    def test_20_keypoints(self, network: nn.Module, official: Official, saved: Saved) -> None:
        state = official("vit_base")
        state["keypoint_head.final_layer.weight"] = torch.zeros(20, 256, 1, 1)
        state["keypoint_head.final_layer.bias"] = torch.zeros(20)
        assert "predicts 20 keypoints, this network 17" in self.refusal(network, saved(state))

    def test_a_backbone_alone(self, network: nn.Module, saved: Saved) -> None:
        import torchvision

        state = torchvision.models.resnet50().state_dict()
        said = self.refusal(network, saved(state), "res50")
        assert "the backbone of SimpleBaseline Res-50 without a pose head" in said

    def test_own_names_are_known_without_metadata(self, official: Official, saved: Saved) -> None:
        """A state dict of this package is read as MMPose's are: no rule touches its names."""
        own = from_mmpose(official("vit_base"))
        found = read_checkpoint(saved(own))
        assert found.network == "vitpose_b"
        assert found.tensors.keys() == own.keys()

    @pytest.mark.parametrize(
        ("names", "said"),
        [
            (["backbone.blocks.0.attn.qkv.weight", "box_head.conv1.0.weight"], "OSTrack tracker"),
            (["backbone.layer1.0.conv1.weight", "rpn_head.rpn_conv.weight"], "of mmdetection"),
            (["backbone.stem.0.conv.weight", "head.cls_x.weight"], "an RTMPose network"),
            (["model.0.conv.weight", "model.1.conv.weight"], "a YOLO detector"),
            (["a.weight", "b.weight", "c.weight", "d.weight"], r"called a.weight, b.weight, c.w"),
            ([], "holds no tensors"),
        ],
    )
    def test_strangers(self, network: nn.Module, saved: Saved, names: list[str], said: str) -> None:
        path = saved({"state_dict": {name: torch.zeros(2, 2) for name in names}})
        assert said in self.refusal(network, path)

    def test_the_lite_network(self, network: nn.Module) -> None:
        from aptv2.models.networks.lite import EMBEDDED

        assert "the embedded lite network" in self.refusal(network, EMBEDDED)

    def test_a_size_that_the_paper_has_not(self, network: nn.Module, saved: Saved) -> None:
        import torchvision

        said = self.refusal(network, saved(torchvision.models.resnet18().state_dict()), "res50")
        assert "no network that is known here" in said

    def test_missing_and_unexpected_tensors_are_listed(
        self, mmpose_vitpose: dict, saved: Saved, blank: HeatmapPose
    ) -> None:
        del mmpose_vitpose["backbone.blocks.3.norm1.bias"]
        mmpose_vitpose["backbone.blocks.3.gamma"] = torch.ones(1)
        with pytest.raises(
            InputError,
            match=r"1 missing \(backbone\.blocks\.3\.norm1\.bias\) and 1 unexpected "
            r"\(backbone\.blocks\.3\.gamma\)$",
        ):
            load_trained_weights(blank, "vitpose_s", saved(mmpose_vitpose))

    def test_both_shapes_are_named(
        self, mmpose_vitpose: dict, saved: Saved, blank: HeatmapPose
    ) -> None:
        mmpose_vitpose["backbone.pos_embed"] = torch.zeros(1, 433, 384)
        with pytest.raises(
            InputError,
            match=r"backbone\.pos_embed has shape \(1, 433, 384\),.*wants \(1, 193, 384\)",
        ):
            load_trained_weights(blank, "vitpose_s", saved(mmpose_vitpose))


class TestStart:
    def test_a_pose_checkpoint_with_other_keypoints_keeps_the_last_layer(
        self, mmpose_vitpose: dict, saved: Saved, blank: HeatmapPose, vitpose: HeatmapPose
    ) -> None:
        mmpose_vitpose["keypoint_head.final_layer.weight"] = torch.ones(20, 256, 1, 1)
        mmpose_vitpose["keypoint_head.final_layer.bias"] = torch.ones(20)
        load_initial_weights(blank, "vitpose_s", saved(mmpose_vitpose))
        found, expected = blank.state_dict(), vitpose.state_dict()
        for name in found:
            last = name.startswith("head.final_layer.")
            assert torch.equal(found[name], expected[name]) != last
        assert not found["head.final_layer.weight"].any()

    def test_relative_positions_of_hrformer_are_left_out(
        self, official: Official, saved: Saved
    ) -> None:
        """mmpose's COCO weights have them, the paper's network has not."""
        network = build("hrformer_s")
        state = official("hrformer_small")
        key = "backbone.stage2.0.branches.0.0.attn.attn.relative_position_bias_table"
        path = saved({**state, key: torch.zeros(169, 1)})
        load_initial_weights(network, "hrformer_s", path)
        assert not any(t.any() for n, t in network.state_dict().items() if "qkv" in n)
        with pytest.raises(InputError, match=r"1 unexpected .*relative_position_bias_table"):
            load_trained_weights(network, "hrformer_s", path)

    def test_another_network(self, official: Official, saved: Saved) -> None:
        with pytest.raises(InputError, match="holds HRNet-w48, not HRNet-w32"):
            load_initial_weights(nn.Module(), "hrnet_w32", saved(official("hrnet_w48")))


def test_names_stand_for_what_was_fetched(blank: HeatmapPose) -> None:
    for source in ("vitpose_s-ap10k", "someone/vitpose"):
        with pytest.raises(InputError, match=f"{source}: no such file.*weights pull {source}"):
            load_trained_weights(blank, "vitpose_s", source)
