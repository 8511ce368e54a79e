"""`aptv2 score`: what it prints."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.export import write_coco, write_coco_results
from aptv2.tables import Frames, PoseTable


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A cat and a dog, both large; the cat is predicted rightly, the dog far off."""
    keypoints = np.concatenate(
        [np.random.default_rng(0).uniform(0, 200, (2, 17, 2)), np.full((2, 17, 1), 2)], axis=2
    )
    truth = PoseTable.make(
        Frames.make(2),
        [0, 1],
        boxes=[[0, 0, 200, 200]] * 2,
        keypoints=keypoints,
        species=[1, 2],
        categories={1: "cat", 2: "dog"},
    )
    predicted = keypoints + np.array([0, 5000])[:, None, None] * [1, 1, 0]
    predicted[:, :, 2] = 0.9
    found = replace(truth, keypoints=predicted.astype(np.float32), scores=np.ones(2, np.float32))
    write_coco(truth, tmp_path / "truth.json")
    write_coco_results(found, tmp_path / "found.json")
    return [str(tmp_path / "truth.json"), str(tmp_path / "found.json")]


def test_table_is_in_percent(files: list[str]) -> None:
    result = CliRunner().invoke(app, ["score", *files])
    assert result.exit_code == 0, result.output
    rows = {line[:20].strip(): line[20:].split() for line in result.stdout.splitlines()}
    assert rows["by species"] == ["AP", "AP50", "AP75", "APM", "APL", "AR"]
    assert rows["cat"] == ["100.0", "100.0", "100.0", "-", "100.0", "100.0"]
    assert rows["dog"] == ["0.0", "0.0", "0.0", "-", "0.0", "0.0"]
    assert rows["Felidae"] == rows["cat"]
    assert rows["mean over species"] == ["50.0", "50.0", "50.0", "-", "50.0", "50.0"]


def test_json_has_fractions_and_null(files: list[str]) -> None:
    result = CliRunner().invoke(app, ["score", *files, "--json", "--rescore", "--oks-nms", "soft"])
    scores = json.loads(result.stdout)
    assert scores["AP"] == pytest.approx(0.5)
    assert scores["APM"] is None
    assert scores["by_species"]["cat"]["AP"] == pytest.approx(1)


def test_warnings_are_one_line(files: list[str], tmp_path: Path) -> None:
    """Predictions of no known species are worth a word, without the place in our code."""
    records = json.loads(Path(files[1]).read_text())
    for record in records:
        record["category_id"] = 99
    strangers = tmp_path / "strangers.json"
    strangers.write_text(json.dumps(records))
    result = CliRunner().invoke(app, ["score", files[0], str(strangers)])
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: No prediction is of a species")
    assert len(result.stderr.splitlines()) == 1
