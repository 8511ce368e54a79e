"""ViTPoseTrack: what its tasks share, poses on the way, and ViTPose's weights in it."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

import aptv2
from aptv2 import crops
from aptv2.codecs import UDP
from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.models.backbones.vit import PatchEmbed
from aptv2.models.pose.base import normalise
from aptv2.models.trackers.initial import load_initial_tracker_weights
from aptv2.models.trackers.vit_tracker import ViTTracker, _keypoints_inside, crop_squares
from aptv2.models.trackers.vitposetrack import SharedPose, ViTPoseTrack
from aptv2.models.trackers.vittrack import Backbone
from aptv2.skeleton import ANIMAL17
from aptv2.weights import write_weights

SIZE = (240, 320)
BOX = np.array([[120.0, 80, 60, 48]])


@pytest.fixture(scope="module")
def network() -> ViTPoseTrack:
    torch.manual_seed(0)
    backbone = Backbone(PatchEmbed(48, padding=0), 48, depth=2, heads=4, drop_path=0.0)
    return ViTPoseTrack(backbone, 48, ANIMAL17, overlap=2).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8))


class TestShapes:
    def test_fused_maps_are_those_of_following_alone(self, network: ViTPoseTrack) -> None:
        template, search = torch.randn(2, 3, 128, 128), torch.randn(2, 3, 256, 256)
        maps, heatmaps = network.forward_fused(template, search)
        assert heatmaps.shape == (2, 17, 64, 64)
        for each, other in zip(maps, network(template, search), strict=True):
            assert torch.equal(each, other)
            assert each.shape[2:] == (16, 16)

    def test_the_pose_part_is_a_pose_model(
        self, network: ViTPoseTrack, frames: list[np.ndarray]
    ) -> None:
        pose = SharedPose(network).eval()
        assert (pose.input_size, pose.codec) == ((256, 192), UDP)
        assert pose(torch.randn(2, 3, 256, 192)).shape == (2, 17, 64, 48)
        assert pose.predict(frames[0], BOX, flip=True).shape == (1, 17, 3)

    @pytest.mark.parametrize(
        ("name", "share"),
        [("vitposetrack_s", 0.77), ("vitposetrack_b", 0.89), ("vitposetrack_l", 0.96)],
    )
    def test_only_few_parts_belong_to_one_task(self, name: str, share: float) -> None:
        with torch.device("meta"):
            parts = dict(registry.build(name).named_parameters())
        owners = {name.split(".")[0] for name in parts}
        assert owners == {"backbone", "positions", "centre", "pose"}
        shared = sum(p.numel() for key, p in parts.items() if key.startswith("backbone."))
        assert round(shared / sum(p.numel() for p in parts.values()), 2) == share


class TestFused:
    def test_keypoints_lie_in_the_animals_own_place(
        self, network: ViTPoseTrack, frames: list[np.ndarray]
    ) -> None:
        network = copy.deepcopy(network)
        network.centre.size[-1].bias.fill_(-2)  # boxes that stay well inside the frame
        tracker = ViTTracker(network, pose=True)
        tracker.start(frames[0], np.concatenate([BOX, BOX - [30, 20, 0, 0]]))
        for frame in frames[1:]:
            found = tracker.step(frame)[0]
            assert tracker.keypoints.shape == (2, 17, 3)
            assert tracker.keypoints.dtype == np.float32
        assert np.isfinite(tracker.keypoints).all()
        assert (found[:, :2] > 0).all()
        assert (found[:, :2] + found[:, 2:] < SIZE[::-1]).all()
        middle = found[:, :2] + found[:, 2:] / 2
        away = np.abs(tracker.keypoints[..., :2] - middle[:, None])
        assert (away < found[:, None, 2:] * crops.PADDING / 2 + 3).all()  # a heatmap's cell

    def test_a_peak_in_the_search_is_there_in_the_frame(self) -> None:
        """A heatmap cell, through the search crop, to the frame's pixel."""
        heatmaps = torch.zeros(1, 17, 64, 64)
        frame = np.zeros((*SIZE, 3), np.uint8)
        _, matrices = crop_squares(frame, BOX, 4.0, 256)
        place = np.array([[[140.0, 100.0]]])
        x, y = crops.transform(matrices, place)[0, 0] * 63 / 255
        grid = torch.arange(64.0)
        blob = torch.exp(-((grid[None] - x) ** 2 + (grid[:, None] - y) ** 2) / 8)
        heatmaps[0, :] = blob
        heatmaps[0, 3, 2, 2] = 9  # another animal's, far outside this one's box
        shares = torch.tensor([[0.5, 0.5, 0.25, 0.25]])
        keypoints = _keypoints_inside(heatmaps, shares).numpy()
        found = crops.transform(crops.invert(matrices), keypoints)
        np.testing.assert_allclose(found[0, :, :2], np.broadcast_to(place[0], (17, 2)), atol=0.5)


class TestLoading:
    def test_one_network_for_both_of_one_file(self, tmp_path: Path) -> None:
        torch.manual_seed(0)
        path = tmp_path / "s.safetensors"
        made = registry.build("vitposetrack_s")
        about = {"network": "vitposetrack_s"}
        write_weights(path, made.state_dict(), about, exact=True)
        tracker = aptv2.load_tracker("vitposetrack_s", path, device="cpu")
        pose = aptv2.load_pose_model("vitposetrack_s", path, device="cpu")
        assert pose.network is tracker.network
        assert aptv2.load_tracker(str(path), device="cpu").network is tracker.network
        for name, each in tracker.network.state_dict().items():
            assert torch.equal(each, made.state_dict()[name]), name
        with pytest.raises(InputError, match="holds ViTPoseTrack-S, not ViTTrack-B; load it as"):
            aptv2.load_tracker("vittrack_b", path)
        with pytest.raises(InputError, match="holds ViTPoseTrack-S, not ViTPose-B; load it as"):
            aptv2.load_pose_model("vitpose_b", path)

    @pytest.mark.slow
    def test_a_vitpose_as_the_initial_backbone(self, tmp_path: Path) -> None:
        """Its poses are the ViTPose's own from the start."""
        torch.manual_seed(0)
        vitpose = registry.build("vitpose_b").eval()
        path = tmp_path / "vitpose.safetensors"
        write_weights(path, vitpose.state_dict(), exact=True)
        network = registry.build("vitposetrack_b").eval()
        centre = {k: v.clone() for k, v in network.centre.state_dict().items()}
        load_initial_tracker_weights(network, "vitposetrack_b", path)
        pixels = np.random.default_rng(0).integers(0, 256, (1, 256, 192, 3), np.uint8)
        images = normalise(torch.from_numpy(pixels))
        with torch.inference_mode():
            expected, found = vitpose(images), network.forward_pose(images)
        assert (found - expected).abs().max() <= 1e-4 * expected.std()
        assert all(torch.equal(v, centre[k]) for k, v in network.centre.state_dict().items())
        large = registry.build("vitposetrack_s")
        with pytest.raises(
            InputError, match="ViTPose-B, whose backbone is not that of ViTPoseTrack-S"
        ):
            load_initial_tracker_weights(large, "vitposetrack_s", path)
