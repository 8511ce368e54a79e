"""OSTrack with candidate elimination and with larger pictures, against plain steps in float64."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from ostrack_reference import HEADS, WIDTH, Reference, small, state_of

from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.models.backbones.vit import PatchEmbed
from aptv2.models.checkpoints import load_trained_weights, read_checkpoint
from aptv2.models.convert import convert_weights
from aptv2.models.trackers.base import Views
from aptv2.models.trackers.vit_tracker import ViTTracker
from aptv2.models.trackers.vittrack import Backbone, ViTTrack
from aptv2.weights.files import load_weights
from aptv2.weights.ostrack import from_ostrack

DEPTH = 11  # blocks 3, 6 and 9 eliminate, and one more comes after
Manifest = Callable[[str], dict[str, list[Any]]]
CASES = [(False, True), (True, False), (True, True)]
IDS = ["256 eliminating", "384", "384 eliminating"]


def tensors(manifest: Manifest, large: bool, depth: int = DEPTH) -> dict[str, torch.Tensor]:
    shapes = {name: tuple(shape) for name, (shape, _) in manifest("ostrack_vitb256").items()}
    if depth < 12:
        shapes = small(shapes, depth)
    if large:
        width = shapes["backbone.pos_embed_z"][2]
        shapes["backbone.pos_embed_z"] = (1, 144, width)
        shapes["backbone.pos_embed_x"] = (1, 576, width)
    return state_of(shapes)


@pytest.mark.parametrize(("large", "eliminates"), CASES, ids=IDS)
def test_boxes_and_maps(manifest: Manifest, large: bool, eliminates: bool) -> None:
    state = {name: each.double() for name, each in tensors(manifest, large).items()}
    state["box_head.conv5_size.bias"] = state["box_head.conv5_size.bias"] - 1.3
    views = Views(192, 384, 5.0) if large else Views()
    backbone = Backbone(PatchEmbed(WIDTH, padding=0), WIDTH, DEPTH, HEADS, 0.0)
    network = ViTTrack(backbone, WIDTH, views=views, eliminates=eliminates).double()
    load_weights(network, from_ostrack(state), "test")
    network.eval().requires_grad_(False)
    reference = Reference(state, HEADS, views[:2], views.factor, eliminates)

    generator = torch.Generator().manual_seed(0)
    template = torch.randn(2, 3, views.template, views.template, generator=generator).double()
    search = torch.randn(2, 3, views.search, views.search, generator=generator).double()
    for found, *expected in zip(
        network(template, search),
        *(reference.maps(*pair) for pair in zip(template, search, strict=True)),
        strict=True,
    ):
        assert found.dtype == torch.float64
        assert found.shape[-1] == views.search // 16
        torch.testing.assert_close(found, torch.cat(expected), atol=1e-10, rtol=0)

    rng = np.random.default_rng(0)
    whole = cv2.resize(rng.integers(0, 256, (30, 40, 3), np.uint8), (400, 300))
    frames = [whole[2 * t : 2 * t + 240, 3 * t : 3 * t + 320].copy() for t in range(4)]
    tracker = ViTTracker(network)
    box = [100, 80, 60, 40]
    reference.crop = _in_double(Reference.crop)  # type: ignore[method-assign]
    reference.start(frames[0], box)
    tracker.start(frames[0], np.array([box]))
    for frame in frames[1:]:
        expected_box = reference.step(frame)
        np.testing.assert_allclose(tracker.step(frame)[0][0], expected_box, atol=1e-4)


def _in_double(crop: Callable[..., Any]) -> Callable[..., Any]:
    def cropped(*arguments: Any) -> Any:
        image, scale = crop(*arguments)
        return image.double(), scale

    return cropped


def test_elimination_changes_the_maps(manifest: Manifest) -> None:
    """Else the comparison above would pass for a network that ignores it."""
    state = tensors(manifest, large=False)
    backbone = Backbone(PatchEmbed(WIDTH, padding=0), WIDTH, DEPTH, HEADS, 0.0)
    network = ViTTrack(backbone, WIDTH, eliminates=True).eval()
    load_weights(network, from_ostrack(state), "test")
    images = torch.randn(1, 3, 128, 128), torch.randn(1, 3, 256, 256)
    with torch.inference_mode():
        features = network.search_features(network.template_tokens(images[0]), images[1])
        eliminated = (features == 0).all(dim=1).sum()
        assert eliminated == 256 - 89  # 256, 180, 126, 89


@pytest.mark.parametrize("large", [False, True])
def test_one_file_serves_with_and_without(manifest: Manifest, tmp_path: Path, large: bool) -> None:
    shapes = {name: tuple(shape) for name, (shape, _) in manifest("ostrack_vitb256").items()}
    if large:
        shapes |= {"backbone.pos_embed_z": (1, 144, 768), "backbone.pos_embed_x": (1, 576, 768)}
    path, plain = tmp_path / "net.pth.tar", "vittrack_b_384" if large else "vittrack_b"
    torch.save({"net": {k: torch.zeros(()).expand(v) for k, v in shapes.items()}}, path)
    assert read_checkpoint(path).network == plain
    for name in (plain, f"{plain}_ce"):
        with torch.device("meta"):
            network = registry.build(name)
        load_trained_weights(network, name, path)
    other = "vittrack_b" if large else "vittrack_b_384"
    with torch.device("meta"):
        network = registry.build(other)
    with pytest.raises(InputError, match=f"load it as '{plain}'"):
        load_trained_weights(network, other, path)


def test_what_it_was_converted_as_is_kept(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APTV2_CACHE", str(tmp_path / "cache"))
    shapes = {name: tuple(shape) for name, (shape, _) in manifest("ostrack_vitb256").items()}
    path = tmp_path / "net.pth.tar"
    torch.save({"net": {k: torch.zeros(()).expand(v) for k, v in shapes.items()}}, path)
    written = convert_weights(path, name="vittrack_b_ce-ostrack-got10k")
    assert read_checkpoint(written).network == "vittrack_b_ce"
