"""Backbones trained on ImageNet -> what a pose network starts its training from.

Read are torchvision's and timm's ResNet, HRNet and ViT, mmpose's and mmpretrain's copies of them,
HRFormer as mmpose publishes it, and MAE's ViT (He et al., CVPR 2022).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from aptv2.errors import InputError
from aptv2.weights.mmpose import from_mmpose

_BARE = re.compile(r"^(conv1|layer1|stage2|patch_embed|blocks)\.")
# Parts of these networks that a pose network does not have.
_LEFT_OUT = re.compile(
    r"head\.|"  # classification, as mmpretrain calls it
    r"backbone\.(fc|head|classifier|fc_norm|final_layer)\.|"  # as the others do
    r"backbone\.(incre_modules|downsamp_modules)\.|"  # HRNet's, before it classifies
    r"backbone\.(mask_token|cls_token|decoder_)|"  # MAE's
    # ViTPose norms its features with a layer of its own, which starts afresh.
    r"backbone\.norm\."
)
_RELATIVE_POSITION = re.compile(r"\.relative_position_(bias_table|index)$")
_FUSION = re.compile(r"backbone\.stage4\.(\d+)\.fuse_layers\.(\d+)\.")


def is_bare_backbone(names: Iterable[str]) -> bool:
    """True if tensors have names as in torchvision, timm or MAE, without a prefix."""
    return any(_BARE.match(name) for name in names)


def from_bare_backbone(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of torchvision, timm or MAE under this package's names."""
    return from_mmpose({f"backbone.{name}": tensor for name, tensor in tensors.items()})


def backbone_parts(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a backbone under this package's names, without the classification layer."""
    fusions = {name: match for name in tensors if (match := _FUSION.match(name))}
    last = max((int(match[1]) for match in fusions.values()), default=0)
    # The last module of HRNet gives the finest map alone where nothing is classified.
    coarser = {n for n, match in fusions.items() if int(match[1]) == last and int(match[2]) > 0}
    return {
        name: tensor
        for name, tensor in tensors.items()
        if name not in coarser and not _LEFT_OUT.match(name)
    }


def without_relative_positions(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an HRFormer, less the relative positions that the paper's HRFormer has not."""
    return {name: t for name, t in tensors.items() if not _RELATIVE_POSITION.search(name)}


def resize_positions(positions: Tensor, grid: tuple[int, int]) -> Tensor:
    """Position embeddings (1, 1 + n * n, C) of square pictures for another grid.

    Bicubic, as ViTPose does it. The first entry, the class token's, stays; where there is none,
    n * n entries, it is zero.

    Parameters
    ----------
    positions
        float (1, 1 + n * n, C) or (1, n * n, C).
    grid
        Rows and columns of patches that are wanted.

    Returns
    -------
    Tensor
        (1, 1 + rows * columns, C).

    Raises
    ------
    InputError
        Where they are of no square grid.
    """
    count = positions.shape[1] if positions.ndim == 3 else 0
    if count == 1 + grid[0] * grid[1]:
        return positions
    side = math.isqrt(count)
    if count and side * side == count:
        first, patches = torch.zeros_like(positions[:, :1]), positions
    elif count > 1 and (side := math.isqrt(count - 1)) ** 2 == count - 1:
        first, patches = positions[:, :1], positions[:, 1:]
    else:
        raise InputError(
            f"its position embeddings, of shape {tuple(positions.shape)}, are of no square grid."
        )
    return torch.cat([first.float(), resize_grid(patches, (side, side), grid)], 1)


def resize_grid(patches: Tensor, grid: tuple[int, int], wanted: tuple[int, int]) -> Tensor:
    """Embeddings (1, rows * columns, C) of a grid for another one; float32, bicubic."""
    picture = patches.unflatten(1, grid).permute(0, 3, 1, 2).float()
    picture = functional.interpolate(picture, wanted, mode="bicubic", align_corners=False)
    return picture.flatten(2).transpose(1, 2)
