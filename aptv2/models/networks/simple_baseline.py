"""SimpleBaseline (Xiao et al., ECCV 2018): a ResNet and three transposed convolutions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aptv2.codecs import MSRA
from aptv2.models.registry import NetworkSpec, Signature, Size
from aptv2.skeleton import Skeleton

if TYPE_CHECKING:
    from aptv2.models.network import Network


def _build(depth: int, *, skeleton: Skeleton, input_size: Size, drop_path: float) -> Network:
    from aptv2.models.backbones.convolutional import resnet
    from aptv2.models.pose.heatmap import heatmap_pose

    return heatmap_pose(partial(resnet, depth), 2048, 3, input_size, skeleton, MSRA)


def _spec(depth: int, blocks: int) -> NetworkSpec:
    """`blocks` is the number of blocks in the third stage, which distinguishes the depths."""
    name = f"res{depth}"
    return NetworkSpec(
        name=name,
        title=f"SimpleBaseline Res-{depth}",
        label=f"Res-{depth}",
        tasks=("pose",),
        build=partial(_build, depth),
        signature=Signature(
            present=(f"backbone.layer3.{blocks - 1}.conv3.weight",),
            absent=(f"backbone.layer3.{blocks}.conv3.weight",),
        ),
        codec=MSRA,
        keypoint_layer="head.final_layer.weight",
        initial={init: f"{name}-{init}" for init in ("in1k", "coco", "ap10k")},
    )


SPECS = (_spec(50, 6), _spec(101, 23))
