"""OSTrack's checkpoints as their authors publish them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from aptv2.errors import InputError
from aptv2.models.checkpoints import load_trained_weights, read_checkpoint
from aptv2.models.convert import convert_weights
from aptv2.models.registry import build
from aptv2.weights import find_weights

Official = Callable[[str], dict[str, Tensor]]
Saved = Callable[..., Path]


@pytest.fixture
def tracker() -> torch.nn.Module:
    with torch.device("meta"):
        return build("vittrack_b")


def test_every_tensor_has_its_place(
    official: Official, saved: Saved, tracker: torch.nn.Module
) -> None:
    about = load_trained_weights(tracker, "vittrack_b", saved({"net": official("ostrack_vitb256")}))
    assert about["origin"] == "OSTrack"
    assert not any(each.is_meta for each in tracker.state_dict().values())


def test_a_bare_state_dict_and_a_parallel_one(official: Official, saved: Saved) -> None:
    tensors = official("ostrack_vitb256")
    for prefix in ("", "module."):
        path = saved({prefix + k: v for k, v in tensors.items()}, f"{prefix}net.pth")
        assert read_checkpoint(path).network == "vittrack_b"


def test_settings_beside_the_weights_are_left_out(
    official: Official, saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects of OSTrack's own classes, as its trainer saves them."""
    monkeypatch.setitem(sys.modules, "lib", ModuleType("lib"))
    monkeypatch.setitem(sys.modules, "lib.train", ModuleType("lib.train"))
    monkeypatch.setitem(sys.modules, "lib.train.admin", ModuleType("lib.train.admin"))
    objects = []
    for module, name in (("settings", "Settings"), ("stats", "AverageMeter")):
        owner = ModuleType(f"lib.train.admin.{module}")
        made = type(name, (), {"__module__": owner.__name__, "__qualname__": name})
        setattr(owner, name, made)
        monkeypatch.setitem(sys.modules, owner.__name__, owner)
        objects.append(made())
        objects[-1].value = 3
    content = {"net": official("ostrack_vitb256"), "settings": objects[0], "stats": objects[1:]}
    path = saved(content, "OSTrack_ep0300.pth.tar")
    monkeypatch.undo()
    assert read_checkpoint(path).network == "vittrack_b"


def test_one_for_larger_pictures(
    official: Official,
    saved: Saved,
    hollow: Callable[..., dict[str, Tensor]],
    tracker: torch.nn.Module,
) -> None:
    tensors = official("ostrack_vitb256") | hollow({"backbone.pos_embed_x": (1, 576, 768)})
    with pytest.raises(InputError, match=r"holds ViTTrack-B/384, not ViTTrack-B; load it as"):
        load_trained_weights(tracker, "vittrack_b", saved(tensors))


def test_another_head(official: Official, saved: Saved, tracker: torch.nn.Module) -> None:
    tensors = {k: v for k, v in official("ostrack_vitb256").items() if "_ctr" not in k}
    with pytest.raises(InputError, match="an OSTrack tracker of another kind"):
        load_trained_weights(tracker, "vittrack_b", saved(tensors))


def test_by_name_once_converted(official: Official, saved: Saved) -> None:
    path = saved({"net": official("ostrack_vitb256")})
    written = convert_weights(path, name="vittrack_b-ostrack")
    assert find_weights("vittrack_b") == written
    checkpoint = read_checkpoint(written)
    assert (checkpoint.network, checkpoint.metadata["kind"]) == ("vittrack_b", "tracker")
    written.unlink()
