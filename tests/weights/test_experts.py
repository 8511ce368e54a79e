"""Choosing a network of a ViTPose++."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from aptv2.errors import InputError
from aptv2.weights.experts import EXPERTS, has_experts, select_expert

WIDTH, HIDDEN, PART = 8, 12, 2


@pytest.fixture
def checkpoint() -> dict[str, Tensor]:
    """A ViTPose++ with two blocks, all experts and all heads."""
    tensors = {"backbone.norm.weight": torch.ones(WIDTH)}
    for block in (f"backbone.blocks.{number}" for number in range(2)):
        tensors[f"{block}.norm2.weight"] = torch.ones(WIDTH)
        tensors[f"{block}.mlp.fc2.weight"] = torch.randn(WIDTH - PART, HIDDEN)
        tensors[f"{block}.mlp.fc2.bias"] = torch.randn(WIDTH - PART)
        for number in range(len(EXPERTS)):
            tensors[f"{block}.mlp.experts.{number}.weight"] = torch.randn(PART, HIDDEN)
            tensors[f"{block}.mlp.experts.{number}.bias"] = torch.randn(PART)
    for number, keypoints in enumerate(EXPERTS.values()):
        head = f"associate_heads.{number - 1}" if number else "head"
        tensors[f"{head}.final_layer.weight"] = torch.randn(keypoints, 4, 1, 1)
        tensors[f"{head}.final_layer.bias"] = torch.randn(keypoints)
    return tensors


def split(tensors: dict[str, Tensor], expert: str) -> dict[str, Tensor]:
    """What the official tool writes: fc2 is whole again, the experts are still there."""
    chosen = select_expert(tensors, expert)
    rest = {name: each for name, each in tensors.items() if ".experts." in name}
    return chosen | rest


@pytest.mark.parametrize("expert", EXPERTS)
def test_the_last_channels_and_the_head_are_the_experts(
    checkpoint: dict[str, Tensor], expert: str
) -> None:
    number = list(EXPERTS).index(expert)
    found = select_expert(checkpoint, expert)
    assert not has_experts(found)
    assert {name.split(".")[0] for name in found} == {"backbone", "head"}
    fc2 = found["backbone.blocks.1.mlp.fc2.weight"]
    assert fc2.shape == (WIDTH, HIDDEN)
    torch.testing.assert_close(fc2[:-PART], checkpoint["backbone.blocks.1.mlp.fc2.weight"])
    own = checkpoint[f"backbone.blocks.1.mlp.experts.{number}.weight"]
    torch.testing.assert_close(fc2[-PART:], own)
    head = f"associate_heads.{number - 1}" if number else "head"
    expected = checkpoint[f"{head}.final_layer.weight"]
    torch.testing.assert_close(found["head.final_layer.weight"], expected)


def test_the_only_head_stays(checkpoint: dict[str, Tensor]) -> None:
    one = {name: each for name, each in checkpoint.items() if not name.startswith("associate")}
    found = select_expert(one, "ap10k")
    torch.testing.assert_close(found["head.final_layer.bias"], one["head.final_layer.bias"])


def test_an_expert_must_be_chosen(checkpoint: dict[str, Tensor]) -> None:
    with pytest.raises(InputError, match=r"choose one with --expert coco\|aic\|mpii\|ap10k"):
        select_expert(checkpoint, None)


def test_unknown_experts_are_refused(checkpoint: dict[str, Tensor]) -> None:
    with pytest.raises(InputError, match="expert 'ap36k': known are coco, aic"):
        select_expert(checkpoint, "ap36k")


def test_experts_that_some_blocks_lack_are_refused(checkpoint: dict[str, Tensor]) -> None:
    del checkpoint["backbone.blocks.1.mlp.experts.3.weight"]
    with pytest.raises(InputError, match="expert 'ap10k': not in every block"):
        select_expert(checkpoint, "ap10k")
    select_expert(checkpoint, "apt36k")


class TestSplitBefore:
    @pytest.mark.parametrize("expert", ["ap10k", None])
    def test_the_choice_is_found(self, checkpoint: dict[str, Tensor], expert: str | None) -> None:
        found = select_expert(split(checkpoint, "ap10k"), expert)
        expected = select_expert(checkpoint, "ap10k")
        assert found.keys() == expected.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor)

    def test_another_choice_is_refused(self, checkpoint: dict[str, Tensor]) -> None:
        with pytest.raises(InputError, match="this ViTPose\\+\\+ was split before, for"):
            select_expert(split(checkpoint, "ap10k"), "coco")


def test_a_plain_vitpose_stays_as_it_is(checkpoint: dict[str, Tensor]) -> None:
    plain = select_expert(checkpoint, "coco")
    heads = {"associate_heads.0.final_layer.bias": torch.zeros(14)}
    for tensors in (plain, plain | heads):
        assert select_expert(tensors, None).keys() == plain.keys()
