"""The weights that the package carries: they load, and they know animals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from aptv2 import boxes as box_tools
from aptv2.datasets import read_annotations
from aptv2.evaluation import score_keypoints
from aptv2.images import read_image
from aptv2.models import load_detector, load_pose_model, load_tracker
from aptv2.models.devices import fast_dtype
from aptv2.models.networks.lite import EMBEDDED
from aptv2.models.trackers.base import LOST
from aptv2.tables import PoseTable
from aptv2.testing.predict import predict_poses

MINIMUM_AP = 0.61  # on Animal-Pose's val, boxes given, flip test

pytestmark = pytest.mark.skipif(not EMBEDDED.exists(), reason="there are no weights yet")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def val(shared: Path) -> PoseTable:
    return read_annotations(shared / "data/animal_pose/val.json")


class TestFile:
    def test_is_small(self) -> None:
        assert EMBEDDED.stat().st_size < 20e6

    def test_matrices_are_half_precision(self) -> None:
        with safe_open(EMBEDDED, framework="pt") as file:
            kinds = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            for name, kind in kinds.items():
                if len(kind.get_shape()) > 1:
                    assert kind.get_dtype() == "F16", name
            assert len(kinds) > 300

    def test_all_numbers_are_finite(self) -> None:
        with safe_open(EMBEDDED, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118
                assert torch.isfinite(file.get_tensor(name).float()).all(), name

    def test_a_model_card_lies_beside_it(self) -> None:
        card = EMBEDDED.with_name("README.md").read_text(encoding="utf-8").lower()
        for subject in ("data", "recipe", "licen", "limit", "animal-pose", "davis"):
            assert subject in card


class TestLoaded:
    FRAME = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    BOXES = np.array([[10, 10, 60, 50], [0, 0, 119, 89.0]])

    @pytest.mark.parametrize("loader", [load_pose_model, load_detector, load_tracker])
    def test_by_name(self, loader: Callable) -> None:
        assert loader("lite", device="cpu") is not None

    def test_poses(self) -> None:
        model = load_pose_model("lite", device="cpu")
        found = model.predict(self.FRAME, self.BOXES)
        assert found.shape == (2, 17, 3)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()
        assert ((found[..., 2] >= 0) & (found[..., 2] <= 1)).all()
        assert model.predict(self.FRAME, np.empty((0, 4))).shape == (0, 17, 3)

    def test_flip_test_does_not_know_left_from_right(self) -> None:
        model = load_pose_model("lite", device="cpu")
        images = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
        plain, mirrored = model.forward_flip(images), model.forward_flip(images.flip(3))
        back = mirrored.flip(3)[:, model.skeleton.flip.tolist()]
        torch.testing.assert_close(back, plain, atol=1e-5, rtol=1e-3)

    def test_noise_is_no_animal(self) -> None:
        assert (load_detector("lite", device="cpu").detect(self.FRAME)[1] < 0.5).all()

    def test_a_blank_frame(self) -> None:
        boxes, scores = load_detector("lite", device="cpu").detect(np.full_like(self.FRAME, 127))
        assert len(boxes) == len(scores)
        assert (scores < 0.5).all()


@pytest.fixture(scope="module")
def photograph(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    """One picture of one large animal, and its box."""
    table = read_annotations(shared / "data/animal_pose/val.json")
    share = box_tools.area(table.boxes) / table.frames.sizes[table.frame].prod(axis=1)
    counts = np.bincount(table.frame, minlength=len(table.frames))
    good = (share > 0.25) & (share < 0.5) & (counts[table.frame] == 1)
    row = int(np.flatnonzero(good & (table.num_keypoints >= 15))[0])
    name = table.frames.names[table.frame[row]]
    return read_image(Path(table.root or ".") / name), table.boxes[row : row + 1]


class TestKnowsAnimals:
    def test_finds_one(self, photograph: tuple[np.ndarray, np.ndarray]) -> None:
        frame, box = photograph
        found, scores = load_detector("lite", device="cpu").detect(frame)
        assert box_tools.iou(box, found[:1])[0, 0] > 0.6
        assert scores[0] > 0.4

    def test_follows_one_that_the_camera_moves_over(
        self, photograph: tuple[np.ndarray, np.ndarray]
    ) -> None:
        frame, box = photograph
        tracker = load_tracker("lite", device="cpu")
        wide = np.pad(frame, ((80, 80), (80, 80), (0, 0)), mode="reflect")
        size = frame.shape[:2]
        shifts = [80 - 6 * step for step in range(8)]
        for number, shift in enumerate(shifts):
            view = np.ascontiguousarray(wide[shift : shift + size[0], shift : shift + size[1]])
            truth = box_tools.clip(box + np.array([80 - shift] * 2 + [0, 0]), size[1], size[0])
            if number == 0:
                tracker.start(view, truth)
                continue
            found, scores = tracker.step(view)
            assert box_tools.iou(truth, found)[0, 0] > 0.6
            assert scores[0] >= LOST

    @pytest.mark.slow
    def test_average_precision(self, val: PoseTable) -> None:
        model = load_pose_model("lite", device="cpu")
        flipped = score_keypoints(val, predict_poses(model, val, flip=True))
        single = score_keypoints(val, predict_poses(model, val))
        assert flipped["AP"] >= MINIMUM_AP
        assert flipped["AP"] >= single["AP"] - 0.02

    @pytest.mark.slow
    @pytest.mark.skipif(
        fast_dtype(CPU) is torch.float32, reason="the processor does not compute with bfloat16"
    )
    def test_bfloat16_scores_the_same(self, val: PoseTable) -> None:
        exact, fast = (
            score_keypoints(
                val, predict_poses(load_pose_model("lite", None, "cpu", dtype), val, flip=True)
            )
            for dtype in ("float32", "auto")
        )
        assert abs(exact["AP"] - fast["AP"]) <= 0.002
