"""Parameter groups: what learns how fast."""

from __future__ import annotations

import re
from typing import Any

from torch import nn

_BLOCK = re.compile(r"^body\.blocks\.(\d+)\.")


def layer_decay_groups(
    model: nn.Module, rate: float, weight_decay: float, layer_decay: float
) -> list[dict[str, Any]]:
    """Groups for a ViT whose layers learn the slower the nearer they are to the picture.

    The patch and position embeddings are layer 0, block N is layer N + 1, everything behind the
    blocks is the last layer and learns with the full rate. Norms, biases and position embeddings
    have no weight decay. ViTPose (Xu et al., NeurIPS 2022) trains with these; the idea is from
    BEiT (Bao et al., ICLR 2022).

    Parameters
    ----------
    model
        A pose network whose body is a ViT.
    rate
        Learning rate of the last layer.
    weight_decay
        For matrices and kernels.
    layer_decay
        Factor of the learning rate from one layer to the one before.

    Returns
    -------
    list of dict
        For a torch optimizer: `params`, `lr`, `weight_decay`; beside them `name`, `lr_scale` and
        the parameters' `names`.

    Raises
    ------
    ValueError
        Where the body has no blocks.
    """
    named = [(name, each) for name, each in model.named_parameters() if each.requires_grad]
    blocks = {int(match[1]) for name, _ in named if (match := _BLOCK.match(name))}
    if not blocks:
        raise ValueError("layer decay needs a network whose body is a ViT")
    last = max(blocks) + 2
    groups: dict[str, dict[str, Any]] = {}
    for name, parameter in named:
        layer = _layer(name, last)
        decays = parameter.ndim > 1 and "pos_embed" not in name
        key = f"layer_{layer}_{'decay' if decays else 'no_decay'}"
        scale = layer_decay ** (last - layer)
        group = groups.setdefault(
            key,
            {
                "name": key,
                "lr": rate * scale,
                "lr_scale": scale,
                "weight_decay": weight_decay if decays else 0.0,
                "params": [],
                "names": [],
            },
        )
        group["params"].append(parameter)
        group["names"].append(name)
    return list(groups.values())


def _layer(name: str, last: int) -> int:
    if name.startswith(("body.patch_embed.", "body.pos_embed")):
        return 0
    match = _BLOCK.match(name)
    return int(match[1]) + 1 if match else last
