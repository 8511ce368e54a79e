"""`aptv2 test`: what it prints and writes, and its one sentence where something is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aptv2.cli.main import app
from aptv2.models.networks.lite import EMBEDDED

REPO = Path(__file__).resolve().parents[2]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["test", *map(str, arguments)], env={"COLUMNS": "120"})


def test_a_recipe_and_a_name(small_release: Path, tmp_path: Path) -> None:
    rest = ("--data", small_release, "--dtype", "float32", "--resamples", 20, "-o")
    result = call(REPO / "aptv2/recipes/lite.yaml", EMBEDDED, *rest, tmp_path / "recipe")
    assert result.exit_code == 0, result.output
    for words in ("ALL", "EASY", "HARD", "HARD, pooled", "Hominidae", "spider monkey", "95 %"):
        assert words in result.stdout
    assert "no limit" not in result.stdout
    assert "report.json" in result.stdout
    assert call("lite", EMBEDDED, *rest, tmp_path / "name").exit_code == 0
    reports = [json.loads((tmp_path / n / "report.json").read_text()) for n in ("recipe", "name")]
    assert reports[0] == reports[1]
    assert reports[0]["settings"]["split"] == "val"
    assert reports[0]["settings"]["oks_nms"] is True


@pytest.mark.parametrize("part", ["easy", "hard"])
def test_a_part_of_test(part: str, small_release: Path, tmp_path: Path) -> None:
    options = ("--split", "test", "--subset", part, "--oks-nms", "soft", "--resamples", 0)
    result = call("lite", EMBEDDED, "--data", small_release, *options, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert list(report["scores"]) == ["all"]
    assert report["animals"] == {"easy": 15, "hard": 25}[part]
    assert report["settings"]["oks_nms"] == "soft"
    assert "AP_interval" not in report["scores"]["all"]


def test_it_says_what_is_wrong(small_release: Path, tmp_path: Path) -> None:
    def sentence(*arguments: object) -> str:
        result = call(*arguments, "-o", tmp_path / "out")
        assert result.exit_code == 2, result.output
        assert result.stderr.startswith("Error: ")
        assert len(result.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "out").exists()
        return result.stderr

    data = ("--data", small_release)
    assert "no network 'vitpose'" in sentence("vitpose", EMBEDDED, *data)
    assert "nowhere.yaml: there is no such file" in sentence("nowhere.yaml", EMBEDDED, *data)
    said = sentence("res50", EMBEDDED, *data)
    assert "holds the embedded lite network, not SimpleBaseline Res-50" in said
    assert "no such weights file" in sentence("lite", tmp_path / "nothing.safetensors", *data)
    assert "does not exist" in sentence("lite", EMBEDDED, "--data", tmp_path / "nowhere")
    boxes = tmp_path / "boxes.json"
    boxes.write_text('[{"image_id": 123456, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]')
    assert "image id 123456 is not in the ann" in sentence(
        "lite", EMBEDDED, *data, "--boxes", boxes
    )
    for file in (small_release / "annotations").glob("test*.json"):
        file.unlink()
    assert "no annotations of test" in sentence("lite", EMBEDDED, *data, "--split", "test")
    shutil.rmtree(small_release / "data")
    assert "the images that its annotations name are not there" in sentence("lite", EMBEDDED, *data)


def test_an_output_that_cannot_be_written(small_release: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = call("lite", EMBEDDED, "--data", small_release, "-o", tmp_path / "file")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr
