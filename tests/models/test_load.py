"""Names and weights -> networks that are ready for use."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from aptv2.errors import InputError
from aptv2.models import load_detector, load_pose_model, load_tracker
from aptv2.models.devices import fast_dtype
from aptv2.models.lite.network import LiteNetwork, LitePose
from aptv2.models.registry import build
from aptv2.weights import files, write_weights
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
        expected = LitePose(network.pose).predict(FRAME, BOXES)
        assert found.shape == (2, 17, 3)
        np.testing.assert_allclose(found[..., 2], expected[..., 2], rtol=0.1)
        assert np.median(np.abs(found - expected)[..., :2]) < 0.5

    def test_bfloat16_is_nearly_float32(self, saved: Path) -> None:
        exact = load_pose_model("lite", saved, "cpu")
        rough = load_pose_model("lite", saved, "cpu", "bfloat16")
        assert {p.dtype for p in rough.parameters()} == {torch.bfloat16}
        found, expected = rough.predict(FRAME, BOXES), exact.predict(FRAME, BOXES)
        assert found.dtype == np.float32
        # Chances near 0 go with more than the first power of a peak's height.
        np.testing.assert_allclose(found[..., 2], expected[..., 2], rtol=0.3, atol=0.005)

    def test_auto_takes_what_the_machine_is_fast_with(self, saved: Path) -> None:
        model = load_pose_model("lite", saved, "cpu", "auto")
        assert {p.dtype for p in model.parameters()} == {fast_dtype(torch.device("cpu"))}


def test_the_detector_and_the_tracker_share_a_backbone(saved: Path) -> None:
    detector, tracker = (loader("lite", saved, "cpu") for loader in (load_detector, load_tracker))
    assert detector.backbone is tracker.backbone
    assert tracker.detection is detector.head


class TestParts:
    """Of the file, only what is needed is read."""

    def without(self, network: LiteNetwork, part: str, folder: Path) -> Path:
        path = folder / f"no-{part}.safetensors"
        state = network.state_dict()
        write_weights(path, {n: t for n, t in state.items() if not n.startswith(f"{part}.")})
        return path

    def test_following_needs_no_pose(self, network: LiteNetwork, tmp_path: Path) -> None:
        path = self.without(network, "pose", tmp_path)
        load_tracker("lite", path, "cpu").start(FRAME, BOXES)
        load_detector("lite", path, "cpu").detect(FRAME)
        with pytest.raises(InputError, match=r"no-pose\.safetensors: does not fit this network"):
            load_pose_model("lite", path, "cpu")

    def test_pose_needs_nothing_that_searches(self, network: LiteNetwork, tmp_path: Path) -> None:
        path = self.without(network, "search", tmp_path)
        assert load_pose_model("lite", path, "cpu").predict(FRAME, BOXES).shape == (2, 17, 3)
        with pytest.raises(InputError, match="does not fit this network"):
            load_detector("lite", path, "cpu")

    def test_only_its_tensors_are_read(self, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        read: list[str] = []
        opened = files.safe_open

        @contextlib.contextmanager
        def watched(*arguments: Any, **settings: Any) -> Iterator[Any]:
            with opened(*arguments, **settings) as file:
                yield Watched(file, read)

        monkeypatch.setattr(files, "safe_open", watched)
        assert files.read_part(saved, "search").keys() == {
            name.removeprefix("search.") for name in read
        }
        assert read
        assert all(name.startswith("search.") for name in read)


class Watched:
    """An open file that notes which tensors are asked for."""

    def __init__(self, file: Any, read: list[str]) -> None:
        self.file, self.read = file, read

    def get_tensor(self, name: str) -> torch.Tensor:
        self.read.append(name)
        return self.file.get_tensor(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path, network: LiteNetwork) -> None:
    path = tmp_path / "net.safetensors"
    state = network.state_dict()
    write_weights(path, state)
    before = load_pose_model("lite", path, "cpu").predict(FRAME, BOXES)
    state["pose.head.heatmaps.bias"] = state["pose.head.visible.bias"] = torch.full((17,), 3.0)
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
        write_weights(path, network.pose.backbone.state_dict())
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
