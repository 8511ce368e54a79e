"""Backbones that timm has: ResNet and HRNet, cut down to what pose needs."""

from __future__ import annotations

from typing import Any

import timm
from torch import nn


def resnet(depth: int) -> nn.Module:
    """ResNet (He et al., CVPR 2016): pictures -> one feature map at stride 32.

    It is timm's and torchvision's variant, which strides in the 3x3 convolutions.
    """
    return timm.create_model(f"resnet{depth}", features_only=True, out_indices=(4,))


def hrnet(width: int) -> nn.Module:
    """HRNet (Sun et al., CVPR 2019): pictures -> one feature map at stride 4."""
    backbone: Any = timm.create_model(
        f"hrnet_w{width}", features_only=True, feature_location="", out_indices=(1,)
    )
    # Nothing uses the coarser outputs of the last module.
    del backbone.stage4[-1].fuse_layers[1:]
    return backbone
