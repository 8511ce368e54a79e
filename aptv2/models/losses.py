"""Losses that several networks share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from aptv2.codecs import Codec
from aptv2.models.network import Batch


def heatmap_loss(heatmaps: Tensor, batch: Batch, codec: Codec, front: float = 0.0) -> Tensor:
    """Mean squared error of the heatmaps; keypoints that are not labelled count as no error.

    The mean is over all keypoints, labelled or not, as MMPose's: so a batch's loss is the mean of
    its parts' losses, however it is parted.

    Parameters
    ----------
    heatmaps
        float (N, K, h, w): what the network gives.
    batch
        `keypoints` (N, K, 2) in heatmap pixels and `labelled` (N, K).
    codec
        Makes the targets.
    front
        A cell at a keypoint counts 1 + `front` times as much as one far away.
    """
    heatmaps = heatmaps.float()
    size = (heatmaps.shape[2], heatmaps.shape[3])
    targets, weights = codec.encode(batch["keypoints"], batch["labelled"], size)
    error = (heatmaps - targets).square()
    if front:
        error = error * (1 + front * targets)
    return (error.mean(dim=(2, 3)) * weights).mean()


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
