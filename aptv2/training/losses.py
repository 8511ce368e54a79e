"""Losses, each from a batch of its data set: of the paper's networks, and of each lite head."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from aptv2.codecs import gaussian_heatmaps, heatmap_targets
from aptv2.models.lite.detection import cell_centres, corner_boxes
from aptv2.models.lite.network import LiteNetwork
from aptv2.models.lite.pose import SIGMA
from aptv2.models.lite.tracking import centre_boxes, corner_form
from aptv2.models.paper import HeatmapPose
from aptv2.models.pose import normalise
from aptv2.models.vitposetrack import ViTPoseTrack
from aptv2.models.vittrack import ViTTrack
from aptv2.training.assignment import assign
from aptv2.training.recipes import TaskName

Batch = dict[str, Tensor]
# Of 3,072 cells some 25 are a joint's. Counted alike, zero everywhere is nearly right, and what
# starts from nothing stays there long; the best heatmaps are the same.
FRONT = 20.0
DOUBTFUL = 0.4  # score from which an unlabelled detection may be an animal without a box
FOCUS, FOCUS_WEIGHT = 1.0, 2.0  # quality focal loss (Li et al., NeurIPS 2020): its power
BOX_WEIGHT = 2.5  # of the boxes against the scores


def heatmap_loss(network: HeatmapPose, batch: Batch, sigma: float = 2.0) -> Tensor:
    """Mean squared error of the heatmaps; joints that are not labelled count as no error.

    The mean is over all joints, labelled or not, as MMPose's: so a batch's loss is the mean of its
    parts' losses, however it is parted.
    """
    heatmaps = network(normalise(batch["image"]))
    return _heatmap_error(heatmaps, batch, sigma, udp=network.udp)


def _heatmap_error(
    heatmaps: Tensor, batch: Batch, sigma: float, udp: bool = True, front: float = 0.0
) -> Tensor:
    """Mean squared error; a cell at a joint counts 1 + `front` times as much as one far away."""
    heatmaps = heatmaps.float()
    size = (heatmaps.shape[2], heatmaps.shape[3])
    targets, weights = heatmap_targets(batch["joints"], batch["labelled"], size, sigma, udp=udp)
    error = (heatmaps - targets).square()
    if front:
        error = error * (1 + front * targets)
    return (error.mean(dim=(2, 3)) * weights).mean()


def crop_loss(network: ViTPoseTrack, batch: Batch, sigma: float = 2.0) -> Tensor:
    """The same for the pose crops of a ViTPoseTrack, with the cells of a joint counted more."""
    heatmaps = network.forward_pose(normalise(batch["image"]))
    return _heatmap_error(heatmaps, batch, sigma, front=FRONT)


def search_loss(
    network: ViTTrack, batch: Batch, sigma: float = 2.0, pose_weight: float | None = None
) -> Tensor:
    """Focal loss of the score map, generalised IoU x 2 and L1 x 5 of the box, as OSTrack.

    The box is read at the best cell beside the true centre. OSTrack reads it at the best of all,
    which is the same once the network knows where the object is, and misleads one that starts from
    nothing. Of an object that is not there, the scores alone count.

    Parameters
    ----------
    pose_weight
        Weight of the heatmaps that a ViTPoseTrack reads from the search picture in the same pass;
        None for tracking alone.
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
    if pose_weight is not None:
        assert isinstance(network, ViTPoseTrack)
        loss = loss + pose_weight * _fused_loss(network, features, batch, sigma)
    return loss


def _fused_loss(network: ViTPoseTrack, features: Tensor, batch: Batch, sigma: float) -> Tensor:
    """Heatmaps over the search pictures of animals whose joints are labelled.

    The decoder's norms keep the statistics of pose crops, in which an animal is three times as
    large: a mixture of both would suit neither.
    """
    known = batch["labelled"].any(dim=1)
    if not known.any():
        return features.new_zeros(())
    network.pose.eval()
    heatmaps = network.pose(features[known])
    network.pose.train()
    joints = {name: batch[name][known] for name in ("joints", "labelled")}
    return _heatmap_error(heatmaps, joints, sigma, front=FRONT) * known.float().mean()


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


def pose_loss(network: LiteNetwork, batch: Batch) -> Tensor:
    """Cross-entropy of each joint's heatmap, plus that of whether it can be seen.

    A heatmap is a distribution over the picture, its target a normalised Gaussian. On 5,000
    animals this learns at once, where a mean squared error hardly leaves zero.
    """
    logits, visible = network.pose(normalise(batch["image"]))
    targets = gaussian_heatmaps(batch["joints"], logits.shape[2:], SIGMA).flatten(2)
    targets = targets / targets.sum(dim=2, keepdim=True).clamp_min(1e-6)
    seen = batch["seen"]
    entropy = -(targets * torch.log_softmax(logits.float().flatten(2), dim=2)).sum(dim=2)
    where = (entropy * seen).sum() / seen.sum().clamp_min(1)
    told = batch["told"]
    doubt = F.binary_cross_entropy_with_logits(visible.float(), seen, told, reduction="sum")
    return where + doubt / told.sum().clamp_min(1)


def detection_loss(network: LiteNetwork, batch: Batch) -> Tensor:
    """Cross-entropy of the scores, generalised IoU of the boxes, for the cells that answer.

    A score is wanted as high as its box overlaps (:mod:`aptv2.training.assignment`). Where a
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


LOSSES: dict[TaskName, Callable[[LiteNetwork, Batch], Tensor]] = {
    "pose": pose_loss,
    "detection": detection_loss,
    "tracking": tracking_loss,
}


def centre_focal_loss(logits: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
    """Penalty-reduced focal loss of CornerNet (Law and Deng, ECCV 2018).

    Parameters
    ----------
    logits, targets
        float32 (N, h, w). A target of 1 is a centre; less is near one and punished less.
    counted
        bool (N, h, w): cells that count.
    """
    score = logits.sigmoid()
    centre = targets > 0.999
    yes = F.logsigmoid(logits) * (1 - score) ** 2
    no = F.logsigmoid(-logits) * score**2 * (1 - targets) ** 4
    loss = -torch.where(centre, yes, no) * counted
    return loss.sum() / centre.sum().clamp_min(1)
