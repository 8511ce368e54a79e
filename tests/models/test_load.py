"""Names and weights -> networks that are ready for use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from aptv2.errors import InputError
from aptv2.models import load_detector, load_pose_model, load_tracker
from aptv2.models.devices import fast_dtype
from aptv2.models.lite.network import LiteNetwork, LitePose
from aptv2.models.registry import build
from aptv2.weights import write_weights
from aptv2.weights.mmpose import to_mmpose

LOADERS = [load_pose_model, load_detector, load_tracker]
FRAME = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
BOXES = np.array([[10, 10, 40, 30], [0, 0, 79, 59.0]])


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, network: LiteNetwork) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    write_weights(path, network.state_dict(), {"recipe": "none"})
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of mmpose 0.x, as it saves them."""
    torch.manual_seed(0)
    state = to_mmpose(build("hrformer_s").state_dict())
    path = tmp_path_factory.mktemp("mmpose") / "hrformer.pth"
    torch.save({"meta": {"epoch": 210}, "state_dict": state, "optimizer": {}}, path)
    return path


class TestPoseModel:
    def test_is_ready_for_use(self, saved: Path) -> None:
        model = load_pose_model("lite", saved, "cpu")
        assert isinstance(model, nn.Module)
        assert model.input_size == (256, 256)
        assert not any(m.training for m in model.modules())
        assert not any(p.requires_grad for p in model.parameters())
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        heatmaps = model(torch.zeros(1, 3, 256, 256))
        assert heatmaps.shape == (1, 17, 64, 64)
        assert model.forward_flip(torch.zeros(1, 3, 256, 256)).shape == (1, 17, 64, 64)

    def test_is_the_network_that_was_saved(self, saved: Path, network: LiteNetwork) -> None:
        """Fused, in half precision on the way, and in another memory layout."""
        found = load_pose_model("lite", str(saved), "cpu").predict(FRAME, BOXES)
        expected = LitePose(network).predict(FRAME, BOXES)
        assert found.shape == (2, 17, 3)
        np.testing.assert_allclose(found[..., 2], expected[..., 2], rtol=0.1)
        assert np.median(np.abs(found - expected)[..., :2]) < 0.5

    def test_bfloat16_is_nearly_float32(self, saved: Path) -> None:
        exact = load_pose_model("lite", saved, "cpu")
        rough = load_pose_model("lite", saved, "cpu", "bfloat16")
        assert {p.dtype for p in rough.parameters()} == {torch.bfloat16}
        found, expected = rough.predict(FRAME, BOXES), exact.predict(FRAME, BOXES)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[..., 2], expected[..., 2], rtol=0.3)

    def test_auto_takes_what_the_machine_is_fast_with(self, saved: Path) -> None:
        model = load_pose_model("lite", saved, "cpu", "auto")
        assert {p.dtype for p in model.parameters()} == {fast_dtype(torch.device("cpu"))}


def test_the_heads_share_one_backbone(saved: Path) -> None:
    pose, detector, tracker = (
        loader(name="lite", weights=saved, device="cpu") for loader in LOADERS
    )
    assert pose.backbone is detector.backbone is tracker.backbone


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path, network: LiteNetwork) -> None:
    path = tmp_path / "net.safetensors"
    state = network.state_dict()
    write_weights(path, state)
    before = load_pose_model("lite", path, "cpu").predict(FRAME, BOXES)
    state["pose.heatmaps.bias"] = state["pose.visible.bias"] = torch.full((17,), 3.0)
    write_weights(path, state)
    after = load_pose_model("lite", path, "cpu").predict(FRAME, BOXES)
    assert (after[..., 2] > before[..., 2]).all()


@pytest.mark.parametrize("loader", LOADERS)
class TestRefused:
    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("lit", "there is no network 'lit'; did you mean 'lite'"),
            ("LITE ", "there is no network 'LITE '"),
            ("sam", "there is no network 'sam'; known: lite"),
            ("", "there is no network ''; known: lite"),
        ],
    )
    def test_names(self, loader: Callable, name: str, said: str) -> None:
        with pytest.raises(InputError, match=said):
            loader(name)

    def test_a_missing_file(self, loader: Callable, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"gone\.pth: there is no such weights file"):
            loader("lite", tmp_path / "gone.pth")

    def test_weights_of_another_network(
        self, loader: Callable, tmp_path: Path, network: LiteNetwork
    ) -> None:
        path = tmp_path / "half.safetensors"
        write_weights(path, network.backbone.state_dict())
        with pytest.raises(InputError, match=r"half\.safetensors: does not fit this network"):
            loader("lite", path)

    @pytest.mark.parametrize(
        "wrong", [{"dtype": "float99"}, {"dtype": "load"}, {"device": "toaster"}]
    )
    def test_settings(self, loader: Callable, wrong: dict[str, str]) -> None:
        with pytest.raises(InputError, match=next(iter(wrong.values()))):
            loader("lite", "random", **wrong)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there() -> None:
    with pytest.raises(InputError, match="cuda"):
        load_pose_model("lite", "random", "cuda")


class TestPaper:
    """Networks of the paper; that they compute what they should is in `test_paper.py`."""

    def test_a_checkpoint_of_mmpose_is_ready_for_use(self, checkpoint: Path) -> None:
        model = load_pose_model("hrformer_s", checkpoint, "cpu")
        assert not any(m.training for m in model.modules())
        assert not any(p.requires_grad for p in model.parameters())
        saved = torch.load(checkpoint, weights_only=True)["state_dict"]
        found = to_mmpose(model.state_dict())
        assert found.keys() == saved.keys()
        for name, tensor in saved.items():
            assert torch.equal(found[name], tensor)

    def test_training_is_laid_out_channels_first(self, checkpoint: Path) -> None:
        model = load_pose_model("hrformer_s", checkpoint, "cpu")
        kernel = model.backbone.conv2.weight
        assert kernel.is_contiguous(memory_format=torch.channels_last)
        model.train()
        assert kernel.is_contiguous()

    def test_bfloat16(self, checkpoint: Path) -> None:
        model = load_pose_model("hrformer_s", checkpoint, "cpu", "bfloat16")
        assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
        assert model.predict(FRAME, BOXES).dtype == np.float32

    def test_another_networks_weights_are_refused(self, checkpoint: Path) -> None:
        with pytest.raises(InputError, match=r"hrformer\.pth: .*HRFormer-S"):
            load_pose_model("hrnet_w32", checkpoint)

    def test_without_weights_it_says_how_to_get_them(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("APTV2_CACHE", str(tmp_path))
        with pytest.raises(InputError, match=r"no weights of .* are here yet: aptv2 weights pull"):
            load_pose_model("hrnet_w32")

    @pytest.mark.parametrize(
        ("name", "near"), [("hrnet", "hrnet_w32"), ("vitpose-b", "vitpose_b"), ("res5", "res50")]
    )
    def test_the_nearest_name_is_said(self, name: str, near: str) -> None:
        with pytest.raises(InputError, match=f"'{name}'; did you mean '{near[:5]}"):
            load_pose_model(name)


def test_random_weights_give_poses() -> None:
    found = load_pose_model("lite", "random", "cpu").predict(FRAME, BOXES)
    assert np.isfinite(found).all()
    assert found.shape == (2, 17, 3)
