"""The pose head: from the backbone's features to one heatmap per keypoint at stride 4."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aptv2.codecs import SOFTMAX
from aptv2.models.lite.backbone import CHANNELS
from aptv2.models.lite.pyramid import Block, ConvNorm, Pyramid, double

SIGMA = SOFTMAX.sigma


class PoseHead(nn.Module):
    """A pyramid, sharpened at stride 4.

    Beside the heatmaps it says for each keypoint whether it can be seen at all.
    """

    def __init__(self, keypoints: int = 17, width: int = 128, fine: int = 64) -> None:
        super().__init__()
        self.pyramid = Pyramid(width)
        self.lateral4 = ConvNorm(CHANNELS[0], fine, act=False)
        self.narrow = ConvNorm(width, fine, act=False)
        self.refine4 = Block(fine, kernel=3)
        self.heatmaps = nn.Conv2d(fine, keypoints, 1)
        self.visible = nn.Linear(width, keypoints)

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Heatmap logits (N, K, H/4, W/4) and visibility logits (N, K)."""
        x8, x16 = self.pyramid(features)
        x4 = self.refine4(F.relu(self.lateral4(features[0]) + double(self.narrow(x8))))
        # In bfloat16 the steps between two logits would move the decoded peak.
        weight, bias = self.heatmaps.weight.float(), self.heatmaps.bias
        assert bias is not None
        with torch.autocast(x4.device.type, enabled=False):
            logits = F.conv2d(x4.float(), weight, bias.float())
        return logits, self.visible(x16.mean(dim=(2, 3)))


def probabilities(logits: Tensor, visible: Tensor) -> Tensor:
    """Heatmaps as users see them: 1 at the peak of a keypoint that is surely there.

    The softmax over the picture says where the keypoint is; a perfect answer is the normalised
    Gaussian of the targets, whose peak is 1 / (2 pi sigma^2). Divided by that and times the
    chance that the keypoint can be seen, the peak is the keypoint's score.
    """
    where = torch.softmax(logits.float().flatten(2), dim=2).view_as(logits)
    peak = 2 * torch.pi * SIGMA**2
    return where * peak * torch.sigmoid(visible.float())[..., None, None]
