"""Targets and losses of the ViT trackers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aptv2.codecs import UDP
from aptv2.models.lite.tracking import centre_boxes
from aptv2.models.network import Objective
from aptv2.models.registry import build
from aptv2.models.trackers import losses as tracker_losses
from aptv2.models.trackers.vitposetrack import ViTPoseTrack


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


class TestSearch:
    """Targets of the ViT trackers."""

    @given(st.integers(0, 1000))
    def test_targets_lead_back_to_the_box(self, seed: int) -> None:
        """The peak's cell, with the sizes and offsets that cost nothing, is the box."""
        rng = np.random.default_rng(seed)
        middle, sides = rng.uniform(0.05, 0.9, (4, 2)), rng.uniform(0.02, 0.9, (4, 2))
        boxes = torch.from_numpy(np.concatenate([middle, sides], axis=1)).float()
        spots, cell = tracker_losses.score_targets(boxes, 16)
        peak = spots.flatten(1).argmax(dim=1)
        assert torch.equal(torch.stack([peak % 16, peak // 16], dim=1), cell)
        assert torch.equal(spots.flatten(1).amax(dim=1), torch.ones(4))
        offset = boxes[:, :2] * 16 - cell
        assert (offset.abs() <= 0.5).all()
        maps = [each[:, :, None, None].expand(4, 2, 16, 16) for each in (boxes[:, 2:], offset)]
        found = centre_boxes(*maps)[torch.arange(4), :, cell[:, 1], cell[:, 0]]
        torch.testing.assert_close(found, boxes)

    @given(st.floats(0.3, 16), st.floats(0.3, 16))
    def test_the_radius_is_centernets(self, width: float, height: float) -> None:
        roots = []
        for a, b, c in (
            (1.0, height + width, width * height * 0.3 / 1.7),
            (4.0, 2 * (height + width), 0.3 * width * height),
            (2.8, -1.4 * (height + width), -0.3 * width * height),
        ):
            roots.append((b + math.sqrt(b * b - 4 * a * c)) / 2)
        found = float(tracker_losses.centre_radius(torch.tensor([[width, height]])))
        assert found == max(0, math.floor(min(roots))) or min(roots) % 1 < 1e-4

    def test_the_gaussian_by_hand(self) -> None:
        """A box of 4 x 4 cells: a radius of 1, so a deviation of half a cell."""
        spots, _ = tracker_losses.score_targets(torch.tensor([[0.5, 0.25, 0.25, 0.25]]), 16)
        assert spots[0, 4, 8] == 1
        assert float(spots[0, 4, 9]) == pytest.approx(math.exp(-2), rel=1e-5)
        assert float(spots[0, 5, 9]) == pytest.approx(math.exp(-4), rel=1e-5)
        assert int((spots > 0).sum()) == 9

    def test_best_beside(self) -> None:
        scores = torch.zeros(2, 16, 16)
        scores[:, 0, 15] = 0.9  # the best of all is far away
        scores[0, 7, 6] = 0.3
        scores[1, 14, 0] = 0.2
        cell = torch.tensor([[7, 6], [0, 15]])
        assert tracker_losses.best_beside(scores, cell).tolist() == [[6, 7], [0, 14]]

    @pytest.fixture(scope="class")
    def small(self) -> ViTPoseTrack:
        torch.manual_seed(0)
        network = build("vitposetrack_s", drop_path=0.0)
        assert isinstance(network, ViTPoseTrack)
        return network

    def batch(self) -> dict[str, Tensor]:
        keypoints = 63 * torch.rand(2, 17, 2, generator=generator())
        pixels = (
            torch.randint(0, 256, (2, side, side, 3), dtype=torch.uint8, generator=generator())
            for side in (128, 256)
        )
        return {
            **dict(zip(("template", "search"), pixels, strict=True)),
            "box": torch.tensor([[0.5, 0.5, 0.2, 0.3], [0.3, 0.6, 0.3, 0.2]]),
            "present": torch.tensor([1.0, 0]),
            "keypoints": keypoints,
            "labelled": torch.tensor([[1.0] * 17, [0.0] * 17]),
        }

    def test_fused_pose_reaches_the_decoder_and_leaves_its_norms(self, small: ViTPoseTrack) -> None:
        before = {name: each.clone() for name, each in small.pose.named_buffers()}
        small.loss("tracking", self.batch(), Objective(UDP, 1.0)).backward()
        assert all(p.grad is not None for p in small.pose.parameters())
        assert all(torch.equal(each, before[name]) for name, each in small.pose.named_buffers())
        assert small.pose.training

    def test_an_absent_object_has_no_box(self, small: ViTPoseTrack) -> None:
        batch = self.batch()
        batch["present"][:] = 0
        small.zero_grad()
        small.loss("tracking", batch, Objective(UDP)).backward()
        for name, parameter in small.centre.named_parameters():
            gradient = 0 if parameter.grad is None else float(parameter.grad.abs().max())
            assert (gradient > 0) == name.startswith("score"), name
