"""What training starts from: backbones of torchvision, timm, mmpretrain and MAE."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import timm
import torch
import torchvision
from torch import Tensor
from torch.nn import functional

from aptv2.errors import InputError
from aptv2.models.checkpoints import load_initial_weights
from aptv2.models.pose.heatmap import HeatmapPose
from aptv2.models.registry import build
from aptv2.weights.backbones import backbone_parts, from_bare_backbone, resize_positions

Saved = Callable[..., Path]


@pytest.fixture(scope="module")
def res50() -> HeatmapPose:
    return build("res50")


def without_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"backbone.{n}": t for n, t in state.items() if not n.startswith("fc.")}


@pytest.mark.parametrize("layout", ["torchvision", "timm", "mmpretrain", "before 2018"])
def test_resnet(res50: HeatmapPose, saved: Saved, layout: str) -> None:
    """All four are one network; the oldest files do not count batches."""
    torch.manual_seed(3)
    source = torchvision.models.resnet50() if layout != "timm" else timm.create_model("resnet50")
    state = source.state_dict()
    expected = without_head(state)
    if layout == "mmpretrain":
        names = {n: f"head.{n}" if n.startswith("fc.") else f"backbone.{n}" for n in state}
        state = {"state_dict": {names[n]: t for n, t in state.items()}}
    if layout == "before 2018":
        state = {n: t for n, t in state.items() if not n.endswith("num_batches_tracked")}
    head = {n: t.clone() for n, t in res50.state_dict().items() if n.startswith("head.")}
    load_initial_weights(res50, "res50", saved(state))
    found = res50.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    assert all(torch.equal(found[name], tensor) for name, tensor in head.items())
    assert found.keys() == expected.keys() | head.keys()


def test_hrnet_for_classification_has_more_than_the_pose_network(
    official: Callable[[str], dict[str, Tensor]],
) -> None:
    with torch.device("meta"):
        state = timm.create_model("hrnet_w32").state_dict()
    taken = backbone_parts(from_bare_backbone(state))
    wanted = {n for n in official("hrnet_w32") if n.startswith("backbone.")}
    assert {name.replace("backbone.", "backbone.", 1) for name in taken} == wanted


def test_vit_of_mae(blank: HeatmapPose, saved: Saved) -> None:
    """The encoder goes in, its positions for another grid; the head and last norm do not."""
    torch.manual_seed(1)
    source = timm.create_model(
        "vit_small_patch16_224", num_classes=0, embed_dim=384, num_heads=12
    ).state_dict()
    decoder = {"mask_token": torch.ones(1, 1, 512), "decoder_blocks.0.norm1.bias": torch.ones(512)}
    load_initial_weights(blank, "vitpose_s", saved({"model": source | decoder}))
    found = blank.state_dict()
    for name, tensor in source.items():
        if name.startswith(("blocks.", "patch_embed.")):
            assert torch.equal(found[f"backbone.{name}"], tensor)
    grid = source["pos_embed"][:, 1:].reshape(1, 14, 14, 384).permute(0, 3, 1, 2)
    resized = functional.interpolate(grid, (16, 12), mode="bicubic", align_corners=False)
    assert torch.equal(found["backbone.pos_embed"][0, 1:], resized.flatten(2)[0].T)
    assert torch.equal(found["backbone.pos_embed"][:, 0], source["pos_embed"][:, 0])
    assert not found["backbone.norm.weight"].any()
    assert not found["head.final_layer.weight"].any()


def test_a_block_that_is_missing_is_named(res50: HeatmapPose, saved: Saved) -> None:
    state = torchvision.models.resnet50().state_dict()
    del state["layer2.1.conv2.weight"]
    with pytest.raises(InputError, match=r"1 missing \(backbone\.layer2\.1\.conv2\.weight\)$"):
        load_initial_weights(res50, "res50", saved(state))


def test_positions_of_the_wanted_grid_stay() -> None:
    positions = torch.randn(1, 193, 8)
    assert resize_positions(positions, (16, 12)) is positions


@pytest.mark.parametrize("shape", [(1, 191, 8), (1, 0, 8), (8,), ()])
def test_positions_of_no_square_grid(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="are of no square grid"):
        resize_positions(torch.zeros(shape), (16, 12))


@pytest.mark.parametrize("token", [True, False])
def test_positions_of_a_grid_of_the_same_size_keep_their_values(token: bool) -> None:
    positions = torch.randn(1, 49 + token, 8)
    resized = resize_positions(positions, (7, 7))
    torch.testing.assert_close(resized[:, 1:], positions[:, int(token) :], rtol=0, atol=1e-6)
    assert torch.equal(resized[:, :1], positions[:, :1] if token else torch.zeros(1, 1, 8))
