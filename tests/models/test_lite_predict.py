"""Keypoints that a network predicts in crops lie where the frame has them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aptv2.codecs import Codec
from aptv2.models.lite.network import LiteNetwork, LitePose
from aptv2.models.pose.base import IMAGENET_MEAN, IMAGENET_STD, PoseModel, normalise


class MeanOfLight(Codec):
    """Finds the middle of the light."""

    def decode(self, heatmaps: Tensor) -> Tensor:
        light = (heatmaps - heatmaps.amin(dim=(2, 3), keepdim=True))[:, 0]
        light = light * (light > 0.3 * light.amax(dim=(1, 2), keepdim=True))
        y, x = torch.meshgrid(*(torch.arange(n) for n in light.shape[1:]), indexing="ij")
        total = light.sum(dim=(1, 2))
        middle = [(light * axis).sum(dim=(1, 2)) / total for axis in (x, y)]
        return torch.stack([*middle, total], dim=1)[:, None].repeat(1, 17, 1)


class BrightSpot(PoseModel):
    """Reads one keypoint: the light of the crop is the heatmap."""

    def __init__(self, size: tuple[int, int]) -> None:
        codec = MeanOfLight("distribution", "udp", "newton", mmpose_crops=False)
        super().__init__(size, codec=codec)
        self.number = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        light = images.mean(dim=1, keepdim=True)
        size = [side // 4 for side in self.input_size]
        # Heatmap pixels lie on the crop's grid with corner on corner.
        light = nn.functional.interpolate(light, size, mode="bilinear", align_corners=True)
        return light.repeat(1, 17, 1, 1)


class TestPredict:
    @pytest.mark.parametrize("size", [(128, 128), (128, 96)])
    @pytest.mark.parametrize("flip", [False, True])
    def test_keypoints_are_where_the_frame_has_them(
        self, size: tuple[int, int], flip: bool
    ) -> None:
        y, x = np.mgrid[:240, :320]
        spots = np.array([[80, 90], [200, 130.5]])
        frame = np.zeros((240, 320, 3), np.uint8)
        for place in spots:
            light = 255 * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * 7**2))
            frame = np.maximum(frame, light[..., None].astype(np.uint8))
        boxes = [[40, 50, 75, 110], [160, 100, 90, 60]]
        found = BrightSpot(size).predict(frame, np.array(boxes), flip)
        assert found.shape == (2, 17, 3)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[:, 0, :2], spots, atol=0.5)

    def test_more_animals_than_a_batch(self) -> None:
        frame = np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8)
        boxes = np.random.default_rng(1).uniform(5, 25, (150, 4))
        model = BrightSpot((32, 32))
        together = model.predict(frame, boxes)
        parts = [model.predict(frame, boxes[start : start + 40]) for start in range(0, 150, 40)]
        np.testing.assert_allclose(together, np.concatenate(parts), rtol=1e-4, atol=1e-3)

    @pytest.mark.parametrize("nothing", [[], np.empty((0, 4))])
    def test_no_animals(self, network: LiteNetwork, nothing: list | np.ndarray) -> None:
        found = LitePose(network.pose).predict(np.zeros((9, 9, 3), np.uint8), nothing)
        assert found.shape == (0, 17, 3)
        assert found.dtype == np.float32

    def test_normalise(self) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 5, 3), np.uint8)
        expected = (pixels / 255 - IMAGENET_MEAN) / IMAGENET_STD
        found = normalise(torch.from_numpy(pixels))
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), atol=1e-5)
