"""Following animals from a first box with the lite network, all animals in one batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from aptv2 import boxes as box_tools
from aptv2 import crops
from aptv2.models.lite.detection import candidates
from aptv2.models.lite.network import SearchPart
from aptv2.models.lite.tracking import centre_boxes, corner_form
from aptv2.models.pose.base import normalise_for
from aptv2.models.trackers.base import (
    SEARCH_FACTOR,
    SEARCH_SIZE,
    TEMPLATE_FACTOR,
    TEMPLATE_SIZE,
    Found,
    TemplateTracker,
)

SURE = 0.25  # score from which the animal is surely there
AGREEMENT = 0.6  # overlap with a detection from which the two show one animal
DETECTED = 0.15  # score of a detection that may agree
CELLS = 60  # of the detection head that may agree
VIEWS = 5  # of the first frame, from which the margins are measured
TRUSTED = 0.6  # share of a measured margin that is applied: animals change their shape
MARGIN = 0.2  # of a side, the widest


class LiteTracker(TemplateTracker):
    """Template tracker with the lite network.

    Whether a box ends at the trunk or takes in the tail is the user's to say: what the network
    would have drawn in the first frame is compared with the given box, and the difference is
    added to every later box.

    Parameters
    ----------
    part
        The part of a lite network that searches, in eval mode.
    """

    def __init__(self, part: SearchPart) -> None:
        self.backbone, self.head = part.backbone, part.tracking
        self.detection = part.detection
        cells = SEARCH_SIZE // 16
        window = torch.hann_window(cells + 2, periodic=False)[1:-1]
        self.window = window[:, None] * window[None]
        super().__init__()

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next step depends on, as arrays."""
        templates = self.templates.float().cpu().numpy()
        return super().state() | {"margins": self.margins, "templates": templates}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what :meth:`state` gave, in place of :meth:`start`."""
        super().restore(state)
        self.margins = state["margins"]
        like = next(self.head.parameters())
        self.templates = torch.from_numpy(state["templates"]).to(like)

    def _forget(self) -> None:
        super()._forget()
        self.margins = np.empty((0, 4))  # left, top, right, bottom, as shares of the sides
        self.templates = torch.empty(0)

    def _meet(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        boxes = boxes.astype(np.float32)
        templates = self._templates(frame, boxes)
        margins = self._measure_margins(frame, boxes, templates)
        self.templates = torch.cat([self.templates, templates]) if len(self.boxes) else templates
        self.margins = np.concatenate([self.margins, margins])

    @torch.inference_mode()
    def _find(self, frame: np.ndarray) -> Found:
        around = self.boxes.astype(np.float32)
        corners, scores = self._locate(frame, around, self.reach, self.templates)
        corners += self.margins * _sides(corners)
        boxes = box_tools.xyxy_to_xywh(corners)
        boxes = box_tools.clip(boxes, frame.shape[1], frame.shape[0])
        # No animal is left of a box that the frame's edge cuts off.
        there = (boxes[:, 2:] >= 2).all(axis=1)
        return Found(boxes, np.where(there, scores / SURE, 0))

    def _locate(
        self, frame: np.ndarray, boxes: np.ndarray, reach: np.ndarray, templates: Tensor
    ) -> tuple[np.ndarray, np.ndarray]:
        """Corners (N, 4) in the frame and scores (N,) of the animals that were last at `boxes`."""
        size = (SEARCH_SIZE, SEARCH_SIZE)
        centres, extents = square_frames(boxes, SEARCH_FACTOR * reach)
        matrices = crops.crop_matrices(centres, extents, size)
        pixels = torch.from_numpy(crops.sample(frame, matrices, size, None))
        features = self.backbone(normalise_for(self.head, pixels))
        logits, sizes, offsets = self.head(templates, features)
        corners, scores = self._best(logits, centre_boxes(sizes, offsets), reach)
        corners = self._agreed(corners * (SEARCH_SIZE - 1), features)
        points = crops.transform(crops.invert(matrices), corners.reshape(-1, 2, 2))
        return points.reshape(-1, 4), scores

    @torch.inference_mode()
    def _measure_margins(
        self, frame: np.ndarray, boxes: np.ndarray, templates: Tensor
    ) -> np.ndarray:
        """How far the given boxes reach beyond what the network finds there: `margins` (N, 4).

        The mean over views whose middle and scale are off, as they will be in later frames.
        """
        rng = np.random.default_rng(0)
        shift = rng.uniform(-0.25, 0.25, (VIEWS, 1, 2))
        scale = np.exp(rng.uniform(-0.15, 0.15, (VIEWS, 1, 1)))
        given = box_tools.xywh_to_xyxy(boxes)
        total, count = np.zeros((len(boxes), 4)), np.zeros((len(boxes), 1))
        for moved, grown in zip(shift, scale, strict=True):
            near = np.concatenate([boxes[:, :2] + moved * boxes[:, 2:], boxes[:, 2:] * grown], 1)
            found, _ = self._locate(frame, near, np.ones(len(boxes)), templates)
            same = box_tools.paired_iou(boxes, box_tools.xyxy_to_xywh(found)) > 0.5
            total += np.where(same[:, None], (given - found) / _sides(found).clip(1), 0)
            count += same[:, None]
        return (TRUSTED * total / count.clip(1)).clip(-MARGIN, MARGIN)

    def _best(
        self, logits: Tensor, boxes: Tensor, reach: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each animal's best cell: its corners (N, 4) as shares of the crop, and its score (N,)."""
        scores = torch.sigmoid(logits[:, 0].float())
        window = self.window.to(scores.device)
        # The longer an animal is out of sight, the less its last place says.
        trust = torch.from_numpy(1 / reach).to(scores)[:, None, None]
        cells = (scores * (trust * window + 1 - trust)).flatten(1).argmax(1)
        at = cells[:, None, None].expand(-1, 4, 1)
        found = boxes.flatten(2).gather(2, at)[..., 0]
        best = scores.flatten(1).gather(1, cells[:, None])[:, 0]
        return corner_form(found).cpu().numpy(), best.cpu().numpy()

    def _agreed(self, corners: np.ndarray, features: list[Tensor]) -> np.ndarray:
        """Corners (N, 4) in crop pixels, half-way to a detection that agrees with them.

        The detection head reads the search picture's features at no more than its own price; it
        sees finer cells, and knows how far an animal reaches.
        """
        logits, distances = self.detection(features)
        detected, scores = (x.float().cpu().numpy() for x in candidates(logits, distances, CELLS))
        agreed = corners.copy()
        for row, (own, others, score) in enumerate(zip(corners, detected, scores, strict=True)):
            overlap = box_tools.iou(
                box_tools.xyxy_to_xywh(others), box_tools.xyxy_to_xywh(own[None])
            )[:, 0]
            value = np.where((overlap > AGREEMENT) & (score > DETECTED), overlap * score, 0)
            if value.max() > 0:
                agreed[row] = (own + others[value.argmax()]) / 2
        return agreed

    @torch.inference_mode()
    def _templates(self, frame: np.ndarray, boxes: np.ndarray) -> Tensor:
        size = (TEMPLATE_SIZE, TEMPLATE_SIZE)
        centres, extents = square_frames(boxes, np.full(len(boxes), TEMPLATE_FACTOR))
        matrices = crops.crop_matrices(centres, extents, size)
        pixels = torch.from_numpy(crops.sample(frame, matrices, size, None))
        corners = box_tools.xywh_to_xyxy(boxes).reshape(-1, 2, 2)
        shares = crops.transform(matrices, corners).reshape(-1, 4) / (TEMPLATE_SIZE - 1)
        shares = shares.clip(0, 1)
        images = normalise_for(self.head, pixels)
        return self.head.template(self.backbone(images), torch.from_numpy(shares).to(images.device))


def _sides(corners: np.ndarray) -> np.ndarray:
    """Width, height, width, height of boxes (N, 4) by their corners."""
    return np.tile(corners[:, 2:] - corners[:, :2], 2)


def square_frames(boxes: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centres and extents (N, 2) of squares whose area is `factor`^2 times each box's."""
    boxes = boxes.astype(np.float64)
    side = np.maximum(np.sqrt(boxes[:, 2] * boxes[:, 3]) * factor, 4.0)
    return boxes[:, :2] + boxes[:, 2:] / 2, np.stack([side, side], axis=1)
