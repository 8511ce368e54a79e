"""`aptv2 export`: where it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.export import write_coco
from aptv2.tables import Frames, PoseTable


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    path = tmp_path / "clip.tracks.json"
    joints = np.full((1, 17, 3), 0.5)
    frames = Frames.make(indices=[0, 1])
    table = PoseTable.make(
        frames, [1], boxes=[[1, 2, 3, 4]], joints=joints, scores=[0.5], tracks=[7]
    )
    write_coco(table, path)
    return path


@pytest.mark.parametrize(
    ("to", "name"), [("coco", "clip.results.json"), ("csv", "clip.csv"), ("mot", "clip.mot.txt")]
)
def test_writes_beside_the_tracks(tracks: Path, to: str, name: str) -> None:
    result = CliRunner().invoke(app, ["export", str(tracks), "--to", to])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Written: {tracks.with_name(name)}\n"
    assert tracks.with_name(name).stat().st_size > 0


def test_writes_where_it_is_told(tracks: Path, tmp_path: Path) -> None:
    place = tmp_path / "new" / "boxes.txt"
    CliRunner().invoke(app, ["export", str(tracks), "--to", "mot", "-o", str(place)])
    assert place.read_text() == "2,7,1.000,2.000,3.000,4.000,0.5000,-1,-1,-1\n"


def test_an_unknown_format_is_refused(tracks: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(tracks), "--to", "xml"])
    assert result.exit_code == 2
    assert "xml" in result.stderr
    assert "csv" in result.stderr
    assert list(tracks.parent.iterdir()) == [tracks]
