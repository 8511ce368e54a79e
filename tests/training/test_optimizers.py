"""Parameter groups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from aptv2.models.registry import build
from aptv2.training.optimizers import layer_decay_groups
from aptv2.weights.mmpose import mmpose_name


def test_the_groups_are_the_references(reference: Path) -> None:
    text = (reference / "layer_decay.json").read_text()
    expected = json.loads(text)["vit_base"]["groups"]
    with torch.device("meta"):
        model = build("vitpose_b")
    groups = layer_decay_groups(model, rate=5e-4, weight_decay=0.0, layer_decay=0.9)
    found = [
        {
            "group": group["name"],
            "lr": pytest.approx(group["lr"], rel=1e-12),
            "lr_scale": pytest.approx(group["lr_scale"], rel=1e-12),
            "weight_decay": group["weight_decay"],
            "n": len(group["params"]),
            "names": [mmpose_name(name) for name in group["names"]],
        }
        for group in groups
    ]
    assert expected == found


def test_an_optimizer_takes_them_and_frozen_parameters_are_left_out() -> None:
    with torch.device("meta"):
        model = build("vitpose_s")
    model.backbone.patch_embed.requires_grad_(False)
    groups = layer_decay_groups(model, rate=1e-3, weight_decay=0.1, layer_decay=0.5)
    count = sum(len(group["params"]) for group in torch.optim.AdamW(groups).param_groups)
    assert count == sum(each.requires_grad for each in model.parameters())
    by_name = {group["name"]: group for group in groups}
    assert by_name["layer_0_no_decay"]["names"] == ["backbone.pos_embed"]
    assert "layer_0_decay" not in by_name
    assert by_name["layer_13_decay"]["weight_decay"] == 0.1
    assert by_name["layer_12_no_decay"]["weight_decay"] == 0.0
    assert by_name["layer_12_decay"]["lr"] == pytest.approx(5e-4)


def test_other_backbones_are_refused() -> None:
    with torch.device("meta"):
        model = build("res50")
    with pytest.raises(ValueError, match="whose backbone is a ViT"):
        layer_decay_groups(model, 1e-3, 0.0, 0.9)
