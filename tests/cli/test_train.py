"""`aptv2 train`: what it refuses; what a run does is tested with the trainer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from aptv2.cli.main import app

RECIPE = Path(__file__).resolve().parents[2] / "aptv2" / "recipes" / "lite.yaml"


def test_a_missing_recipe_is_named() -> None:
    result = CliRunner().invoke(app, ["train", "no-such.yaml"])
    assert result.exit_code == 2
    assert "no-such.yaml" in result.stderr


def test_settings_are_changed_strictly(tmp_path: Path) -> None:
    arguments = ["train", str(RECIPE), "-o", str(tmp_path), "--set", "stages.0.epochz=3"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "the nearest known key is 'epochs'" in result.stderr


def test_missing_data_is_named(tmp_path: Path) -> None:
    data = tmp_path / "nowhere"
    result = CliRunner().invoke(
        app, ["train", str(RECIPE), "--data", str(data), "-o", str(tmp_path / "run")]
    )
    assert result.exit_code == 2
    assert str(data) in result.stderr
    assert len(result.stderr.splitlines()) == 1


def printed(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["train", *arguments, "--print"])
    assert result.exit_code == 0, result.stderr
    return yaml.safe_load(result.stdout)


def test_prints_the_recipe_with_changes() -> None:
    recipe = RECIPE.with_name("vitpose_b.yaml")
    plain = printed(str(recipe))
    assert plain["model"]["drop_path"] == 0.3
    assert plain["stages"][0]["weight_decay"] == 0
    changed = printed(str(recipe), "model.drop_path=0.1", "--set", "seed=3", "--init", "coco")
    assert (changed["model"]["drop_path"], changed["seed"], changed["init"]) == (0.1, 3, "coco")
    changed["model"]["drop_path"], changed["seed"], changed["init"] = 0.3, 1, "in1k"
    assert changed == plain


def test_a_name_is_the_recipe_in_the_package() -> None:
    assert printed("lite") == printed(str(RECIPE))


def test_lists_the_recipes_in_the_package() -> None:
    result = CliRunner().invoke(app, ["train", "--list"])
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    for path in RECIPE.parent.glob("*.yaml"):
        assert any(line.split()[:1] == [path.stem] for line in lines), path
    row = next(line for line in lines if line.split()[:1] == ["vittrack_b"])
    assert "tracking" in row
    assert "OSTrack" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give a recipe (aptv2 train --list shows them) or --from RUN."),
        (["finetun"], "there is no recipe 'finetun'; the nearest recipe in the package is 'fin"),
        (["--from", "no-run"], "no-run: is no folder of a run, it has no run.json"),
        ([str(RECIPE), "--from", "no-run"], "leave the recipe and changes out"),
        ([str(RECIPE), "model.nam=res50"], "override 'model.nam=res50'"),
    ],
)
def test_refused_in_one_sentence(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["train", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "arguments"), [("dist_train.sh", ["r"]), ("dist_test.sh", ["r", "c"])]
)
def test_the_scripts_say_what_they_want(script: str, arguments: list[str]) -> None:
    path = RECIPE.parents[2] / "tools" / script
    done = subprocess.run(["bash", path, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"usage: bash tools/{script} RECIPE")


def test_the_training_script_calls_the_command() -> None:
    path = RECIPE.parents[2] / "tools" / "dist_train.sh"
    done = subprocess.run(
        ["bash", path, "lite", "2", "--print"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHON": sys.executable},
    )
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["model"]["name"] == "lite"


def test_the_training_script_takes_a_config_of_the_release() -> None:
    path = RECIPE.parents[2] / "tools" / "dist_train.sh"
    config = "configs/animal/2d_kpt_sview_rgb_img/topdown_heatmap/aptv2/hrnet_w32_ap10k_256x256.py"
    done = subprocess.run(
        ["bash", path, config, "8", "--print"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHON": sys.executable},
    )
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["model"]["name"] == "hrnet_w32"
    assert done.stderr.count("the recipe 'hrnet_w32' of this package is taken") == 1
