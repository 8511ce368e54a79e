from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.export import write_coco
from aptv2.tables import Frames, PoseTable


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A dog on one image, in a COCO file."""
    table = PoseTable.make(
        Frames.make(names=["a.png"], sizes=[[8, 8]]),
        [0],
        boxes=[[1, 2, 3, 4]],
        tracks=[5],
        species=[1],
        categories={1: "dog"},
    )
    write_coco(table, tmp_path / "poses.json")
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    return tmp_path / "poses.json"


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["data", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_convert_says_on_stderr_what_is_lost(source: Path, tmp_path: Path) -> None:
    code, output, errors = run("convert", source, tmp_path / "yolo", "--to", "yolo")
    assert code == 0
    assert output.startswith("Written: ")
    assert "Track numbers lost, as YOLO pose has none: 1.\n" in errors
    assert (tmp_path / "yolo/labels/train/a.txt").is_file()


def test_bad_input_is_one_sentence(source: Path, tmp_path: Path) -> None:
    code, output, errors = run("convert", source, source, "--to", "coco")
    assert (code, output) == (2, "")
    assert errors == f"Error: {source} already exists; give the name of a new file.\n"
    code, _, errors = run("stats", tmp_path / "none", "-o", tmp_path / "out")
    assert code == 2
    assert errors.startswith("Error: ")
    assert not (tmp_path / "out").exists()


def test_stats_writes_a_page(source: Path, tmp_path: Path) -> None:
    code, output, errors = run("stats", source, "-o", tmp_path / "out")
    assert code == 0
    assert output == f"Written: {tmp_path / 'out' / 'index.html'}\n"
    assert "No figure of keypoint motion" in errors
    assert (tmp_path / "out/species.png").is_file()


def test_split_tells_how_many_animals_went_where(source: Path, tmp_path: Path) -> None:
    code, output, _ = run("split", source, "-o", tmp_path / "out")
    assert code == 0
    assert output == f"Written: {tmp_path / 'out'} (animals: train 1, val 0, test 0)\n"
    code, _, errors = run("split", source, "-o", tmp_path / "out")
    assert code == 2
    assert errors.endswith("already exists; give the name of a new folder.\n")
