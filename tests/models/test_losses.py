"""Losses against their formulas, and gradients through the real network."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import generalized_box_iou

from aptv2.codecs.heatmaps import gaussian_heatmaps
from aptv2.models.lite import losses
from aptv2.models.lite.losses import LOSSES
from aptv2.models.lite.network import LiteNetwork
from aptv2.models.lite.pose import SIGMA
from aptv2.models.losses import centre_focal_loss
from aptv2.training.data.detection import detection_targets


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def network(pose: Any = None, **heads: Any) -> SimpleNamespace:
    """A network whose heads answer what a test wants."""
    search = SimpleNamespace(backbone=lambda images: [images], **heads)
    return SimpleNamespace(pose=pose, search=search)


class TestFocal:
    @given(st.integers(0, 1000), st.floats(-4, 4))
    def test_the_formula(self, seed: int, offset: float) -> None:
        rng = np.random.default_rng(seed)
        logits = rng.normal(offset, 2, (2, 4, 5))
        targets = rng.uniform(0, 0.99, (2, 4, 5))
        targets[0, 1, 2] = targets[0, 3, 3] = targets[1, 0, 0] = 1
        counted = rng.random((2, 4, 5)) < 0.8
        expected = 0.0
        for place in zip(*np.nonzero(counted), strict=True):
            score = 1 / (1 + math.exp(-logits[place]))
            if targets[place] == 1:
                expected -= (1 - score) ** 2 * math.log(score)
            else:
                expected -= (1 - targets[place]) ** 4 * score**2 * math.log(1 - score)
        found = centre_focal_loss(
            *(torch.from_numpy(each).float() for each in (logits, targets)),
            torch.from_numpy(counted),
        )
        assert float(found) == pytest.approx(expected / 3, rel=1e-3)

    def test_sure_and_right_costs_nothing(self) -> None:
        targets = torch.zeros(1, 4, 4)
        targets[0, 2, 1] = 1
        everywhere = torch.ones(1, 4, 4, dtype=torch.bool)
        assert centre_focal_loss(60 * targets - 30, targets, everywhere) < 1e-6
        assert centre_focal_loss(30 - 60 * targets, targets, everywhere) > 100

    def test_nothing_counts(self) -> None:
        logits = torch.full((1, 4, 4), 50.0)
        loss = centre_focal_loss(logits, logits * 0, torch.zeros(1, 4, 4, dtype=torch.bool))
        assert loss == 0


class TestPose:
    SIZE = (16, 16)

    def batch(self, seen: Tensor) -> dict[str, Tensor]:
        keypoints = torch.rand(2, 3, 2, generator=generator()) * 15
        return {
            "image": torch.zeros(2, 64, 64, 3, dtype=torch.uint8),
            "keypoints": keypoints,
            "seen": seen,
            "certain": torch.ones_like(seen),
        }

    def test_the_formula(self) -> None:
        seen = torch.tensor([[1.0, 1, 0], [0, 1, 1]])
        batch = self.batch(seen)
        logits = torch.randn(2, 3, *self.SIZE, generator=generator())
        visible = torch.randn(2, 3, generator=generator())
        found = losses.pose_loss(network(pose=lambda _: (logits, visible)), batch)
        y, x = np.mgrid[:16, :16]
        where = whether = 0.0
        for n in range(2):
            for k in range(3):
                jx, jy = batch["keypoints"][n, k].tolist()
                target = np.exp(-((x - jx) ** 2 + (y - jy) ** 2) / (2 * SIGMA**2))
                scores = logits[n, k].double().numpy()
                log = scores - np.log(np.exp(scores).sum())
                where -= float(seen[n, k]) * (target / target.sum() * log).sum()
                chance = 1 / (1 + math.exp(-float(visible[n, k])))
                whether -= math.log(chance if seen[n, k] else 1 - chance)
        assert float(found) == pytest.approx(where / 4 + whether / 6, rel=1e-4)

    def test_nothing_is_better_than_the_target_itself(self) -> None:
        batch = self.batch(torch.ones(2, 3))
        perfect = gaussian_heatmaps(batch["keypoints"], self.SIZE, SIGMA).clamp_min(1e-30).log()
        visible = torch.full((2, 3), 20.0)
        best = losses.pose_loss(network(pose=lambda _: (perfect, visible)), batch)
        for seed in range(5):
            noise = 0.3 * torch.randn(perfect.shape, generator=torch.Generator().manual_seed(seed))
            worse = losses.pose_loss(network(pose=lambda _, n=noise: (perfect + n, visible)), batch)
            assert worse > best

    def test_unseen_keypoints_say_nothing_of_their_place(self) -> None:
        seen = torch.tensor([[1.0, 0, 0], [0, 0, 1]])
        batch = self.batch(seen)
        batch["keypoints"][seen == 0] = -500
        logits = torch.randn(2, 3, *self.SIZE, generator=generator(), requires_grad=True)
        loss = losses.pose_loss(network(pose=lambda _: (logits, torch.zeros(2, 3))), batch)
        loss.backward()
        gradient = logits.grad.abs().sum(dim=(2, 3))
        assert torch.equal(gradient > 0, seen > 0)

    def test_nothing_seen(self) -> None:
        batch = self.batch(torch.zeros(2, 3))
        answer = torch.zeros(2, 3, *self.SIZE), torch.full((2, 3), -40.0)
        assert losses.pose_loss(network(pose=lambda _: answer), batch) < 1e-6


class TestDetection:
    BOX = (16.0, 24, 48, 32, 1)
    CELL = (4, 4)  # row and column of a cell inside of it

    def batch(self, known: float, box: tuple[float, ...] = BOX) -> dict[str, Tensor]:
        sample = detection_targets(
            np.array([box], np.float32), np.full((12, 16), known, np.float32)
        )
        batch = {name: torch.from_numpy(value)[None] for name, value in sample.items()}
        return {**batch, "image": torch.zeros(1, 96, 128, 3, dtype=torch.uint8)}

    def loss(self, batch: dict[str, Tensor], logits: Tensor, sides: Tensor) -> float:
        return float(losses.detection_loss(network(detection=lambda _: (logits, sides)), batch))

    def calm(self) -> Tensor:
        """Sure of the one cell, and that nothing else is there."""
        logits = torch.full((1, 1, 12, 16), -30.0)
        logits[0, 0][self.CELL] = 30
        return logits

    def sides(self, box: tuple[float, ...] = BOX[:4]) -> Tensor:
        """The one cell finds a box, the others one far away."""
        sides = torch.ones(1, 4, 12, 16)
        row, column = self.CELL
        x, y, w, h = box
        cell_x, cell_y = 8 * column + 3.5, 8 * row + 3.5
        sides[0, :, row, column] = torch.tensor(
            [cell_x - x, cell_y - y, x + w - cell_x, y + h - cell_y]
        )
        return sides

    def test_sure_of_a_perfect_box_costs_nothing(self) -> None:
        assert self.loss(self.batch(1.0), self.calm(), self.sides()) < 1e-4

    def test_boxes_count_by_generalised_overlap(self) -> None:
        """A cell that scores as its box overlaps costs only that it does not overlap more."""
        wanted, found = torch.tensor([[16.0, 24, 64, 56]]), torch.tensor([[16.0, 24, 64, 64]])
        overlap = 0.8
        logits = self.calm()
        logits[0, 0][self.CELL] = math.log(overlap / (1 - overlap))
        cost = self.loss(self.batch(1.0), logits, self.sides((16.0, 24, 48, 40)))
        # Their sum is below one animal, which the parts are divided by then.
        expected = losses.BOX_WEIGHT * overlap * (1 - float(generalized_box_iou(found, wanted)))
        assert cost == pytest.approx(expected, rel=1e-3)

    def test_a_score_is_wanted_as_high_as_the_overlap(self) -> None:
        sides = self.sides((16.0, 24, 48, 40))
        costs = []
        for score in (0.5, 0.7, 0.8, 0.9, 0.99):
            logits = self.calm()
            logits[0, 0][self.CELL] = math.log(score / (1 - score))
            costs.append(self.loss(self.batch(1.0), logits, sides))
        assert int(np.argmin(costs)) == 2

    @pytest.mark.parametrize(
        ("known", "logit", "punished"),
        [(1.0, 3.0, True), (0.5, 3.0, False), (0.5, -1.0, True), (0.0, 3.0, False)],
        ids=["no animal there", "perhaps one without a box", "unsure anyway", "cut off"],
    )
    def test_confident_where_no_box_is(self, known: float, logit: float, punished: bool) -> None:
        batch = self.batch(known)
        startled = self.calm()
        startled[0, 0, 9, 13] = logit
        calm = self.loss(batch, self.calm(), self.sides())
        difference = self.loss(batch, startled, self.sides()) - calm
        assert (difference > 0.01) == punished
        assert abs(difference) < 1e-4 or punished

    def test_a_second_detection_in_a_box_is_punished(self) -> None:
        """It is a part of the animal, and no other without a box."""
        startled = self.calm()
        startled[0, 0, 5, 6] = 3
        assert self.loss(self.batch(0.5), startled, self.sides()) > 0.5

    def test_no_animals(self) -> None:
        batch = self.batch(1.0, (0, 0, 1, 1, 0.0))
        loss = self.loss(batch, torch.full((1, 1, 12, 16), -30.0), torch.ones(1, 4, 12, 16))
        assert abs(loss) < 1e-6


class TestTracking:
    BOXES = torch.tensor([[0.3, 0.2, 0.5, 0.6], [0.1, 0.5, 0.4, 0.9]])

    def batch(self, present: list[float]) -> dict[str, Tensor]:
        """One search picture with two templates."""
        return {
            "template": torch.zeros(1, 2, 32, 32, 3, dtype=torch.uint8),
            "search": torch.zeros(1, 32, 32, 3, dtype=torch.uint8),
            "template_box": self.BOXES[None],
            "search_box": self.BOXES[None],
            "present": torch.tensor([present]),
        }

    def perfect(self) -> tuple[Tensor, Tensor, Tensor]:
        logits = torch.randn(2, 1, 16, 16, generator=generator())
        centre = (self.BOXES[:, :2] + self.BOXES[:, 2:]) / 2 * 16
        size = (self.BOXES[:, 2:] - self.BOXES[:, :2])[..., None, None].expand(2, 2, 16, 16)
        offset = (centre - centre.floor())[..., None, None].expand(2, 2, 16, 16)
        return logits, size, offset

    def loss(self, batch: dict[str, Tensor], answer: tuple[Tensor, ...]) -> float:
        class Head:
            def template(self, features: list[Tensor], boxes: Tensor) -> Tensor:
                return boxes

            def __call__(self, template: Tensor, features: list[Tensor]) -> tuple[Tensor, ...]:
                return answer

        return float(losses.tracking_loss(network(tracking=Head()), batch))

    def focal(self, logits: Tensor, present: list[float]) -> float:
        targets = torch.zeros(2, 16, 16)
        y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
        # Centres 0.4, 0.4 and 0.25, 0.7: cells 6, 6 and 4, 11.
        for row, (column, line) in enumerate([(6, 6), (4, 11)]):
            spot = torch.exp(-((x - column) ** 2 + (y - line) ** 2) / 2)
            targets[row] = present[row] * spot
        everywhere = torch.ones(2, 16, 16, dtype=torch.bool)
        return float(centre_focal_loss(logits[:, 0], targets, everywhere))

    @pytest.mark.parametrize("present", [[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    def test_perfect_boxes_leave_the_score(self, present: list[float]) -> None:
        answer = self.perfect()
        expected = self.focal(answer[0], present)
        assert self.loss(self.batch(present), answer) == pytest.approx(expected, rel=1e-4)

    def test_boxes_count_by_overlap_and_distance(self) -> None:
        logits, size, offset = self.perfect()
        off = size + torch.tensor([0.1, 0.0])[None, :, None, None]
        expected = 0.0
        for box in self.BOXES:
            wide = box + torch.tensor([-0.05, 0, 0.05, 0])
            overlap = float(generalized_box_iou(wide[None], box[None]))
            expected += (2 * (1 - overlap) + 5 * 0.1 / 4) / 2
        both, one = self.batch([1.0, 1.0]), self.batch([1.0, 0.0])
        plus = self.loss(both, (logits, off, offset)) - self.loss(both, (logits, size, offset))
        assert plus == pytest.approx(expected, rel=1e-3)
        off[1] = 0.9  # of an absent animal, the box does not matter
        changed = size.clone()
        changed[1] = off[1]
        assert self.loss(one, (logits, changed, offset)) == pytest.approx(
            self.loss(one, (logits, size, offset))
        )


@pytest.fixture(scope="module")
def lite() -> LiteNetwork:
    torch.manual_seed(0)
    return LiteNetwork().train()


class TestGradients:
    def batch(self, task: str) -> dict[str, Tensor]:
        def picture(side: int) -> Tensor:
            return torch.randint(
                0, 256, (2, side, side, 3), dtype=torch.uint8, generator=generator()
            )

        if task == "pose":
            keypoints = 15 * torch.rand(2, 17, 2, generator=generator())
            known = {"seen": torch.ones(2, 17), "certain": torch.ones(2, 17)}
            return {"image": picture(64), "keypoints": keypoints, **known}
        if task == "detection":
            boxes = np.array([[8, 8, 30, 40, 1]], np.float32)
            sample = detection_targets(boxes, np.ones((8, 8), np.float32))
            batch = {
                name: torch.from_numpy(v)[None].repeat_interleave(2, 0)
                for name, v in sample.items()
            }
            return {**batch, "image": picture(64)}
        return {
            "template": picture(128)[None],
            "search": picture(256)[:1],
            "template_box": torch.tensor([[[0.25, 0.25, 0.75, 0.75]] * 2]),
            "search_box": torch.tensor([[[0.3, 0.4, 0.5, 0.6], [0, 0, 0, 0]]]),
            "present": torch.tensor([[1.0, 0]]),
        }

    @pytest.mark.parametrize("task", LOSSES)
    def test_reach_the_backbone_and_their_own_head(self, lite: LiteNetwork, task: str) -> None:
        lite.zero_grad()
        loss = LOSSES[task](lite, self.batch(task))
        loss.backward()
        assert torch.isfinite(loss)
        reached = set()
        for name, parameter in lite.named_parameters():
            if parameter.grad is not None:
                assert torch.isfinite(parameter.grad).all(), name
                reached.add(".".join(name.split(".")[:2]))
        part, head = ("pose", "head") if task == "pose" else ("search", task)
        assert reached == {f"{part}.backbone", f"{part}.{head}"}

    def test_what_is_uncertain_costs_nothing(self, lite: LiteNetwork) -> None:
        """Whether a keypoint without a label is in sight, where it may well be."""
        batch = self.batch("pose")
        batch["seen"][:, :5] = 0
        sure = losses.pose_loss(lite, batch)
        batch["certain"][:, :5] = 0
        doubtful = losses.pose_loss(lite, batch)
        assert doubtful != sure
        batch["seen"][:, :5] = 0.5  # counts no more; the place of the keypoint is another matter
        batch["certain"][:, :5] = 0
        lite.zero_grad()
        loss = losses.pose_loss(
            lite, {**batch, "seen": batch["seen"] * 0, "certain": batch["certain"]}
        )
        loss.backward()
        bias = lite.pose.head.visible.bias.grad
        assert not bias[:5].any()
        assert bias[5:].all()
