"""`aptv2 bench`: its list, its exit codes, and its one sentence where something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from aptv2.cli.main import app
from aptv2.models.networks.lite import EMBEDDED


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["bench", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.mark.parametrize(
    ("track", "count", "line"),
    [
        ("supervised", 21, "res50-coco\taptv2-res50-coco.safetensors\tinit=coco"),
        ("zero-shot", 3, "vitpose_l\taptv2-zero-shot-vitpose_l.safetensors\tinit=in1k"),
        (
            "leave-one-out",
            14,
            "easy-without-canidae\taptv2-easy-without-canidae-hrnet_w32.safetensors\t"
            "init=in1k data.subset=easy data.leave_out=Canidae",
        ),
        (
            "low-data",
            45,
            "vitpose_b-k5-seed1\taptv2-low-vitpose_b-k5-seed1.safetensors\t"
            "init=ap10k data.few=5 data.few_seed=1",
        ),
        (
            "tracking",
            32,
            "vittrack_b-res50\taptv2-res50-coco.safetensors\tinit=coco\taptv2-vittrack_b.safetensors",
        ),
    ],
)
def test_lists_cells_and_their_weights(track: str, count: int, line: str) -> None:
    result = call(track, "--list")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == count
    assert line in lines


def test_exit_codes(small_release: Path, tmp_path: Path) -> None:
    (tmp_path / "aptv2-res50-in1k.safetensors").symlink_to(EMBEDDED)
    options = ("--data", small_release, "--weights", tmp_path, "--miniature", "--dtype", "float32")
    rest = (*options, "-o", tmp_path / "results", "--only")
    good = call("supervised", *rest, "res50-in1k")
    assert good.exit_code == 0, good.output
    assert "1 cells done, 0 failed" in good.stdout
    bad = call("supervised", *rest, "res50-*")
    assert bad.exit_code == 1
    assert "Weights missing: 2 of 2: aptv2-res50-coco, aptv2-res50-ap10k" in bad.stdout
    assert "1 cells done, 2 failed" in bad.stdout
    wrong = call("low-data", *rest, "*", "--shots", "five")
    assert wrong.exit_code == 2
    assert (
        wrong.stderr == "Error: --shots five: give whole numbers from 1 on, with commas: 5,10,20.\n"
    )
    nowhere = call("report", tmp_path / "nowhere", "-o", tmp_path / "report")
    assert nowhere.exit_code == 2
    assert "is no folder of results" in nowhere.stderr
