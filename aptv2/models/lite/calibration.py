"""Scores of keypoints that mean something: how often such a keypoint is right.

The height of a softmax peak ranks keypoints well, but is no chance: a peak of 0.7 is right six
times of ten, and a sharper one than the training target's is above 1. A Weibull curve of it, which
begins at 0 and ends at 1, was fitted on Animal-Pose's validation animals, with and without flip
test. There a keypoint is right if it is labelled and lies within `TOLERANCE` of the animal's size
(the root of its box's area) of its label: as strict as keypoint AP is at its middle thresholds, so
the mean score of an animal's keypoints also ranks animals.
"""

from __future__ import annotations

import torch
from torch import Tensor

from aptv2.codecs import decode_newton

TOLERANCE = 0.025
SCALE, POWER = 0.774, 1.766


def calibrated(heights: Tensor) -> Tensor:
    """Heights of peaks, at least 0 -> chances from 0 to 1, of any shape; rising, so order stays."""
    return -torch.expm1(-((heights.float().clamp_min(0) / SCALE) ** POWER))


def decode_calibrated(heatmaps: Tensor) -> Tensor:
    """Joints (N, K, 3) of heatmaps (N, K, h, w): x and y in heatmap pixels, and a chance.

    Decoded by :func:`aptv2.codecs.decode_newton`.
    """
    joints = decode_newton(heatmaps)
    return torch.cat([joints[..., :2], calibrated(joints[..., 2:]).to(joints)], dim=2)
