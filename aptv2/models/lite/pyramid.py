"""The neck that pose and detection have in common, and the layers it is made of."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aptv2.models.lite.backbone import CHANNELS


class ConvNorm(nn.Sequential):
    """Convolution, batch norm and, with `act`, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        act: bool = True,
    ) -> None:
        conv = nn.Conv2d(
            inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        norm = nn.BatchNorm2d(outputs)
        super().__init__(conv, norm, *([nn.ReLU(inplace=True)] if act else []))

    def forward(self, x: Tensor) -> Tensor:
        """(N, `inputs`, h, w) -> (N, `outputs`, h / stride, w / stride)."""
        conv, *rest = self
        if self.training and self.conv.groups > 1 and x.device.type == "cpu":
            # oneDNN takes five times as long for the gradient of a depthwise kernel in bfloat16.
            with torch.autocast("cpu", enabled=False):
                x = conv(x.float())
        else:
            x = conv(x)
        for layer in rest:
            x = layer(x)
        return x

    @property
    def conv(self) -> nn.Conv2d:
        """The convolution."""
        return self.get_submodule("0")  # type: ignore[return-value]

    @property
    def norm(self) -> nn.BatchNorm2d:
        """The batch norm after it."""
        return self.get_submodule("1")  # type: ignore[return-value]


class Block(nn.Module):
    """Depthwise and pointwise convolution with a residual path, (N, C, h, w) -> the same."""

    def __init__(self, channels: int, kernel: int = 5) -> None:
        super().__init__()
        self.depthwise = ConvNorm(channels, channels, kernel, groups=channels)
        self.pointwise = ConvNorm(channels, channels, act=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.pointwise(self.depthwise(x)))


class Pyramid(nn.Module):
    """Feature pyramid (Lin et al., CVPR 2017) of two blocks a level at strides 8, 16 and 32.

    A pixel is cheap there and sees far. `forward`: the backbone's features -> maps (N, width, h, w)
    at strides 8 and 16.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lateral8, self.lateral16, self.lateral32 = (
            ConvNorm(channels, width, act=False) for channels in CHANNELS[1:]
        )
        self.refine8, self.refine16, self.refine32 = (
            nn.Sequential(Block(width), Block(width)) for _ in range(3)
        )

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor]:
        _, at8, at16, at32 = features
        x32 = self.refine32(F.relu(self.lateral32(at32)))
        x16 = self.refine16(F.relu(self.lateral16(at16) + double(x32)))
        x8 = self.refine8(F.relu(self.lateral8(at8) + double(x16)))
        return x8, x16


def double(x: Tensor) -> Tensor:
    """Twice the height and width, by repeating."""
    return F.interpolate(x, scale_factor=2, mode="nearest")
