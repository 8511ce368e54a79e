"""HRFormer (Yuan et al., NeurIPS 2021): HRNet's four resolutions with attention in windows.

As the APTv2 recipes configure it: windows of 7x7, no relative position bias, the padding around
the windows is attended to.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce

import numpy as np
import torch
import torch.nn.functional as F
from timm.layers import DropPath
from timm.models.resnet import Bottleneck
from torch import Tensor, nn

WINDOW = 7  # tokens, both ways
EXPANSION = 4  # of the feed-forward layers
BLOCKS = 2  # of each branch in a module
MODULES = (1, 4, 2)  # of the stages with 2, 3 and 4 branches

LayerNorm = partial(nn.LayerNorm, eps=1e-6)


class WindowAttention(nn.Module):
    """Self-attention inside windows that do not overlap."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> the same shape."""
        count, height, width, channels = x.shape
        # Padded on both sides to whole windows; the zeros take part like any other token.
        down, across = -height % WINDOW, -width % WINDOW
        top, left = down // 2, across // 2
        x = F.pad(x, (0, 0, left, across - left, top, down - top))
        rows, columns = x.shape[1] // WINDOW, x.shape[2] // WINDOW
        windows = x.view(count, rows, WINDOW, columns, WINDOW, channels).transpose(2, 3)
        tokens = windows.reshape(-1, WINDOW * WINDOW, channels)

        # (windows, tokens, 3, heads, C / heads) -> 3 of (windows, heads, tokens, C / heads)
        q, k, v = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        tokens = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        tokens = self.proj(tokens)

        windows = tokens.view(count, rows, columns, WINDOW, WINDOW, channels).transpose(2, 3)
        x = windows.reshape(count, rows * WINDOW, columns * WINDOW, channels)
        return x[:, top : top + height, left : left + width]


class FeedForward(nn.Module):
    """Feed-forward layers with a depthwise convolution, through which windows exchange."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = EXPANSION * width
        self.fc1 = nn.Conv2d(width, hidden, 1)
        self.norm1 = nn.BatchNorm2d(hidden)
        self.dw3x3 = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.norm2 = nn.BatchNorm2d(hidden)
        self.fc2 = nn.Conv2d(hidden, width, 1)
        self.norm3 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        x = F.gelu(self.norm1(self.fc1(x)))
        x = F.gelu(self.norm2(self.dw3x3(x)))
        return F.gelu(self.norm3(self.fc2(x)))


class Block(nn.Module):
    """Attention, then feed-forward layers, each beside a shortcut."""

    def __init__(self, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = LayerNorm(width)
        self.attn = WindowAttention(width, heads)
        self.norm2 = LayerNorm(width)
        self.ffn = FeedForward(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        x = x.permute(0, 2, 3, 1)
        x = x + self.drop_path(self.attn(self.norm1(x)))
        ffn = self.ffn(self.norm2(x).permute(0, 3, 1, 2))
        return x.permute(0, 3, 1, 2) + self.drop_path(ffn)


class HighResolutionModule(nn.Module):
    """Branches at several resolutions, which then exchange what they found.

    Parameters
    ----------
    widths, heads
        Channels and attention heads of each branch, finest first; each is half as fine as the one
        before.
    outputs
        How many of the branches go on.
    drop_paths
        Of each block.
    """

    def __init__(
        self,
        widths: Sequence[int],
        heads: Sequence[int],
        outputs: int,
        drop_paths: Sequence[float],
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*[Block(width, number, rate) for rate in drop_paths])
            for width, number in zip(widths, heads, strict=True)
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_exchange(widths, source, target) for source in range(len(widths)))
            for target in range(outputs)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        features = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        fused = []
        for layers in self.fuse_layers:
            assert isinstance(layers, nn.ModuleList)
            parts = (layer(x) for layer, x in zip(layers, features, strict=True))
            fused.append(F.relu(reduce(torch.add, parts)))
        return fused


class HRFormer(nn.Module):
    """The backbone; its output is the finest of the four resolutions.

    Parameters
    ----------
    width
        Channels at stride 4; they double with each coarser resolution.
    heads
        Attention heads at stride 4; they double as well.
    drop_path
        Chance that training skips the last block; it grows linearly from 0 at the first.
    """

    def __init__(self, width: int, heads: int, drop_path: float = 0.0) -> None:
        super().__init__()
        widths = [width * 2**branch for branch in range(4)]
        numbers = [heads * 2**branch for branch in range(4)]
        rates = iter(np.linspace(0, drop_path, BLOCKS * sum(MODULES)).tolist())

        def stage(branches: int, outputs: int) -> nn.Sequential:
            """Modules in a row, the last of which hands on `outputs` branches."""
            count = MODULES[branches - 2]
            return nn.Sequential(
                *[
                    HighResolutionModule(
                        widths[:branches],
                        numbers[:branches],
                        outputs if number == count - 1 else branches,
                        [next(rates) for _ in range(BLOCKS)],
                    )
                    for number in range(count)
                ]
            )

        self.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        widen = nn.Sequential(nn.Conv2d(64, 256, 1, bias=False), nn.BatchNorm2d(256))
        self.layer1 = nn.Sequential(Bottleneck(64, 64, downsample=widen), Bottleneck(256, 64))
        # A new branch starts from the coarsest there is.
        self.transition1 = nn.ModuleList(
            [_conv_norm_act(256, widths[0], 1), nn.Sequential(_conv_norm_act(256, widths[1], 2))]
        )
        self.stage2 = stage(2, outputs=2)
        self.transition2 = _one_more_branch(widths[:3])
        self.stage3 = stage(3, outputs=3)
        self.transition3 = _one_more_branch(widths)
        self.stage4 = stage(4, outputs=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)

    def forward(self, images: Tensor) -> list[Tensor]:
        """float (N, 3, H, W), sides multiples of 32 -> one feature map (N, C, H/4, W/4)."""
        x = F.relu(self.bn1(self.conv1(images)))
        x = F.relu(self.bn2(self.conv2(x)))
        x = self.layer1(x)
        features = self.stage2([transition(x) for transition in self.transition1])
        features = self.stage3([*features, self.transition2[-1](features[-1])])
        return self.stage4([*features, self.transition3[-1](features[-1])])


def _exchange(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """From one branch's resolution and width to another's."""
    if source == target:
        return nn.Identity()
    if source > target:
        return nn.Sequential(
            nn.Conv2d(widths[source], widths[target], 1, bias=False),
            nn.BatchNorm2d(widths[target]),
            nn.Upsample(scale_factor=2 ** (source - target), mode="bilinear", align_corners=False),
        )
    width, halvings = widths[source], target - source
    steps = [_halve(width, width, act=True) for _ in range(halvings - 1)]
    return nn.Sequential(*steps, _halve(width, widths[target], act=False))


def _halve(width: int, target: int, act: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, stride=2, padding=1, groups=width, bias=False),
        nn.BatchNorm2d(width),
        nn.Conv2d(width, target, 1, bias=False),
        nn.BatchNorm2d(target),
        *([nn.ReLU()] if act else []),
    )


def _one_more_branch(widths: Sequence[int]) -> nn.ModuleList:
    """Nothing for the branches there are, half the resolution of the last for the new one."""
    new = nn.Sequential(_conv_norm_act(widths[-2], widths[-1], 2))
    return nn.ModuleList([*[nn.Identity() for _ in widths[:-1]], new])


def _conv_norm_act(width: int, target: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, target, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(target),
        nn.ReLU(),
    )
