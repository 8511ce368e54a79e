"""The detection head: where the animals of a frame are, whatever their species."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from aptv2.models.lite.pyramid import Block, Pyramid

STRIDE = 8  # pixels of a cell
REACH = 32.0  # pixels; the distance to a side that an output of 0 means
# The head says how well a box overlaps, and where there is nothing seldom more than 0.3. Scores are
# scaled so that tracks, which begin at 0.35, begin less than once in 50 pictures without animals.
CAREFUL, SHARPER = 0.36, 2.0  # the output that is a score of 0.5, and how much steeper scores rise


class DetectionHead(nn.Module):
    """Scores and sides at stride 8, without anchors.

    Four maps give the distances from a cell to the sides of its animal's box (FCOS, Tian et al.,
    ICCV 2019). One says how well that box will overlap an animal, 0 where there is none (TOOD,
    Feng et al., ICCV 2021).
    """

    def __init__(self, width: int = 96) -> None:
        super().__init__()
        self.pyramid = Pyramid(width)
        self.score = nn.Sequential(Block(width), Block(width), nn.Conv2d(width, 1, 1))
        self.sides = nn.Sequential(Block(width), Block(width), nn.Conv2d(width, 4, 1))
        nn.init.constant_(self.score.get_parameter("2.bias"), -3.0)  # few cells have an animal

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits of the overlap (N, 1, h, w), and distances (N, 4, h, w) in pixels.

        The distances are those to the left, top, right and bottom of the box.
        """
        x8, _ = self.pyramid(features)
        return self.score(x8), self.sides(x8).float().clamp(-4, 4).exp() * REACH


def cell_centres(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Pixel positions (2, h, w), x and y, of the cells' middles."""
    y, x = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    return (torch.stack([x, y]) + 0.5) * STRIDE - 0.5


def corner_boxes(distances: Tensor) -> Tensor:
    """Distances (N, 4, h, w) to left, top, right, bottom -> corners x0, y0, x1, y1, same shape."""
    middle = cell_centres(distances.shape[2], distances.shape[3], distances.device)
    return torch.cat([middle - distances[:, :2], middle + distances[:, 2:]], dim=1)


def confidence(logits: Tensor) -> Tensor:
    """Logits of the overlap -> scores from 0 to 1: how sure it is that there is an animal."""
    middle = math.log(CAREFUL / (1 - CAREFUL))
    return torch.sigmoid(SHARPER * (logits.float() - middle))


def candidates(logits: Tensor, distances: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """What the surest cells of each image find; cells side by side mostly find the same animal.

    Returns
    -------
    tuple of Tensor
        Corner boxes (N, limit, 4) in pixels and scores (N, limit), best first.
    """
    scores = confidence(logits).flatten(1)
    best, places = scores.topk(min(limit, scores.shape[1]), dim=1)
    boxes = corner_boxes(distances).flatten(2).transpose(1, 2)
    return boxes.gather(1, places[..., None].expand(-1, -1, 4)), best
