"""Files whose layout nobody has seen: what they hold, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.errors import InputError
from aptv2.models.checkpoints import read_checkpoint
from aptv2.models.convert import convert_weights
from aptv2.models.inspection import inspect_weights
from aptv2.models.registry import build
from aptv2.weights import write_weights
from aptv2.weights.ostrack import from_ostrack
from aptv2.weights.registry import listed

Official = Callable[[str], dict[str, Tensor]]
Saved = Callable[..., Path]
NAME = "aptv2-vittrack_b"


def printed(*arguments: object) -> list[str]:
    result = CliRunner().invoke(app, ["weights", "inspect", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


class TestTrackers:
    """The official trackers' files may be named as OSTrack's or as ours."""

    @pytest.mark.parametrize(
        ("rename", "layout"), [(dict, "OSTrack"), (from_ostrack, "aptv2")], ids=["OSTrack", "ours"]
    )
    def test_both_layouts_are_converted(
        self, official: Official, saved: Saved, rename: Callable, layout: str
    ) -> None:
        path = saved({"model_ema": rename(official("ostrack_vitb256")), "epoch": 100})
        found = inspect_weights(path)
        assert found.fit is not None
        assert found.fit.whole
        assert (found.fit.network, found.fit.layout) == ("vittrack_b", layout)
        assert found.said.startswith("ViTTrack-B (vittrack_b)")
        written = convert_weights(path, name=NAME)
        assert read_checkpoint(written).network == "vittrack_b"
        written.unlink()

    def test_every_key_that_does_not_fit_is_named(
        self, official: Official, saved: Saved, hollow: Callable[..., dict[str, Tensor]]
    ) -> None:
        tensors = official("ostrack_vitb256")
        del tensors["box_head.conv1_ctr.0.weight"], tensors["backbone.blocks.3.norm1.bias"]
        odd = hollow({"neck.0.weight": (8, 4), "backbone.pos_embed_z": (1, 144, 768)})
        path = saved(tensors | odd)
        said = inspect_weights(path).fit
        assert said is not None
        assert said.missing == ("backbone.blocks.3.norm1.bias", "centre.score.0.0.weight")
        assert said.unexpected == ("neck.0.weight",)
        assert said.misshapen == (("backbone.pos_embed_z", (1, 144, 768), (1, 64, 768)),)
        with pytest.raises(InputError) as error:
            convert_weights(path, name=NAME)
        for part in (
            # All but the one of another shape, and two that OSTrack keeps and never uses.
            f"net.pth: {len(tensors) - 3} tensors fit ViTTrack-B by the names of OSTrack",
            "2 missing: backbone.blocks.3.norm1.bias, centre.score.0.0.weight",
            "1 left over: neck.0.weight",
            "1 of another shape: backbone.pos_embed_z (1, 144, 768), not (1, 64, 768)",
        ):
            assert part in str(error.value)
        lines = printed(path, "--network", "vittrack_b")
        shown = "\n".join(lines)
        assert "Missing:\n  backbone.blocks.3.norm1.bias\n  centre.score.0.0.weight\n" in shown
        assert "Left over:\n  neck.0.weight\n" in shown
        assert "Of another shape:\n  backbone.pos_embed_z  1x144x768, not 1x64x768\n" in shown
        holds = lines[lines.index("Holds:") + 1 :]
        assert len(holds) == len(tensors) + 1
        assert holds[-1].split() == ["neck.0.weight", "8x4", "float32"]

    def test_a_recognised_one_with_a_wrong_shape(
        self, official: Official, saved: Saved, hollow: Callable[..., dict[str, Tensor]]
    ) -> None:
        path = saved(official("ostrack_vitb256") | hollow({"backbone.norm.bias": (1024,)}))
        with pytest.raises(InputError, match=r"1 of another shape: backbone\.norm\.bias \(1024,\)"):
            convert_weights(path, name=NAME)


class TestAnyFile:
    def test_of_no_network_here(self, saved: Saved) -> None:
        lines = printed(saved({"fc.weight": torch.zeros(2, 3, dtype=torch.float16)}))
        assert lines[0].endswith("1 tensors, 6 numbers")
        assert lines[1].startswith("Looks like: no network that is known here")
        assert lines[2] == "Fits: no tensor fits any network of this package"
        assert lines[-1].split() == ["fc.weight", "2x3", "float16"]

    def test_dtypes_of_our_own_files(self, tmp_path: Path) -> None:
        path = tmp_path / "ours.safetensors"
        write_weights(path, build("vitpose_s").state_dict(), {"network": "vitpose_s"})
        found = inspect_weights(path)
        dtypes = {name: dtype for name, _, dtype in found.tensors}
        assert dtypes["backbone.pos_embed"] == "float16"
        assert dtypes["backbone.norm.bias"] == "float32"
        assert found.said == "ViTPose-S (vitpose_s) by the names of aptv2, 17 keypoints"
        assert found.fit is not None
        assert found.fit.whole

    def test_an_official_pose_network(self, official: Official, saved: Saved) -> None:
        found = inspect_weights(saved({"state_dict": official("hrnet_w32")}))
        assert found.said == "HRNet-w32 (hrnet_w32) by the names of mmpose, 17 keypoints"
        assert found.fit is not None
        assert (found.fit.network, found.fit.layout, found.fit.whole) == (
            "hrnet_w32",
            "mmpose",
            True,
        )

    def test_several_networks_in_one_file_are_not_guessed(self, saved: Saved) -> None:
        parts = {"first": {"a.weight": torch.zeros(2)}, "second": {"a.weight": torch.ones(2)}}
        with pytest.raises(InputError, match="holds no named tensors, but first, second; save"):
            inspect_weights(saved(parts))


def test_sizes_are_those_of_the_files() -> None:
    sizes = {}
    for name, entry in listed().items():
        if entry.embedded:
            from aptv2.models.networks.lite import EMBEDDED

            assert entry.size == pytest.approx(EMBEDDED.stat().st_size / 1e6, abs=0.05), name
            continue
        if entry.network not in sizes:
            with torch.device("meta"):
                sizes[entry.network] = build(entry.network).state_dict()
        kept = [
            tensor.nbytes
            for key, tensor in sizes[entry.network].items()
            if entry.data != "IN1k" or key.startswith("backbone.")
        ]
        assert entry.size == pytest.approx(sum(kept) / 1e6, abs=0.6), name
