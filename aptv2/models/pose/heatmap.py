"""The paper's pose networks: a backbone, a heatmap head, and the conventions of their recipes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from aptv2.errors import InputError
from aptv2.models.backbones.convolutional import hrnet, resnet
from aptv2.models.backbones.hrformer import HRFormer
from aptv2.models.backbones.vit import VisionTransformer
from aptv2.models.heads.heatmap import HeatmapHead
from aptv2.models.pose.base import PoseModel
from aptv2.skeleton import ANIMAL17, Skeleton


class HeatmapPose(PoseModel):
    """A network of the paper: Gaussian heatmaps at stride 4, used as MMPose's recipes use it.

    Parameters
    ----------
    backbone
        Pictures (N, 3, H, W) -> a list of feature maps, the first of which goes to the head.
    head
        Features -> heatmaps.
    input_size
        Height and width of the crops in pixels.
    skeleton
        The keypoints, one heatmap each.
    udp
        The convention of crops and heatmaps, see :mod:`aptv2.crops`.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: HeatmapHead,
        input_size: tuple[int, int],
        skeleton: Skeleton,
        udp: bool,
    ) -> None:
        super().__init__(input_size, skeleton, udp, "udp" if udp else "quarter", mmpose_crops=True)
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps, float32 (N, K, H/4, W/4), 1 at the peak of a keypoint."""
        return self.head(self.backbone(images.to(self.head.final_layer.weight.dtype))[0])

    def train(self, mode: bool = True) -> HeatmapPose:
        """As in torch; on a processor, training is laid out channels first.

        There torch sums the batch statistics of channels-last pictures in float32 and others in
        float64: outputs of a ResNet in training mode then differ four times as much.
        """
        if mode and next(self.parameters()).device.type == "cpu":
            self.to(memory_format=torch.contiguous_format)
        return super().train(mode)


@dataclass(frozen=True)
class _Recipe:
    """What a name stands for."""

    backbone: Callable[..., nn.Module]
    channels: int  # of the backbone's output
    upsamplings: int = 0  # in the head
    input_size: tuple[int, int] = (256, 256)
    udp: bool = False


def _vitpose(width: int, depth: int, heads: int, drop_path: float) -> _Recipe:
    size = (256, 192)
    backbone = partial(
        VisionTransformer,
        input_size=size,
        width=width,
        depth=depth,
        heads=heads,
        drop_path=drop_path,
    )
    return _Recipe(backbone, width, upsamplings=2, input_size=size, udp=True)


_RECIPES = {
    "res50": _Recipe(partial(resnet, 50), 2048, upsamplings=3),
    "res101": _Recipe(partial(resnet, 101), 2048, upsamplings=3),
    "hrnet_w32": _Recipe(partial(hrnet, 32), 32),
    "hrnet_w48": _Recipe(partial(hrnet, 48), 48),
    "hrformer_s": _Recipe(partial(HRFormer, 32, heads=1, drop_path=0.1), 32),
    "hrformer_b": _Recipe(partial(HRFormer, 78, heads=2, drop_path=0.2), 78),
    "vitpose_s": _vitpose(384, depth=12, heads=12, drop_path=0.1),
    "vitpose_b": _vitpose(768, depth=12, heads=12, drop_path=0.3),
    "vitpose_l": _vitpose(1024, depth=24, heads=16, drop_path=0.5),
    "vitpose_h": _vitpose(1280, depth=32, heads=16, drop_path=0.55),
}

NAMES = tuple(_RECIPES)


def uses_udp(name: str) -> bool:
    """Whether a network's crops and heatmaps follow UDP, see :mod:`aptv2.crops`."""
    return _RECIPES[name].udp


def build(
    name: str,
    skeleton: Skeleton = ANIMAL17,
    input_size: tuple[int, int] | None = None,
    drop_path: float | None = None,
) -> HeatmapPose:
    """An untrained network of the paper, in training mode.

    Parameters
    ----------
    name
        One of `NAMES`.
    skeleton
        The keypoints, one heatmap each.
    input_size
        Height and width of the crops in pixels; default: the paper's.
    drop_path
        Chance that training skips the last block; default: the paper's. Transformers alone have it.

    Raises
    ------
    InputError
        Where `drop_path` is given for a network that has none.
    """
    recipe = _RECIPES[name]
    size = input_size or recipe.input_size
    options: dict[str, Any] = {"input_size": size} if name.startswith("vitpose") else {}
    if drop_path is not None:
        if not name.startswith(("vitpose", "hrformer")):
            raise InputError(f"{name} has no drop path; leave it out")
        options["drop_path"] = drop_path
    head = HeatmapHead(recipe.channels, len(skeleton), recipe.upsamplings)
    return HeatmapPose(recipe.backbone(**options), head, size, skeleton, recipe.udp)
