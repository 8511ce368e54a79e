"""Which cells of the detection head answer for which animal: task-aligned assignment.

Task-aligned one-stage detection (TOOD, Feng et al., ICCV 2021), as YOLOv8 has it for one class:
the cells in a box that already score and fit best answer for it, and are to score as well as they
fit. So the score says how good a box is, and the best one is the one that is kept.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_area

BEST = 10  # cells that answer for a box
SCORE_POWER, FIT_POWER = 0.5, 6.0


class Assignment(NamedTuple):
    """What each cell is to say.

    Parameters
    ----------
    scores
        float32 (N, C): the wanted score, 0 where there is no animal.
    boxes
        float32 (N, C, 4): corners of the box that a cell answers for; means nothing elsewhere.
    inside
        bool (N, C): cells inside of any box.
    """

    scores: Tensor
    boxes: Tensor
    inside: Tensor


@torch.no_grad()
def assign(
    scores: Tensor, found: Tensor, boxes: Tensor, wanted: Tensor, middles: Tensor
) -> Assignment:
    """The cells that answer for each box.

    Parameters
    ----------
    scores
        float32 (N, C) from 0 to 1: what the cells say now.
    found
        float32 (N, C, 4): corners of the boxes that the cells find now, pixels.
    boxes, wanted
        Corners float32 (N, M, 4) of the animals, and 1 for a box, 0 for padding (N, M).
    middles
        float32 (C, 2): x and y of the cells' middles.
    """
    most = max(1, int(wanted.sum(dim=1).max()))
    boxes, real = boxes[:, :most], wanted[:, :most] > 0
    overlap = overlaps(boxes, found) * real[..., None]  # (N, M, C)
    inside = _inside(boxes, middles) & real[..., None]
    aligned = scores[:, None].clamp_min(1e-4) ** SCORE_POWER * overlap**FIT_POWER * inside
    best, places = aligned.topk(min(BEST, aligned.shape[2]), dim=2)
    chosen = torch.zeros_like(inside).scatter_(2, places, best > 0)
    # A cell answers for one animal: the one that it fits best.
    fit = torch.where(chosen, overlap, torch.full_like(overlap, -1.0))
    owner = fit.argmax(dim=1)  # (N, C)
    mine = chosen & (torch.arange(most, device=owner.device)[None, :, None] == owner[:, None])
    aligned = aligned * mine
    highest = aligned.amax(dim=2, keepdim=True).clamp_min(1e-12)
    ideal = (overlap * mine).amax(dim=2, keepdim=True)
    target = (aligned / highest * ideal).amax(dim=1)
    answered = boxes.gather(1, owner[..., None].expand(-1, -1, 4))
    return Assignment(target, answered, inside.any(dim=1))


def overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of corner boxes (N, M, 4) and (N, C, 4): (N, M, C)."""
    low = torch.maximum(first[:, :, None, :2], second[:, None, :, :2])
    high = torch.minimum(first[:, :, None, 2:], second[:, None, :, 2:])
    common = (high - low).clamp_min(0).prod(dim=3)
    areas = [box_area(each.flatten(0, 1)).view(each.shape[:2]) for each in (first, second)]
    return common / (areas[0][:, :, None] + areas[1][:, None] - common).clamp_min(1e-6)


def _inside(boxes: Tensor, middles: Tensor) -> Tensor:
    """bool (N, M, C): cells whose middle lies in a box; of a smaller box the nearest cell."""
    low = (middles[None, None] - boxes[:, :, None, :2]).amin(dim=3)
    high = (boxes[:, :, None, 2:] - middles[None, None]).amin(dim=3)
    within = torch.minimum(low, high)
    nearest = within == within.amax(dim=2, keepdim=True)
    return (within >= 0) | nearest
