"""Our recipes beside the official configs, setting by setting, as the docs list them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from aptv2.models import registry
from aptv2.training import read_recipe
from aptv2.training.recipes import Recipe

ROOT = Path(__file__).parents[2]
NETWORKS = (
    *("res50", "res101", "hrnet_w32", "hrnet_w48"),
    *("hrformer_s", "hrformer_b", "vitpose_b", "vitpose_l"),
)
OFFICIAL: dict[tuple[str, str], Any] = {
    ("all", "epochs"): 210,
    ("all", "steps"): [170, 200],
    ("all", "warmup"): 500,
    ("all", "warmup_from"): 0.001,
    ("all", "per_device"): 32,
    ("all", "half_body"): 0.3,
    ("all", "half_body_upper"): 0.69,
    ("all", "flip"): 0.5,
    ("all", "gradient_clip_norm"): None,
    ("all", "sigma"): 2.0,
    ("all", "pose_val"): "hard",
    ("res50", "backbone_lr"): 1e-3,
    **{(name, "backbone_lr"): 5e-4 for name in NETWORKS[1:7]},
    **{(name, "optimizer"): "adam" for name in NETWORKS[:4]},
    **{(name, "optimizer"): "adamw" for name in NETWORKS[4:7]},
    ("hrformer_s", "weight_decay"): 0.01,
    ("hrformer_b", "weight_decay"): 0.01,
    ("vitpose_b", "weight_decay"): 0.0,
    ("hrformer_s", "drop_path"): 0.1,
    ("hrformer_b", "drop_path"): 0.2,
    ("vitpose_b", "drop_path"): 0.3,
    ("vitpose_b", "layer_decay"): 0.9,
}
"""What is known of the official configs, whatever the docs say."""


def rows() -> list[list[str]]:
    """Network, setting, official, ours and the reason: the rows of the table."""
    lines = (ROOT / "docs" / "official-configs.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    return cells[2:]


def setting(recipe: Recipe, key: str) -> Any:
    """The value of a setting, wherever in the recipe it stands."""
    (stage,) = recipe.stages
    for place in (
        stage,
        stage.tasks["pose"],
        stage.augmentation,
        recipe.model,
        recipe.data,
        recipe,
    ):
        if key in type(place).model_fields:
            value = getattr(place, key)
            return list(value) if isinstance(value, tuple) else value
    raise AssertionError(key)


@pytest.mark.parametrize(("network", "key", "official", "ours", "reason"), rows())
def test_a_row(network: str, key: str, official: str, ours: str, reason: str) -> None:
    """Ours is what the recipes say, official what is known, and a difference has its reason."""
    listed = {row[0] for row in rows() if row[1] == key}
    names = [name for name in NETWORKS if name not in listed] if network == "all" else [network]
    assert names
    for name in names:
        recipe = read_recipe(ROOT / "aptv2" / "recipes" / f"{name}.yaml")
        value = setting(recipe, key)
        if key == "sigma" and value is None:  # the network's own
            codec = registry.spec(name).codec
            assert codec is not None
            value = codec.sigma
        assert value == yaml.safe_load(ours), name
    if (network, key) in OFFICIAL:
        assert OFFICIAL[network, key] == yaml.safe_load(official)
    assert bool(reason) == (official != ours)


def test_all_that_is_known_is_listed() -> None:
    assert {(row[0], row[1]) for row in rows()} >= OFFICIAL.keys()


@pytest.mark.parametrize("name", NETWORKS)
def test_head_and_backbone_learn_at_one_rate(name: str) -> None:
    (stage,) = read_recipe(ROOT / "aptv2" / "recipes" / f"{name}.yaml").stages
    assert stage.head_lr == stage.backbone_lr
