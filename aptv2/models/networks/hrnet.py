"""HRNet (Sun et al., CVPR 2019), whose features are at stride 4 already."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aptv2.codecs import MSRA
from aptv2.models.registry import NetworkSpec, Signature, Size
from aptv2.skeleton import Skeleton

if TYPE_CHECKING:
    from aptv2.models.network import Network


def _build(width: int, *, skeleton: Skeleton, input_size: Size, drop_path: float) -> Network:
    from aptv2.models.backbones.convolutional import hrnet
    from aptv2.models.pose.heatmap import heatmap_pose

    return heatmap_pose(partial(hrnet, width), width, 0, input_size, skeleton, MSRA)


def _spec(width: int) -> NetworkSpec:
    name = f"hrnet_w{width}"
    return NetworkSpec(
        name=name,
        title=f"HRNet-w{width}",
        tasks=("pose",),
        build=partial(_build, width),
        signature=Signature(sides={"backbone.stage2.0.branches.0.0.conv1.weight": (0, width)}),
        codec=MSRA,
        keypoint_layer="head.final_layer.weight",
        initial={init: f"{name}-{init}" for init in ("in1k", "coco", "ap10k")},
    )


SPECS = (_spec(32), _spec(48))
