"""Names of mmpose <-> ours."""

from __future__ import annotations

import pytest
import torch

from aptv2.models import registry
from aptv2.models.registry import build
from aptv2.weights.mmpose import from_mmpose, to_mmpose

PAPER = [each.name for each in registry.specs().values() if each.tasks == ("pose",)]


@pytest.mark.parametrize("name", PAPER)
def test_there_and_back(name: str) -> None:
    with torch.device("meta"):
        state = build(name).state_dict()
    theirs = to_mmpose(state)
    assert {key.split(".")[0] for key in theirs} == {"backbone", "keypoint_head"}
    assert from_mmpose(theirs).keys() == state.keys()
    assert len(theirs) == len(state)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("backbone.layer1.0.conv1.weight", "backbone.layer1.0.conv1.weight"),
        ("module.backbone.conv1.weight", "backbone.conv1.weight"),
        ("keypoint_head.deconv_layers.0.weight", "head.deconv_layers.0.weight"),
        ("head.final_layer.bias", "head.final_layer.bias"),
        ("backbone.last_norm.bias", "backbone.norm.bias"),
        ("backbone.blocks.3.attn.qkv.bias", "backbone.blocks.3.attn.qkv.bias"),
        (
            "backbone.stage2.0.branches.1.0.attn.attn.qkv.bias",
            "backbone.stage2.0.branches.1.0.attn.qkv.bias",
        ),
        ("backbone.blocks.3.mlp.experts.2.bias", "backbone.blocks.3.mlp.experts.2.bias"),
        ("associate_keypoint_heads.0.final_layer.bias", "associate_heads.0.final_layer.bias"),
        # mmpose 1.x
        ("backbone.layers.3.ln1.weight", "backbone.blocks.3.norm1.weight"),
        ("backbone.layers.3.ln2.weight", "backbone.blocks.3.norm2.weight"),
        ("backbone.layers.3.attn.qkv.weight", "backbone.blocks.3.attn.qkv.weight"),
        ("backbone.layers.3.ffn.layers.0.0.bias", "backbone.blocks.3.mlp.fc1.bias"),
        ("backbone.layers.3.ffn.layers.1.bias", "backbone.blocks.3.mlp.fc2.bias"),
        ("backbone.ln1.bias", "backbone.norm.bias"),
        ("backbone.patch_embed.projection.bias", "backbone.patch_embed.proj.bias"),
        ("something.else", "something.else"),
    ],
)
def test_names(theirs: str, ours: str) -> None:
    assert list(from_mmpose({theirs: torch.zeros(1)})) == [ours]


@pytest.mark.parametrize("name", ["data_preprocessor.mean", "backbone.cls_token"])
def test_what_is_no_part_of_the_network_is_left_out(name: str) -> None:
    assert from_mmpose({name: torch.zeros(1)}) == {}
    assert from_mmpose({f"module.{name}": torch.zeros(1)}) == {}


def test_positions_without_a_class_token_get_one_that_changes_nothing() -> None:
    positions = torch.randn(1, 12, 4)
    tensors = {"backbone.pos_embed": positions, "backbone.ln1.weight": torch.ones(4)}
    found = from_mmpose(tensors)["backbone.pos_embed"]
    torch.testing.assert_close(found[:, 1:] + found[:, :1], positions)
    assert from_mmpose({"backbone.pos_embed": positions})["backbone.pos_embed"].shape == (1, 12, 4)
