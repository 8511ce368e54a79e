"""The losses of one-stream trackers, as OSTrack (Ye et al., ECCV 2022) has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from aptv2.models.lite.tracking import centre_boxes, corner_form
from aptv2.models.losses import centre_focal_loss
from aptv2.models.network import Batch
from aptv2.models.pose.base import normalise

if TYPE_CHECKING:
    from aptv2.models.trackers.vittrack import ViTTrack


def search_loss(
    network: ViTTrack, batch: Batch, pose: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Focal loss of the score map, generalised IoU x 2 and L1 x 5 of the box, as OSTrack.

    The box is read at the best cell beside the true centre. OSTrack reads it at the best of all,
    which is the same once the network knows where the object is, and misleads one that starts from
    nothing. Of an object that is not there, the scores alone count.

    Parameters
    ----------
    network, batch
        The tracker, and a batch of its pairs.
    pose
        The loss of the poses that the features of the search pictures hold; None for tracking
        alone.
    """
    template, search = normalise(batch["template"]), normalise(batch["search"])
    features = network.search_features(network.template_tokens(template), search)
    maps = network.centre(features)
    box, present = batch["box"], batch["present"]
    cells = maps.score.shape[2]
    spots, cell = score_targets(box, cells)
    spots = spots * present[:, None, None]
    everywhere = torch.ones_like(spots, dtype=torch.bool)
    score = centre_focal_loss(maps.score[:, 0].logit(), spots, everywhere)
    x, y = best_beside(maps.score[:, 0], cell).unbind(1)
    found = centre_boxes(maps.size, maps.offset)[torch.arange(len(box)), :, y, x]
    overlap = generalized_box_iou_loss(corner_form(found), corner_form(box))
    distance = (corner_form(found) - corner_form(box)).abs().mean(dim=1)
    boxes = ((2 * overlap + 5 * distance) * present).sum() / present.sum().clamp_min(1)
    loss = score + boxes
    return loss if pose is None else loss + pose(features)


def score_targets(boxes: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """OSTrack's score maps: CenterNet's Gaussian (Zhou et al., 2019) around the nearest cell.

    Parameters
    ----------
    boxes
        float (N, 4): centre x, y, width, height as shares of the picture.
    cells
        Rows and columns of a map.

    Returns
    -------
    tuple
        Maps float32 (N, cells, cells) with 1 at the centre's cell, and that cell's x and y,
        int64 (N, 2).
    """
    cell = (boxes[:, :2] * cells).round().long().clamp(0, cells - 1)
    radius = centre_radius(boxes[:, 2:] * cells)
    steps = torch.arange(cells, device=boxes.device)
    gap = (steps - cell[:, :, None]).float()  # (N, 2, cells)
    spread = (2 * radius + 1) / 6
    bells = torch.exp(-(gap**2) / (2 * spread[:, None, None] ** 2))
    bells = bells * (gap.abs() <= radius[:, None, None])
    return bells[:, 1, :, None] * bells[:, 0, None, :], cell


def centre_radius(sides: Tensor, overlap: float = 0.7) -> Tensor:
    """Cells by which a corner may be off so that the boxes still overlap enough: float (N,), whole.

    CornerNet's three cases, with the roots as CenterNet and OSTrack have them: they halve where
    they ought to divide by twice the leading coefficient.
    """
    total, area = sides.sum(dim=1), sides.prod(dim=1)
    cases = (
        (1.0, total, area * (1 - overlap) / (1 + overlap)),
        (4.0, 2 * total, (1 - overlap) * area),
        (4 * overlap, -2 * overlap * total, (overlap - 1) * area),
    )
    roots = [(b + (b**2 - 4 * a * c).clamp_min(0).sqrt()) / 2 for a, b, c in cases]
    return torch.stack(roots).amin(dim=0).clamp_min(0).floor()


def best_beside(scores: Tensor, cell: Tensor) -> Tensor:
    """The best-scoring cell among the nine around each cell: x and y, int64 (N, 2)."""
    cells = scores.shape[2]
    steps = torch.arange(cells, device=scores.device)
    near = (steps - cell[:, :, None]).abs() <= 1  # (N, 2, cells)
    beside = near[:, 1, :, None] & near[:, 0, None, :]
    place = scores.detach().masked_fill(~beside, -1).flatten(1).argmax(dim=1)
    return torch.stack([place % cells, place // cells], dim=1)
