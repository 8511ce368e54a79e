"""What learns how fast: parameter groups and the rate over time."""

from __future__ import annotations

import math
import re
from typing import Any

from torch import nn

from aptv2.training.recipes import Stage

_BLOCK = re.compile(r"^body\.blocks\.(\d+)\.")
_STEM = "body.patch_embed.net."
_BACKBONES = ("body.", "pose.backbone.", "search.backbone.")  # the last two are lite's


def parameter_groups(network: nn.Module, stage: Stage) -> list[dict[str, Any]]:
    """Groups for a torch optimizer: body and heads apart, or by layer where the stage says so.

    Norms and biases have no weight decay, unless the stage has `vector_decay`.
    """
    if stage.layer_decay is not None:
        return layer_decay_groups(network, stage.head_rate, stage.weight_decay, stage.layer_decay)
    named = [name for name, _ in network.named_parameters()]
    # What the small ViT of the trackers has from ImageNet is its stem; its blocks start afresh.
    body = _STEM if any(name.startswith(_STEM) for name in named) else _BACKBONES
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 or stage.vector_decay
            groups.setdefault((name.startswith(body), decays), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": stage.body_rate if slow else stage.head_rate,
            "weight_decay": stage.weight_decay if decays else 0.0,
        }
        for (slow, decays), parameters in groups.items()
    ]


def rate_factor(stage: Stage, step: int, epoch_steps: int) -> float:
    """What the rates are multiplied with at an optimizer step, counted from 0.

    Linear warm-up, then half a cosine, or a tenth after each of the stage's `steps`.
    """
    if step < stage.warmup:
        if stage.warmup_from is None:
            return (step + 1) / stage.warmup
        return stage.warmup_from + (1 - stage.warmup_from) * step / stage.warmup
    if stage.schedule == "steps":
        return 0.1 ** sum(step >= epoch * epoch_steps for epoch in stage.steps)
    steps = stage.epochs * epoch_steps
    done = (step - stage.warmup) / max(1, steps - stage.warmup)
    cosine = (1 + math.cos(math.pi * min(1.0, done))) / 2
    return stage.final_rate + (1 - stage.final_rate) * cosine


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
