"""The paper's networks against the reference, which is MMPose 0.x.

`reference` holds outputs of two networks. `mmpose_outputs.json` holds outputs
of five more: MMPose 0.29's own backbones, run with the same weights and inputs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from reference_weights import weight
from torch import Tensor, nn

from aptv2 import crops
from aptv2.codecs import MSRA, UDP
from aptv2.models import registry
from aptv2.models.pose.heatmap import HeatmapPose
from aptv2.models.registry import build
from aptv2.weights.mmpose import from_mmpose, to_mmpose

# Names of the networks in the reference. The large ones take more than a few seconds.
MANIFESTS = {
    "res50": "res50",
    "res101": "res101",
    "hrnet_w32": "hrnet_w32",
    "hrnet_w48": "hrnet_w48",
    "hrformer_s": "hrformer_small",
    "hrformer_b": "hrformer_base",
    "vitpose_b": "vit_base",
    "vitpose_l": "vit_large",
}
LARGE = {"res101", "hrnet_w48", "hrformer_b", "vitpose_l", "vitpose_h"}
BAR = 1e-5  # of the output's standard deviation
# Batch norms over few, similar pixels magnify float32's noise: in training mode the reference's
# own ResNet-50 is 2.8e-4 off what float64 gives, and so is ours. Nothing magnifies a ViT's.
TRAINING_BARS = {"vitpose_b": BAR}
FAR = 2000  # pixels; the frames are a few hundred wide
TRAINING_BAR = 1e-3
Manifest = Callable[[str], dict[str, list[Any]]]
MMPOSE = json.loads((Path(__file__).parent / "mmpose_outputs.json").read_text())

PAPER = [each.name for each in registry.specs().values() if each.tasks == ("pose",)]


def networks(names: object) -> list[object]:
    """Parameters of a test, the large ones marked as slow."""
    return [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in names]


@functools.lru_cache(maxsize=1)
def network(name: str) -> HeatmapPose:
    """A network with the reference's weights, in eval mode. Tests leave it as it is."""
    with torch.device("meta"):
        model = build(name)
    shapes = {key: list(each.shape) for key, each in to_mmpose(model.state_dict()).items()}
    state = from_mmpose({key: weight(key, shape) for key, shape in shapes.items()})
    model.load_state_dict(state, assign=True)
    return model.eval().requires_grad_(False)


def images(size: tuple[int, int]) -> Tensor:
    """The reference's input."""
    b, c, i, j = np.ogrid[:2, :3, : size[0], : size[1]]
    return torch.from_numpy(np.sin(0.05 * i * (c + 1) + 0.03 * j + b).astype(np.float32))


@functools.lru_cache(maxsize=1)
def outputs(name: str) -> dict[str, Tensor]:
    """What a network makes of the reference's input."""
    model = network(name)
    batch = images(model.input_size)
    features = model.backbone(batch)[0]
    return {"feat": features, "out": model.head(features), "flip": model.forward_flip(batch)}


def in_training(model: HeatmapPose, run: object) -> Tensor:
    """Runs a network in training mode without chance, and leaves its statistics as they are."""
    state = {key: value.clone() for key, value in model.state_dict().items()}
    model.train()
    for module in model.modules():
        if type(module).__name__ == "DropPath":
            module.eval()
    try:
        return run()
    finally:
        model.load_state_dict(state)
        model.eval()


def sampled(output: Tensor, count: int) -> np.ndarray:
    flat = output.numpy().ravel()
    return flat[np.round(np.linspace(0, flat.size - 1, count)).astype(int)]


def decoded(model: HeatmapPose, heatmaps: Tensor) -> np.ndarray:
    """Keypoints (2, 17, 3) in the frame, for the reference's crops."""
    height, width = model.input_size
    keypoints = model.codec.decode(heatmaps)
    step = model.codec.steps((height // 4, width // 4), model.input_size)
    keypoints[..., :2] *= torch.tensor(step)
    centres = np.array([[100, 120], [110, 115]], np.float64)
    extents = 200 * np.array([[1], [1.1]]) * [1, height / width]
    matrices = crops.crop_matrices(centres, extents, model.input_size, udp=model.codec.udp)
    return crops.transform(crops.invert(matrices), keypoints.numpy())


@pytest.mark.parametrize("name", PAPER)
def test_state_dicts_are_the_references(name: str, manifest: Manifest) -> None:
    if name not in MANIFESTS:
        pytest.skip("the reference has no such network")
    with torch.device("meta"):
        state = to_mmpose(build(name).state_dict())
    own = {key: [list(each.shape), str(each.dtype)[6:]] for key, each in state.items()}
    official = manifest(MANIFESTS[name])
    assert own == official
    assert list(own) == list(official)


@pytest.mark.parametrize("name", ["res50", "vitpose_b"], scope="class")
class TestReference:
    def test_outputs(self, name: str, reference: Path) -> None:
        folder = reference
        expected = np.load(folder / f"out_{MANIFESTS[name]}.npz")
        about = json.loads((folder / "models.json").read_text())[MANIFESTS[name]]
        for kind, output in outputs(name).items():
            assert list(output.shape) == about[kind]["shape"]
            found = sampled(output, 200)
            assert np.abs(found - expected[kind]).max() <= BAR * about[kind]["std"]
            assert abs(float(output.mean()) - about[kind]["mean"]) <= BAR * about[kind]["std"]
            assert float(output.std()) == pytest.approx(about[kind]["std"], rel=1e-4)

    def test_training_mode(self, name: str, reference: Path) -> None:
        folder, model = reference, network(name)
        expected = np.load(folder / f"out_{MANIFESTS[name]}.npz")
        about = json.loads((folder / "models.json").read_text())[MANIFESTS[name]]
        seen = {}

        def run() -> Tensor:
            output = model(images(model.input_size))
            seen.update(to_mmpose(model.state_dict()))
            seen.update({key: each.clone() for key, each in seen.items()})
            return output

        output = in_training(model, run)
        found = sampled(output, 200)
        bar = TRAINING_BARS.get(name, TRAINING_BAR) * about["train_out"]["std"]
        assert np.abs(found - expected["train_out"]).max() <= bar
        means = [key for key in expected.files if key.startswith("train_rm/")]
        assert means
        for key in means:
            mean = key.removeprefix("train_rm/")
            variance = mean.replace("running_mean", "running_var")
            np.testing.assert_allclose(seen[mean].ravel()[:16], expected[key], atol=1e-5)
            np.testing.assert_allclose(
                seen[variance].ravel()[:16], expected[f"train_rv/{mean}"], rtol=1e-4
            )

    def test_decoded_keypoints(self, name: str, reference: Path) -> None:
        """Keypoints of the flip-tested heatmaps in the frame, for the reference's crops."""
        expected = np.load(reference / f"out_{MANIFESTS[name]}.npz")["preds"]
        found = decoded(network(name), outputs(name)["flip"])
        there = expected[..., 2] > 0  # elsewhere the heatmap has no peak at all
        assert there.mean() > 0.9
        # Fits to the flat peaks of noise magnify float32's noise: of one that lands 5,000 pixels
        # away, only that it does is certain.
        far = there & (np.abs(expected[..., :2]).max(axis=-1) > FAR)
        assert far.sum() <= 1
        assert (np.abs(found[far, :2]).max(axis=-1) > FAR).all()
        near = there & ~far
        np.testing.assert_allclose(found[near], expected[near], rtol=0.01, atol=0.05)
        np.testing.assert_allclose(found[..., 2], expected[..., 2], atol=1e-5)


@pytest.mark.parametrize("name", networks(MMPOSE), scope="class")
class TestMMPose:
    def test_outputs(self, name: str) -> None:
        expected, model = MMPOSE[name]["out"], network(name)
        found = sampled(model(images(model.input_size)), 50)
        assert np.abs(found - expected["values"]).max() <= BAR * expected["std"]

    def test_training_mode(self, name: str) -> None:
        expected, model = MMPOSE[name]["train_out"], network(name)
        output = in_training(model, lambda: model(images(model.input_size)))
        found = sampled(output, 50)
        assert np.abs(found - expected["values"]).max() <= TRAINING_BAR * expected["std"]


@pytest.mark.parametrize("name", networks(PAPER))
def test_predict(name: str) -> None:
    model = build(name).eval()
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (120, 160, 3), np.uint8)
    boxes = np.array([[20.0, 10, 90, 60]])
    found = model.predict(frame, boxes)
    assert found.shape == (1, 17, 3)
    assert np.isfinite(found).all()
    height, width = model.input_size
    assert model(torch.zeros(1, 3, height, width)).shape == (1, 17, height // 4, width // 4)
    assert model.predict(frame, np.empty((0, 4))).shape == (0, 17, 3)


def test_flip_test_moves_the_mirrored_heatmaps_of_msra_networks() -> None:
    """A network that returns its picture finds the mirrored one a pixel to the left."""

    class Echo(HeatmapPose):
        def forward(self, images: Tensor) -> Tensor:
            return images[:, :1].expand(-1, 17, -1, -1)

    picture = torch.zeros(1, 3, 4, 6)
    picture[..., 2] = 1
    for codec, expected in ((UDP, [0, 0, 1, 0, 0, 0]), (MSRA, [0, 0, 0.5, 0.5, 0, 0])):
        model = Echo(nn.Identity(), nn.Identity(), (4, 6), build("hrformer_s").skeleton, codec)
        np.testing.assert_array_equal(model.forward_flip(picture)[0, 0, 0], expected)


@pytest.mark.parametrize(("name", "udp"), [("hrformer_s", False), ("vitpose_s", True)])
def test_crops_are_mmposes(name: str, udp: bool) -> None:
    """Boxes lose a pixel and are cut at the frame; then the convention's corners."""
    model = build(name)
    assert model.codec.udp is udp
    frame = np.zeros((100, 200, 3), np.uint8)
    pixels, matrices = model.crop(frame, np.array([[-20.0, 10, 101, 41]]))
    height, width = model.input_size
    assert pixels.shape == (1, height, width, 3)
    box = np.array([0, 10, 100, 40])
    extent = 1.25 * box[2] * np.array([1, height / width])
    corner = crops.transform(crops.invert(matrices), np.zeros((1, 1, 2)))[0, 0]
    np.testing.assert_allclose(corner, [50, 30] - extent / 2, atol=1e-4)
    far = crops.transform(crops.invert(matrices), np.array([[[width - udp, height - udp]]]))[0, 0]
    np.testing.assert_allclose(far, [50, 30] + extent / 2, atol=1e-4)


def test_bfloat16_gives_exact_heatmaps() -> None:
    """The last layer computes in float32, so peaks are not rounded to bfloat16's steps."""
    model = build("hrformer_s").eval().to(torch.bfloat16)
    with torch.inference_mode():
        heatmaps = model(torch.randn(1, 3, 64, 64))
    assert heatmaps.dtype == torch.float32
    assert (heatmaps != heatmaps.bfloat16().float()).any()
