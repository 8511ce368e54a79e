"""The head that all networks of the paper share: features -> heatmaps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 256  # channels of the transposed convolutions of the paper's networks


class HeatmapHead(nn.Module):
    """The head of SimpleBaseline (Xiao et al., ECCV 2018).

    Parameters
    ----------
    channels
        Channels of the features.
    keypoints
        Number of heatmaps.
    upsamplings
        Transposed convolutions, each of which doubles the size: 3 after a ResNet, 2 after a ViT,
        none after networks whose features are at stride 4 already.
    width
        Channels of the transposed convolutions.
    """

    def __init__(
        self, channels: int, keypoints: int, upsamplings: int = 0, width: int = WIDTH
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(upsamplings):
            layers += [
                nn.ConvTranspose2d(channels, width, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
            channels = width
        self.deconv_layers = nn.Sequential(*layers)
        self.final_layer = ExactConv2d(channels, keypoints, 1)
        for layer in (*self.deconv_layers, self.final_layer):
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.normal_(layer.weight, std=0.001)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, C, h, w) -> float32 heatmaps (N, K, h', w'), h' = h * 2**upsamplings."""
        return self.final_layer(self.deconv_layers(features))


class ExactConv2d(nn.Conv2d):
    """A convolution in float32 at least: steps of bfloat16 would move decoded peaks."""

    def forward(self, input: Tensor) -> Tensor:
        assert self.bias is not None
        dtype = torch.promote_types(self.weight.dtype, torch.float32)
        with torch.autocast(input.device.type, enabled=False):
            return F.conv2d(input.to(dtype), self.weight.to(dtype), self.bias.to(dtype))
