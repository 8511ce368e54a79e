"""HRFormer (Yuan et al., NeurIPS 2021), which no library has: it is written in this package."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aptv2.codecs import MSRA
from aptv2.models.registry import NetworkSpec, Signature, Size
from aptv2.skeleton import Skeleton

if TYPE_CHECKING:
    from aptv2.models.network import Network


def _build(
    width: int, heads: int, *, skeleton: Skeleton, input_size: Size, drop_path: float
) -> Network:
    from aptv2.models.backbones.hrformer import HRFormer
    from aptv2.models.pose.heatmap import heatmap_pose

    backbone = partial(HRFormer, width, heads=heads, drop_path=drop_path)
    return heatmap_pose(backbone, width, 0, input_size, skeleton, MSRA)


def _spec(size: str, width: int, heads: int, drop_path: float) -> NetworkSpec:
    name = f"hrformer_{size}"
    return NetworkSpec(
        name=name,
        title=f"HRFormer-{size.upper()}",
        tasks=("pose",),
        build=partial(_build, width, heads),
        signature=Signature(sides={"backbone.stage2.0.branches.0.0.attn.qkv.weight": (1, width)}),
        codec=MSRA,
        keypoint_layer="head.final_layer.weight",
        initial={init: f"{name}-{init}" for init in ("in1k", "coco", "ap10k")},
        drop_path=drop_path,
    )


SPECS = (_spec("s", 32, 1, 0.1), _spec("b", 78, 2, 0.2))
