"""`aptv2 data pack`: what it says; what it writes is tested with the writer."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.training.data.pack import Pack

RECIPE = Path(__file__).resolve().parents[2] / "aptv2" / "recipes" / "lite.yaml"


def test_packs_for_a_recipe(shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "ap10k_sample" / "test_ap10k.json"
    arguments = ["data", "pack", str(source), "-o", str(tmp_path / "p"), "--recipe", str(RECIPE)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0
    assert "Packed: animals 2, shards 1 (there before: 0)" in result.stdout
    assert Pack(tmp_path / "p").manifest.size == (224, 224)
    assert "(there before: 1)" in CliRunner().invoke(app, arguments).stdout


def test_missing_annotations_are_named(tmp_path: Path) -> None:
    arguments = ["data", "pack", "no-such.json", "-o", str(tmp_path / "p")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "no-such.json" in result.stderr
    assert not (tmp_path / "p").exists()
