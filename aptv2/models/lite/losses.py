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
from aptv2.models.lite.detection import corner_boxes
from aptv2.models.lite.tracking import centre_boxes, corner_form
from aptv2.models.losses import centre_focal_loss
from aptv2.models.network import Batch
from aptv2.models.pose.base import normalise
from aptv2.models.registry import Task

if TYPE_CHECKING:
    from aptv2.models.lite.network import LiteNetwork

DOUBTFUL = 0.4  # score from which an unlabelled detection may be an animal without a box


def pose_loss(network: LiteNetwork, batch: Batch) -> Tensor:
    """Cross-entropy of each keypoint's heatmap, plus that of whether it can be seen.

    A heatmap is a distribution over the picture, its target a normalised Gaussian. On 5,000
    animals this learns at once, where a mean squared error hardly leaves zero.
    """
    logits, visible = network.pose(network.backbone(normalise(batch["image"])))
    size = (logits.shape[2], logits.shape[3])
    targets, seen = SOFTMAX.encode(batch["keypoints"], batch["seen"], size)
    entropy = -(targets.flatten(2) * torch.log_softmax(logits.float().flatten(2), dim=2)).sum(dim=2)
    where = (entropy * seen).sum() / seen.sum().clamp_min(1)
    whether = F.binary_cross_entropy_with_logits(visible.float(), seen)
    return where + whether


def detection_loss(network: LiteNetwork, batch: Batch) -> Tensor:
    """Focal loss of the centre map, generalised IoU of the boxes.

    Where a picture may hold animals without a box, a confident detection away from every box is
    not punished: it is more likely right than wrong.
    """
    logits, distances = network.detection(network.backbone(normalise(batch["image"])))
    logits, targets, known = logits[:, 0].float(), batch["centres"], batch["known"]
    doubtful = (known == 0.5) & (targets < 0.01) & (logits.detach().sigmoid() > DOUBTFUL)
    heat = centre_focal_loss(logits, targets, (known > 0) & ~doubtful)
    weights = batch["weights"]
    front = weights > 0
    found = corner_boxes(distances).permute(0, 2, 3, 1)[front]
    wanted = corner_boxes(batch["sides"]).permute(0, 2, 3, 1)[front]
    overlap = generalized_box_iou_loss(found, wanted)
    return heat + 2 * (overlap * weights[front]).sum() / weights.sum().clamp_min(1)


def tracking_loss(network: LiteNetwork, batch: Batch) -> Tensor:
    """Focal loss of the score map, generalised IoU x 2 and L1 x 5 of the box, as OSTrack.

    Several templates look for their animals in one search picture, whose features serve them all.
    """
    head = network.tracking
    pictures, boxes = batch["template"].flatten(0, 1), batch["template_box"].flatten(0, 1)
    template = head.template(network.backbone(normalise(pictures)), boxes)
    logits, sizes, offsets = head(template, network.backbone(normalise(batch["search"])))
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
