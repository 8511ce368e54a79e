"""Names of mmpose's checkpoints <-> the names of this package's networks. Nothing but renaming.

A network here has a `backbone` and a `head`. The layers of a backbone are called what timm calls
them where timm has the backbone, and what mmpose calls them elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

# mmpose 0.x, and what its relatives call the same things. Every rule applies once, in this order.
_FROM_MMPOSE = [
    (r"^(keypoint_head|head)\.", "head."),
    (r"^associate_keypoint_heads\.", "associate_heads."),  # ViTPose++
    (r"^backbone\.last_norm\.", "backbone.norm."),  # ViT
    (r"^(backbone\.stage.*\.attn)\.attn\.", r"\1."),  # HRFormer
    # ViT of mmpose 1.x, which is mmpretrain's.
    (r"^backbone\.ln1\.", "backbone.norm."),
    (r"^backbone\.patch_embed\.projection\.", "backbone.patch_embed.proj."),
    (r"^backbone\.layers\.", "backbone.blocks."),
    (r"^(backbone\.blocks\.\d+)\.ln([12])\.", r"\1.norm\2."),
    (r"^(backbone\.blocks\.\d+)\.ffn\.layers\.0\.0\.", r"\1.mlp.fc1."),
    (r"^(backbone\.blocks\.\d+)\.ffn\.layers\.1\.", r"\1.mlp.fc2."),
]
# No part of the network: how pictures are normalised, and the class token that MAE leaves unused.
_LEFT_OUT = ("data_preprocessor.", "backbone.cls_token")
_TO_MMPOSE = [
    (r"^backbone\.norm\.", "backbone.last_norm."),
    (r"^(backbone\.stage.*\.attn)\.", r"\1.attn."),
    (r"^associate_heads\.", "associate_keypoint_heads."),
    (r"^head\.", "keypoint_head."),
]


def from_mmpose(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of mmpose 0.x or 1.x under this package's names.

    A name that no rule knows stays as it is, so that loading lists it. The position embeddings of
    mmpose 1.x have no entry for a class token: they get one of zeros, which changes nothing.
    """
    # torch's DataParallel puts everything into a `module`.
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    state = {
        _rename(name, _FROM_MMPOSE): tensor
        for name, tensor in tensors.items()
        if not name.startswith(_LEFT_OUT)
    }
    if "backbone.pos_embed" in state and "backbone.ln1.weight" in tensors:
        positions = state["backbone.pos_embed"]
        state["backbone.pos_embed"] = torch.cat([torch.zeros_like(positions[:, :1]), positions], 1)
    return state


def to_mmpose(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of one of this package's networks under mmpose 0.x's names."""
    return {mmpose_name(name): tensor for name, tensor in tensors.items()}


def mmpose_name(name: str) -> str:
    """Name in mmpose 0.x of a tensor of one of this package's networks."""
    return _rename(name, _TO_MMPOSE)


def _rename(name: str, rules: list[tuple[str, str]]) -> str:
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name
