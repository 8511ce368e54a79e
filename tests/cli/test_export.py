"""`aptv2 export`: where it writes, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.export import FORMATS, write_coco
from aptv2.tables import Frames, PoseTable


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    path = tmp_path / "clip.tracks.json"
    keypoints = np.full((1, 17, 3), 0.5)
    frames = Frames.make(indices=[0, 1])
    table = PoseTable.make(
        frames, [1], boxes=[[1, 2, 3, 4]], keypoints=keypoints, scores=[0.5], tracks=[7]
    )
    write_coco(table, path)
    return path


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("coco", "clip.results.json"),
        ("coco-keypoints", "clip.coco.json"),
        ("csv", "clip.csv"),
        ("dlc-csv", "clipDLC_aptv2.csv"),
        ("mot", "clip.mot.txt"),
    ],
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


def test_a_video_elsewhere_is_named_in_the_file(tracks: Path, tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io", reason="needs sleap-io")
    video = tmp_path / "films" / "cow.mp4"
    options = ["--to", "slp", "--video", str(video)]
    refused = CliRunner().invoke(app, ["export", str(tracks), *options])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert f"{video} does not exist" in refused.stderr
    video.parent.mkdir()
    video.touch()
    assert CliRunner().invoke(app, ["export", str(tracks), *options]).exit_code == 0
    labels = sleap_io.load_slp(str(tmp_path / "clip.slp"), open_videos=False)
    assert labels.video.filename == str(video)


def test_yolo_is_a_folder_and_replaces_none(tracks: Path, tmp_path: Path) -> None:
    table = PoseTable.make(
        Frames.make(indices=[0], sizes=[[64, 48]]), [0], boxes=[[1, 2, 3, 4]], scores=[0.5]
    )
    write_coco(table, tracks)
    command = ["export", str(tracks), "--to", "yolo"]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert (tmp_path / "clip.yolo" / "labels/train/000000.txt").is_file()
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 2
    assert "already exists" in refused.stderr


def test_what_is_missing_is_named_with_the_command(
    tracks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking = replace(FORMATS["nwb"], packages=("no_such_package",))
    monkeypatch.setitem(FORMATS, "nwb", lacking)
    result = CliRunner().invoke(app, ["export", str(tracks), "--to", "nwb"])
    assert result.exit_code == 2
    assert "pip install 'aptv2[nwb]'" in result.stderr
    assert not lacking.available
    assert list(tracks.parent.iterdir()) == [tracks]


def test_what_is_read_is_not_overwritten(tracks: Path) -> None:
    before = tracks.read_bytes()
    result = CliRunner().invoke(app, ["export", str(tracks), "--to", "coco", "-o", str(tracks)])
    assert result.exit_code == 2
    assert tracks.read_bytes() == before


def test_an_unknown_format_is_refused_with_the_nearest_and_all(tracks: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(tracks), "--to", "parket"])
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert "did you mean parquet?" in said
    for name, known in FORMATS.items():
        assert f"{name} ({known.label})" in said
    assert list(tracks.parent.iterdir()) == [tracks]
