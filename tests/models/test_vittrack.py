"""ViTTrack against OSTrack as it is published, re-implemented from its description alone.

The network of most tests is OSTrack's in all but width and depth; the slow ones take ViT-B.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from ostrack_reference import DEPTH, HEADS, WIDTH, Reference, Shapes, State, small, state_of

import aptv2
from aptv2 import crops
from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.models.backbones.vit import PatchEmbed
from aptv2.models.trackers.base import LOST
from aptv2.models.trackers.vit_tracker import (
    ViTTracker,
    box_shares,
    crop_sides,
    crop_squares,
    frame_boxes,
)
from aptv2.models.trackers.vittrack import Backbone, ViTTrack
from aptv2.weights.files import load_weights
from aptv2.weights.ostrack import from_ostrack

BAR = 1e-5  # of the standard deviation
BOXES = [[100, 80, 60, 40], [10.3, 5.7, 33.1, 80.9], [250, 150, 69.5, 88.25], [120.5, 60.5, 31, 47]]


@pytest.fixture(scope="module")
def official(manifest: Callable[[str], dict[str, list[Any]]]) -> Shapes:
    return {name: tuple(shape) for name, (shape, _) in manifest("ostrack_vitb256").items()}


def narrow() -> ViTTrack:
    return ViTTrack(Backbone(PatchEmbed(WIDTH, padding=0), WIDTH, DEPTH, HEADS, 0.0), WIDTH)


@pytest.fixture(scope="module")
def state(official: Shapes) -> State:
    made = state_of(small(official))
    # Boxes about as large as the animal; at half of the search each would soon fill the frame.
    made["box_head.conv5_size.bias"] = made["box_head.conv5_size.bias"] - 1.3
    return made


@pytest.fixture(scope="module")
def network(state: State) -> ViTTrack:
    model = narrow()
    load_weights(model, from_ostrack(state), "test")
    return model.eval().requires_grad_(False)


@pytest.fixture
def tracker(network: ViTTrack) -> ViTTracker:
    return ViTTracker(network)


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    """Ten frames of coarse noise that moves."""
    rng = np.random.default_rng(0)
    whole = cv2.resize(rng.integers(0, 256, (30, 40, 3), np.uint8), (400, 300))
    return [
        np.ascontiguousarray(whole[2 * t : 2 * t + 240, 3 * t : 3 * t + 320]) for t in range(10)
    ]


class TestOSTrack:
    @pytest.mark.parametrize("box", BOXES)
    def test_nine_steps(
        self, state: State, tracker: ViTTracker, frames: list[np.ndarray], box: list[float]
    ) -> None:
        reference = Reference(state, HEADS)
        reference.start(frames[0], box)
        tracker.start(frames[0], np.array([box]))
        expected, found = [], []
        for frame in frames[1:]:
            expected.append(reference.step(frame))
            boxes, scores = tracker.step(frame)
            found.append(boxes[0])
            assert LOST < scores[0] <= 1
            assert boxes.dtype == scores.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=BAR * np.std(expected), rtol=0)
        assert len({tuple(each) for each in expected}) > 5  # it moves

    def test_maps(self, state: State, network: ViTTrack) -> None:
        generator = torch.Generator().manual_seed(0)
        template = torch.randn(3, 3, 128, 128, generator=generator)
        search = torch.randn(3, 3, 256, 256, generator=generator)
        for found, *expected in zip(
            network(template, search),
            *(Reference(state, HEADS).maps(*pair) for pair in zip(template, search, strict=True)),
            strict=True,
        ):
            expected = torch.cat(expected)
            assert found.dtype == torch.float32
            assert (found - expected).abs().max() <= BAR * expected.std()

    @pytest.mark.slow
    def test_vit_b_from_a_checkpoint(
        self, official: Shapes, frames: list[np.ndarray], tmp_path: Path
    ) -> None:
        state = state_of(official)
        torch.save({"epoch": 300, "net": state, "net_type": "OSTrack"}, tmp_path / "net.pth.tar")
        tracker = aptv2.load_tracker("vittrack_b", tmp_path / "net.pth.tar", device="cpu")
        reference = Reference(state, 12)
        reference.start(frames[0], BOXES[0])
        tracker.start(frames[0], np.array(BOXES[:1]))
        expected, found = [], []
        for frame in frames[1:]:
            expected.append(reference.step(frame))
            found.append(tracker.step(frame)[0][0])
        np.testing.assert_allclose(found, expected, atol=BAR * np.std(expected), rtol=0)
        # In float32 the maps' last digits are coarser than BAR of what little they vary by.
        exact = Reference({name: each.double() for name, each in state.items()}, 12)
        template = reference.template.double()
        search = Reference.crop(frames[3], BOXES[0], 4.0, 256)[0].double()
        with torch.inference_mode():
            maps = tracker.network.double()(template[None], search[None])
        for each, other in zip(maps, exact.maps(template, search), strict=True):
            assert each.dtype == torch.float64
            assert (each - other).abs().max() <= 1e-10 * other.std()


class TestCrops:
    @pytest.mark.parametrize("factor", [2.0, 4.0])
    @pytest.mark.parametrize(
        "box", [*BOXES, [300, 220, 60, 60], [-20, -30, 31, 44.7], [0, 0, 1, 1]]
    )
    def test_are_ostracks(self, frames: list[np.ndarray], box: list[float], factor: float) -> None:
        expected, _ = Reference.crop(frames[0], box, factor, 128)
        pixels, _ = crop_squares(frames[0], np.array([box]), factor, 128)
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        restored = np.rint((expected.permute(1, 2, 0).numpy() * std + mean) * 255)
        np.testing.assert_array_equal(pixels[0], restored)

    def test_transforms_follow_the_pixels(self) -> None:
        frame = np.zeros((200, 300, 3), np.uint8)
        frame[90, 120] = 255
        pixels, matrices = crop_squares(frame, np.array([[100, 70, 40, 30]]), 2.0, 140)
        place = np.array([[120, 90]])
        found = crops.transform(matrices, place[None])[0, 0]
        weights = pixels[0, ..., 0].astype(float)
        rows, columns = np.indices(weights.shape)
        centre = [(weights * columns).sum(), (weights * rows).sum()] / weights.sum()
        np.testing.assert_allclose(found, centre, atol=0.1)

    def test_one_far_too_large_takes_no_memory_of_its_size(self) -> None:
        pixels, _ = crop_squares(np.full((50, 60, 3), 9, np.uint8), [[0, 0, 1e5, 1e5]], 4.0, 64)
        assert pixels.shape == (1, 64, 64, 3)

    def test_shares_and_boxes_are_inverse(self) -> None:
        rng = np.random.default_rng(0)
        around = rng.uniform(5, 100, (20, 4))
        boxes = around + rng.uniform(-4, 4, (20, 4))
        shares = box_shares(boxes, around, 4.0)
        restored = frame_boxes(shares, around, crop_sides(around, 4.0))
        np.testing.assert_allclose(restored, boxes, atol=1e-9)


class TestManyAnimals:
    def test_together_as_alone(self, network: ViTTrack, frames: list[np.ndarray]) -> None:
        together, alone = ViTTracker(network), [ViTTracker(network) for _ in BOXES]
        together.start(frames[0], np.array(BOXES))
        for each, box in zip(alone, BOXES, strict=True):
            each.start(frames[0], np.array([box]))
        for frame in frames[1:]:
            boxes, scores = together.step(frame)
            for row, each in enumerate(alone):
                box, score = each.step(frame)
                np.testing.assert_allclose(boxes[row], box[0], atol=1e-3)
                np.testing.assert_allclose(scores[row], score[0], atol=1e-5)

    def test_more_than_a_batch(
        self, network: ViTTrack, frames: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole, parts = ViTTracker(network), ViTTracker(network)
        whole.start(frames[0], np.array(BOXES))
        expected = whole.step(frames[1])
        monkeypatch.setattr("aptv2.models.trackers.vit_tracker.CPU_BATCH", 3)
        parts.start(frames[0], np.array(BOXES))
        for each, other in zip(parts.step(frames[1]), expected, strict=True):
            np.testing.assert_allclose(each, other, atol=1e-3)

    def test_it_goes_on_from_its_state(self, network: ViTTrack, frames: list[np.ndarray]) -> None:
        first, second = ViTTracker(network), ViTTracker(network)
        first.start(frames[0], np.array(BOXES))
        first.add(frames[1], np.array([[30, 40, 50, 60]]))
        first.step(frames[1])
        second.restore({name: array.copy() for name, array in first.state().items()})
        for expected, found in zip(first.step(frames[2]), second.step(frames[2]), strict=True):
            np.testing.assert_array_equal(found, expected)


class TestLoading:
    def test_a_pose_checkpoint_is_no_tracker(self, tmp_path: Path) -> None:
        with torch.device("meta"):
            shapes = {k: v.shape for k, v in registry.build("vitpose_b").state_dict().items()}
        path = tmp_path / "pose.pth"
        torch.save({k: torch.zeros(()).expand(v) for k, v in shapes.items()}, path)
        with pytest.raises(
            InputError, match=r"pose\.pth: holds ViTPose-B, which follows no animal"
        ):
            aptv2.load_tracker("vittrack_b", path)

    def test_a_tracker_reads_no_pose(self) -> None:
        with pytest.raises(InputError, match="vittrack_b follows animals and reads no poses"):
            aptv2.load_tracker("vittrack_b", "random", pose=True)

    def test_no_weights_yet(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("APTV2_CACHE", str(tmp_path))
        with pytest.raises(InputError, match="no weights of ViTTrack-B are here yet"):
            aptv2.load_tracker("vittrack_b")
