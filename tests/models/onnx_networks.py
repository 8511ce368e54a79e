"""Small pose networks to write as ONNX files."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aptv2.codecs import MSRA, UDP
from aptv2.models.backbones.vit import VisionTransformer
from aptv2.models.heads.heatmap import HeatmapHead
from aptv2.models.pose.heatmap import HeatmapPose
from aptv2.skeleton import ANIMAL17, Skeleton

SIZE = (64, 96)
THREE = Skeleton(("left_ear", "right_ear", "nose"), limbs=((0, 2),), sigmas=(0.1, 0.1, 0.2))


class Conv(nn.Module):
    """A backbone of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.layers(images)]


def small(udp: bool, skeleton: Skeleton = ANIMAL17) -> HeatmapPose:
    """A small network: a transformer, or a layer of convolution, and the paper's head."""
    torch.manual_seed(0)
    backbone = VisionTransformer(SIZE, 32, 2, 2) if udp else Conv()
    head = HeatmapHead(32 if udp else 8, len(skeleton), 2 if udp else 0)
    nn.init.normal_(head.final_layer.weight)
    return (
        HeatmapPose(backbone, head, SIZE, skeleton, UDP if udp else MSRA)
        .eval()
        .requires_grad_(False)
    )
