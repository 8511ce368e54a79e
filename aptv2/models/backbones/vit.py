"""The plain vision transformer of ViTPose (Xu et al., NeurIPS 2022)."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from timm.models.vision_transformer import Block
from torch import Tensor, nn

PATCH = 16  # pixels
OVERLAP = 2  # pixels of padding around the picture
NORM: Any = partial(nn.LayerNorm, eps=1e-6)


class PatchEmbed(nn.Module):
    """Patches -> tokens; `padding` pixels are put around the picture first."""

    def __init__(self, width: int, padding: int = OVERLAP) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH, padding=padding)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(images)


class VisionTransformer(nn.Module):
    """A ViT without class token whose output is a feature map at stride 16.

    Parameters
    ----------
    input_size
        Height and width of the pictures in pixels, multiples of 16; position embeddings are made
        for this size alone.
    width
        Channels of a token.
    depth, heads
        Number of blocks and of attention heads.
    drop_path
        Chance that training skips the last block; it grows linearly from 0 at the first.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        width: int,
        depth: int,
        heads: int,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.grid = input_size[0] // PATCH, input_size[1] // PATCH
        self.patch_embed = PatchEmbed(width)
        # The first entry stems from MAE's class token. The token is gone; its position is added to
        # every patch.
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], width))
        self.blocks = transformer_blocks(width, depth, heads, drop_path)
        self.norm = NORM(width)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        self.apply(initialise)

    def forward(self, images: Tensor) -> list[Tensor]:
        """float (N, 3, H, W) -> one feature map (N, C, H/16, W/16)."""
        tokens = self.patch_embed(images).flatten(2).transpose(1, 2)
        tokens = tokens + self.pos_embed[:, 1:] + self.pos_embed[:, :1]
        tokens = self.norm(self.blocks(tokens))
        return [tokens.transpose(1, 2).unflatten(2, self.grid)]


def transformer_blocks(width: int, depth: int, heads: int, drop_path: float) -> nn.Sequential:
    """Blocks of a plain ViT; drop path grows linearly from 0 to `drop_path`."""
    return nn.Sequential(
        *[
            Block(width, heads, qkv_bias=True, norm_layer=NORM, drop_path=rate)
            for rate in np.linspace(0, drop_path, depth).tolist()
        ]
    )


def initialise(module: nn.Module) -> None:
    """Draw the numbers of a linear layer as ViTs do; other layers stay as they are."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
