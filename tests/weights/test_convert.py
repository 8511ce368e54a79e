"""Conversion and fetching: what lies in the cache is what was published, and says so."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from aptv2.errors import InputError
from aptv2.models import convert
from aptv2.models.checkpoints import load_trained_weights
from aptv2.models.convert import convert_weights, pull
from aptv2.models.pose.heatmap import HeatmapPose
from aptv2.weights import find_weights, read_weights, registry
from aptv2.weights.cache import weights_path
from aptv2.weights.registry import Entry

Saved = Callable[..., Path]
Same = Callable[[dict[str, Tensor], dict[str, Tensor]], bool]


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry of two networks that are small enough for a test."""
    rows = [
        Entry("here", "vitpose_s", "AP-10K", url="https://192.0.2.1/vitpose%2B.pth"),
        Entry("by-hand", "vitpose_s", "APTv2", ap=70.0, page="https://192.0.2.1/page"),
        Entry("other", "res50", "APTv2", page="https://192.0.2.1/other"),
    ]
    entries = {row.name: row for row in rows}
    for module in ("registry", "cache"):
        monkeypatch.setattr(f"aptv2.weights.{module}.entries", lambda: entries)


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """What the web holds: a file an address; each address that is asked for is taken off."""
    files: dict[str, Path] = {}

    def fetch(url: str, path: Path, checksums: dict[str, str], _: object) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(files.pop(url), path)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        for who, wanted in checksums.items():
            if not found.startswith(wanted):
                raise InputError(f"{who} says {wanted}")
        return found

    monkeypatch.setattr(convert, "download", fetch)
    return files


def test_every_number_stays_and_the_file_says_what_it_is(
    mmpose_vitpose: dict, vitpose: HeatmapPose, saved: Saved, tmp_path: Path, same: Same
) -> None:
    source = saved({"state_dict": mmpose_vitpose}, "official.pth")
    path = convert_weights(source, tmp_path / "new" / "ours.safetensors")
    assert same(load_file(path), dict(vitpose.state_dict()))
    assert read_weights(path)[1] == {
        "origin": "mmpose",
        "network": "vitpose_s",
        "kind": "pose",
        "source": "official.pth",
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
    }


def test_what_was_fetched_by_hand_is_found_by_its_network(
    known: None, mmpose_vitpose: dict, saved: Saved, blank: HeatmapPose
) -> None:
    assert find_weights("vitpose_s") is None
    path = convert_weights(saved(mmpose_vitpose), name="by-hand")
    assert path == weights_path("by-hand") == find_weights("vitpose_s")
    about = load_trained_weights(blank, "vitpose_s", "by-hand")
    assert (about["name"], about["data"]) == ("by-hand", "APTv2")


def test_a_backbone(saved: Saved, tmp_path: Path) -> None:
    import torchvision

    state = torchvision.models.resnet50().state_dict()
    path = convert_weights(saved(state), tmp_path / "backbone.safetensors")
    tensors, about = read_weights(path)
    assert about["kind"] == "backbone"
    assert tensors.keys() == {f"backbone.{n}" for n in state if not n.startswith("fc.")}


class TestRefused:
    def test_nowhere_to_write(self, saved: Saved) -> None:
        with pytest.raises(InputError, match="say where to write: DST, or --as"):
            convert_weights(saved({}))

    def test_not_what_it_is_said_to_be(
        self, known: None, hollow: Callable, vitpose: HeatmapPose, saved: Saved
    ) -> None:
        shapes = {name: t.shape for name, t in vitpose.state_dict().items()}
        with pytest.raises(InputError, match="holds a vitpose_s, but 'other' is a res50"):
            convert_weights(saved(hollow(shapes)), name="other")
        assert not weights_path("other").exists()

    def test_a_file_that_does_not_fit_leaves_what_was_there(
        self, hollow: Callable, vitpose: HeatmapPose, saved: Saved, tmp_path: Path
    ) -> None:
        shapes = {name: t.shape for name, t in vitpose.state_dict().items()}
        del shapes["backbone.blocks.4.attn.proj.bias"]
        (tmp_path / "there.safetensors").write_bytes(b"good")
        with pytest.raises(
            InputError, match=r"1 missing \(backbone\.blocks\.4\.attn\.proj\.bias\)"
        ):
            convert_weights(saved(hollow(shapes)), tmp_path / "there.safetensors")
        assert (tmp_path / "there.safetensors").read_bytes() == b"good"

    def test_numbers_that_are_none(
        self, mmpose_vitpose: dict, saved: Saved, tmp_path: Path
    ) -> None:
        mmpose_vitpose["backbone.last_norm.bias"][3] = torch.nan
        with pytest.raises(InputError, match=r"backbone\.norm\.bias .* infinite or undefined"):
            convert_weights(saved(mmpose_vitpose), tmp_path / "o.safetensors")


class TestPull:
    def test_once(
        self, known: None, web: dict, mmpose_vitpose: dict, saved: Saved, cache: Path
    ) -> None:
        web["https://192.0.2.1/vitpose%2B.pth"] = source = saved(mmpose_vitpose)
        path = pull("here")
        assert path == weights_path("here")
        assert read_weights(path)[1]["source"] == "vitpose+.pth"
        assert not list((cache / "downloads").iterdir())
        noted = json.loads((cache / "checksums.json").read_text())
        assert noted == {
            "https://192.0.2.1/vitpose%2B.pth": hashlib.sha256(source.read_bytes()).hexdigest()
        }
        assert pull("here") == path  # nothing is asked for again

    def test_another_file_than_the_first_time(
        self, known: None, web: dict, saved: Saved, cache: Path
    ) -> None:
        cache.mkdir()
        url = "https://192.0.2.1/vitpose%2B.pth"
        (cache / "checksums.json").write_text(json.dumps({url: "ab" * 32}))
        web[url] = saved({"a": torch.ones(1)})
        with pytest.raises(InputError, match=r"the first download, noted in .*checksums\.json"):
            pull("here")
        assert find_weights("here") is None

    @pytest.mark.parametrize("content", ["{", "[1]", '{"a": 1}'])
    def test_damaged_notes(self, known: None, web: dict, cache: Path, content: str) -> None:
        cache.mkdir()
        (cache / "checksums.json").write_text(content)
        with pytest.raises(InputError, match=r"checksums\.json: damaged"):
            pull("here")

    def test_by_hand(self, known: None) -> None:
        with pytest.raises(
            InputError,
            match=r"open https://192\.0\.2\.1/page in a browser.* convert FILE --as by-hand",
        ):
            pull("by-hand")

    def test_from_the_hub(self, web: dict, tmp_path: Path, cache: Path, blank: HeatmapPose) -> None:
        state, config = tmp_path / "state", tmp_path / "config"
        save_file({"head.conv.weight": torch.ones(1)}, state)
        config.write_text(json.dumps({"model_type": "vitpose"}))
        web["https://huggingface.co/owner/model/resolve/main/config.json"] = config
        web["https://huggingface.co/owner/model/resolve/main/model.safetensors"] = state
        folder = pull("owner/model")
        assert folder == cache / "hub" / "owner--model"
        assert pull("owner/model") == folder
        with pytest.raises(InputError, match=r"owner--model.model\.safetensors: no network"):
            load_trained_weights(blank, "vitpose_s", "owner/model")

    def test_no_such_name(self) -> None:
        with pytest.raises(InputError, match="did you mean 'hrnet_w32-ap10k'"):
            pull("hrnet_w32_ap10k")
        assert registry.entry("hrnet_w32-ap10k").sha256 == "18aac840"
