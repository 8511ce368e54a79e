"""Losses of the lite network's heads, each from a batch of its task's data set."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from aptv2.codecs import SOFTMAX
from aptv2.codecs.heatmaps import gaussian_heatmaps
from aptv2.models.lite.assignment import assign
from aptv2.models.lite.detection import cell_centres, corner_boxes
from aptv2.models.lite.tracking import centre_boxes, corner_form
from aptv2.models.losses import centre_focal_loss
from aptv2.models.network import Batch
from aptv2.models.pose.base import normalise
from aptv2.models.registry import Task

if TYPE_CHECKING:
    from aptv2.models.lite.network import LiteNetwork

DOUBTFUL = 0.4  # score from which an unlabelled detection may be an animal without a box
FOCUS, FOCUS_WEIGHT = 1.0, 2.0  # quality focal loss (Li et al., NeurIPS 2020): its power
BOX_WEIGHT = 2.5  # of the boxes against the scores


def pose_loss(network: LiteNetwork, batch: Batch) -> Tensor:
    """Cross-entropy of each keypoint's heatmap, plus that of whether it can be seen.

    A heatmap is a distribution over the picture, its target a normalised Gaussian. On 5,000
    animals this learns at once, where a mean squared error hardly leaves zero.
    """
    logits, visible = network.pose(normalise(batch["image"]))
    size = (logits.shape[2], logits.shape[3])
    targets, seen = SOFTMAX.encode(batch["keypoints"], batch["seen"], size)
    entropy = -(targets.flatten(2) * torch.log_softmax(logits.float().flatten(2), dim=2)).sum(dim=2)
    where = (entropy * seen).sum() / seen.sum().clamp_min(1)
    certain = batch["certain"]
    doubt = F.binary_cross_entropy_with_logits(visible.float(), seen, certain, reduction="sum")
    return where + doubt / certain.sum().clamp_min(1)


def detection_loss(network: LiteNetwork, batch: Batch) -> Tensor:
    """Cross-entropy of the scores, generalised IoU of the boxes, for the cells that answer.

    A score is wanted as high as its box overlaps (:mod:`aptv2.models.lite.assignment`). Where a
    picture may hold animals without a box, a confident detection away from every box is not
    punished: it is more likely right than wrong.
    """
    search = network.search
    logits, distances = search.detection(search.backbone(normalise(batch["image"])))
    middles = cell_centres(logits.shape[2], logits.shape[3], logits.device).flatten(1).T
    logits, known = logits.float().flatten(1), batch["known"].flatten(1)
    found = corner_boxes(distances).flatten(2).transpose(1, 2)
    target = assign(
        logits.detach().sigmoid(), found.detach(), batch["boxes"], batch["wanted"], middles
    )
    doubtful = (known == 0.5) & ~target.inside & (logits.detach().sigmoid() > DOUBTFUL)
    counted = ((known > 0) & ~doubtful) | (target.scores > 0)
    entropy = F.binary_cross_entropy_with_logits(logits, target.scores, reduction="none")
    # Many sure and empty cells would outweigh the few that are hard.
    entropy = entropy * (logits.sigmoid() - target.scores).detach().abs().pow(FOCUS)
    total = target.scores.sum().clamp_min(1)
    front = target.scores > 0
    overlap = generalized_box_iou_loss(found[front], target.boxes[front])
    boxes = (overlap * target.scores[front]).sum() / total
    return FOCUS_WEIGHT * (entropy * counted).sum() / total + BOX_WEIGHT * boxes


def tracking_loss(network: LiteNetwork, batch: Batch) -> Tensor:
    """Focal loss of the score map, generalised IoU x 2 and L1 x 5 of the box, as OSTrack.

    Several templates look for their animals in one search picture, whose features serve them all.
    """
    backbone, head = network.search.backbone, network.search.tracking
    pictures, boxes = batch["template"].flatten(0, 1), batch["template_box"].flatten(0, 1)
    template = head.template(backbone(normalise(pictures)), boxes)
    logits, sizes, offsets = head(template, backbone(normalise(batch["search"])))
    cells = logits.shape[2]
    box, present = batch["search_box"].flatten(0, 1), batch["present"].flatten()
    centre, size = (box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]
    cell = (centre * cells).long().clamp(0, cells - 1)
    spots = gaussian_heatmaps(cell[:, None].float(), (cells, cells), 1.0)[:, 0]
    spots = spots * present[:, None, None]
    score = centre_focal_loss(logits[:, 0].float(), spots, torch.ones_like(spots, dtype=torch.bool))
    found = centre_boxes(sizes, offsets)[torch.arange(len(box)), :, cell[:, 1], cell[:, 0]]
    wanted = torch.cat([centre, size], dim=1)
    overlap = generalized_box_iou_loss(corner_form(found), corner_form(wanted))
    distance = (found - wanted).abs().mean(dim=1)
    return score + ((2 * overlap + 5 * distance) * present).sum() / present.sum().clamp_min(1)


LOSSES: dict[Task, Callable[[LiteNetwork, Batch], Tensor]] = {
    "pose": pose_loss,
    "detection": detection_loss,
    "tracking": tracking_loss,
}
