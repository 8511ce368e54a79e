"""The lite network made ready for use: every layer one convolution with all that follows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aptv2.models.lite.backbone import FoldedConv
from aptv2.models.lite.pyramid import ConvNorm

Activation = Literal["none", "relu", "hardtanh"]

# What torch.compile fuses layers with; builds without oneDNN lack it.
ONE_PASS: Callable[..., Tensor] | None = (
    getattr(torch.ops.mkldnn, "_convolution_pointwise", None)
    if torch.backends.mkldnn.is_available()
    else None
)


class FusedConv(nn.Module):
    """A convolution with its batch norm folded in, and its activation.

    In bfloat16 on a processor oneDNN clamps the outputs while it computes them, which gives the
    same numbers in about two thirds of the time. In float32 it takes other kernels, whose last
    digits differ and which are hardly faster, so torch's own layers compute there.

    Parameters
    ----------
    conv
        The convolution.
    activation
        As oneDNN calls it: "hardtanh" is ReLU6.
    """

    def __init__(self, conv: nn.Conv2d, activation: Activation) -> None:
        super().__init__()
        self.conv, self.activation = conv, activation
        self.limits = [0.0, 6.0] if activation == "hardtanh" else []

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the convolution's outputs."""
        conv = self.conv
        if x.dtype == torch.bfloat16 and x.device.type == "cpu" and ONE_PASS is not None:
            settings = conv.padding, conv.stride, conv.dilation, conv.groups
            after = self.activation, self.limits, ""
            return ONE_PASS(x, conv.weight, conv.bias, *settings, *after)
        x = conv(x)
        if self.activation == "none":
            return x
        return F.relu6(x) if self.activation == "hardtanh" else F.relu(x)


def fuse(module: nn.Module) -> nn.Module:
    """Fold every batch norm and activation into the convolution before it, in place.

    Raises
    ------
    ValueError
        In training mode, where batch norms would still change.
    """
    if module.training:
        raise ValueError("only a network in eval mode can be fused")
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, FoldedConv):
                setattr(parent, name, FusedConv(child.plain(), "hardtanh" if child.act else "none"))
            elif isinstance(child, ConvNorm):
                conv = nn.utils.fusion.fuse_conv_bn_eval(child.conv, child.norm)
                setattr(parent, name, FusedConv(conv, "relu" if len(child) > 2 else "none"))
    return module
