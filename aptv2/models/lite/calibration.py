"""Scores of keypoints that mean something: how often such a keypoint is right.

The height of a softmax peak ranks keypoints well, but is no chance: a peak of 0.6 is right nine
times of ten, and a sharper one than the training target's is above 1. A logistic curve of its
logarithm (Platt scaling, 1999) was fitted on Animal-Pose's validation animals, where a keypoint
is right if it is labelled and lies within a tenth of the box (of the root of its area) of its
label.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aptv2.codecs import decode_newton

SLOPE, OFFSET = 2.8, 3.8


def calibrated(heights: Tensor) -> Tensor:
    """Heights of peaks, at least 0 -> chances from 0 to 1, of any shape; rising, so order stays."""
    return torch.sigmoid(SLOPE * heights.float().clamp_min(1e-6).log() + OFFSET)


def decode_calibrated(heatmaps: Tensor) -> Tensor:
    """Joints (N, K, 3) of heatmaps (N, K, h, w): x and y in heatmap pixels, and a chance."""
    joints = decode_newton(heatmaps)
    return torch.cat([joints[..., :2], calibrated(joints[..., 2:]).to(joints)], dim=2)
