"""`aptv2 demo`, the whole pipeline with the embedded network."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import aptv2
from aptv2.cli.main import app


@pytest.mark.slow
def test_finds_the_cat(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "1 animal in 100 frames" in result.stdout
    for name in ("chelsea.tracks.json", "chelsea.csv", "chelsea.pose.mp4"):
        assert str(tmp_path / name) in result.stdout
    table = aptv2.read_annotations(tmp_path / "chelsea.tracks.json")
    assert len(set(table.frame.tolist())) >= 95
