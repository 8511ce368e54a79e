"""`aptv2 weights`: what it prints, and one sentence where it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.models.registry import build
from aptv2.weights import read_weights
from aptv2.weights.cache import weights_path
from aptv2.weights.mmpose import to_mmpose


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APTV2_CACHE", str(tmp_path / "cache"))


def lines(*arguments: str) -> dict[str, str]:
    result = CliRunner().invoke(app, ["weights", "list", *arguments])
    assert result.exit_code == 0, result.output
    return {line.split()[0]: line for line in result.stdout.splitlines()}


def test_list() -> None:
    every, some = lines(), lines("hrnet_w32")
    assert set(some) < set(every)
    assert all("HRNet-w32" in line for name, line in some.items() if name != "name")
    row = every["aptv2-hrnet_w32-coco"].split()
    link = "https://1drv.ms/u/s!AimBgYV7JjTlgchWiiB_bHb7NmXtBQ?e=bbeiUV"
    assert row[1:] == ["HRNet-w32,", "APTv2", "COCO", "70.1", "114", "-", link, "(by", "hand)", "-"]
    row = every["res50-ap10k"].split()
    assert row[5:10] == ["68.0", "AP-10K", "val", "136", "Apache-2.0"]
    weights_path("res50-ap10k").parent.mkdir()
    weights_path("res50-ap10k").touch()
    assert lines()["res50-ap10k"].endswith("yes")


def test_what_is_in_the_package_is_listed() -> None:
    found = lines("lite")
    assert list(found) == ["name", "lite"]
    assert "Apache-2.0" in found["lite"]
    assert found["lite"].endswith("this package  yes")


def test_convert(tmp_path: Path) -> None:
    state = to_mmpose(build("vitpose_s").state_dict())
    torch.save({"state_dict": state}, tmp_path / "net.pth")
    target = tmp_path / "ours.safetensors"
    result = CliRunner().invoke(app, ["weights", "convert", str(tmp_path / "net.pth"), str(target)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Written: {target}\n"
    assert read_weights(target)[1]["network"] == "vitpose_s"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["list", "resnet"], "there is no network 'resnet'; known: lite, hrformer_s"),
        (["pull", "aptv2-res50-coco"], "convert FILE --as aptv2-res50-coco"),
        (["pull", "res50-ap10"], "did you mean 'res50-ap10k'"),
        (["convert", "none.pth", "out.safetensors"], "none.pth: there is no such weights file"),
        (["convert", __file__, "out.safetensors"], "no torch file: it begins with"),
        (["convert", __file__], "say where to write"),
    ],
)
def test_refusals(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(app, ["weights", *arguments])
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
