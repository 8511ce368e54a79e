"""A recipe's network: how it is built, what it starts from, and its codec."""

from __future__ import annotations

from dataclasses import replace

import torch

from aptv2.codecs import Codec
from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.models.network import Network
from aptv2.models.registry import NetworkSpec
from aptv2.skeleton import Skeleton
from aptv2.training.recipes import Recipe

PUBLISHED = ("in1k", "coco", "ap10k")  # what `--init` knows by name
RANDOM = "random"
EMBEDDED_NAME = "embedded"  # the weights that are part of this package


def build_network(recipe: Recipe, skeleton: Skeleton) -> Network:
    """The recipe's network with the weights that its training starts from.

    Raises
    ------
    InputError
        Where these weights are missing or do not fit.
    """
    torch.manual_seed(recipe.seed)
    spec, init = registry.spec(recipe.model.name), recipe.init
    _check_init(spec, init)
    network = registry.build(spec.name, skeleton, pose_size(recipe), recipe.model.drop_path)
    if init != RANDOM:
        network.start_from(spec.initial.get(init) or init)
    return network


def _check_init(spec: NetworkSpec, init: str) -> None:
    """Refuse a name of weights that there are none of for a network."""
    if init in spec.initial or init not in (*PUBLISHED, EMBEDDED_NAME):
        return
    if init == EMBEDDED_NAME:
        known = [each.name for each in registry.specs().values() if init in each.initial]
        raise InputError(
            f"init: there are no embedded weights of {spec.name}, only of {' and '.join(known)}; "
            f"take {', '.join(PUBLISHED)}, {RANDOM} or a weights file."
        )
    known = [*spec.initial] or [RANDOM, "a weights file"]
    raise InputError(
        f"init: there are no weights of {spec.name} called '{init}'; known are "
        f"{' and '.join(known)}"
    )


def pose_size(recipe: Recipe) -> tuple[int, int] | None:
    """Height and width of the last pose crops, None where no stage trains pose."""
    sizes = [stage.tasks["pose"].size for stage in recipe.stages if "pose" in stage.tasks]
    return sizes[-1] if sizes else None


def codec_of(recipe: Recipe) -> Codec | None:
    """The codec of the recipe's network, with the recipe's sigma; None where it has no pose."""
    codec, sigma = registry.spec(recipe.model.name).codec, recipe.model.sigma
    return codec if codec is None or sigma is None else replace(codec, sigma=sigma)
