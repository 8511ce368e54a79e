"""`aptv2 train`: what it refuses; what a run does is tested with the trainer."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from aptv2.cli.main import app

RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "lite.yaml"


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
