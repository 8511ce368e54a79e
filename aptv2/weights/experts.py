"""ViTPose++ (Xu et al., TPAMI 2023): one checkpoint that holds a network for each of six data sets.

In each block the last channels of the feed-forward layer belong to experts, one a data set.
Choosing one gives a plain ViTPose. All functions work on this package's names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from aptv2.errors import InputError

# The experts in the order of the checkpoints, with their numbers of keypoints.
EXPERTS = {"coco": 17, "aic": 14, "mpii": 16, "ap10k": 17, "apt36k": 17, "wholebody": 133}

_EXPERT = re.compile(r"\.mlp\.experts\.(\d+)\.")


def has_experts(names: Iterable[str]) -> bool:
    """True if tensors are those of a ViTPose++."""
    return any(_EXPERT.search(name) for name in names)


def select_expert(tensors: Mapping[str, Tensor], expert: str | None) -> dict[str, Tensor]:
    """The plain ViTPose of one data set.

    Parameters
    ----------
    tensors
        State dict of a ViTPose++. Where it holds several heads, they are `head` (COCO's) and
        `associate_heads.N` (the other data sets' in order); where it holds one, that one stays.
        Official tools leave the experts in the file after they have chosen one: that choice is
        found, and the rest dropped.
    expert
        A name of `EXPERTS`; None where the file holds no choice any more.

    Raises
    ------
    InputError
        Where no expert is chosen, there is no such expert, the file has made another choice, or
        experts are missing in some blocks.
    """
    if expert is not None and expert not in EXPERTS:
        raise InputError(f"expert '{expert}': known are {', '.join(EXPERTS)}")
    tensors = _without_choice_made(tensors, expert)
    if not has_experts(tensors):
        return {n: t for n, t in tensors.items() if not n.startswith("associate_heads.")}
    if expert is None:
        raise InputError(
            "this is a ViTPose++, several networks in one: choose one with --expert "
            f"{'|'.join(_held(tensors))}"
        )
    if expert not in _held(tensors):
        raise InputError(
            f"expert '{expert}': not in every block of this ViTPose++, which holds "
            f"{', '.join(_held(tensors)) or 'none completely'}"
        )
    return _chosen(tensors, list(EXPERTS).index(expert))


def _chosen(tensors: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    state = {}
    for name, tensor in tensors.items():
        if _EXPERT.search(name) or name.startswith("associate_heads."):
            continue
        if ".mlp.fc2." in name:
            tensor = torch.cat([tensor, tensors[name.replace(".fc2.", f".experts.{number}.")]])
        elif name.startswith("head."):
            # COCO's head comes first, the other data sets' after it.
            own = name.replace("head.", f"associate_heads.{number - 1}.", 1)
            if own in tensors:
                tensor = tensors[own]
                if "final_layer" in name:
                    tensor = tensor[: list(EXPERTS.values())[number]]
        state[name] = tensor
    return state


def _held(tensors: Mapping[str, Tensor]) -> list[str]:
    """Experts that every block has."""
    blocks = [name for name in tensors if name.endswith(".mlp.fc2.weight")]
    return [
        expert
        for number, expert in enumerate(EXPERTS)
        if all(name.replace(".fc2.", f".experts.{number}.") in tensors for name in blocks)
    ]


def _without_choice_made(tensors: Mapping[str, Tensor], expert: str | None) -> Mapping[str, Tensor]:
    """The tensors, less experts that have been chosen from already."""
    name = next((n for n in tensors if n.endswith("blocks.0.mlp.fc2.weight")), None)
    if name is None or not has_experts(tensors):
        return tensors
    fc2 = tensors[name]
    if len(fc2) < tensors[name.replace("mlp.fc2", "norm2")].shape[0]:
        return tensors
    made = [
        each
        for number, each in enumerate(EXPERTS)
        if (tail := tensors.get(name.replace(".fc2.", f".experts.{number}."))) is not None
        and torch.equal(fc2[-len(tail) :], tail)
    ]
    if expert is not None and expert not in made:
        raise InputError(
            f"expert '{expert}': this ViTPose++ was split before"
            + (f", for {made[0]}" if made else "")
            + "; take the file with all experts."
        )
    return {n: t for n, t in tensors.items() if not _EXPERT.search(n)}
