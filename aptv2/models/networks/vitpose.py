"""ViTPose (Xu et al., NeurIPS 2022): a plain vision transformer, with UDP's crops and heatmaps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aptv2.codecs import UDP
from aptv2.models.registry import NetworkSpec, Signature, Size
from aptv2.skeleton import Skeleton

if TYPE_CHECKING:
    from aptv2.models.network import Network


def _build(
    width: int, depth: int, heads: int, *, skeleton: Skeleton, input_size: Size, drop_path: float
) -> Network:
    from aptv2.models.backbones.vit import VisionTransformer
    from aptv2.models.pose.heatmap import heatmap_pose

    backbone = partial(VisionTransformer, input_size, width, depth, heads, drop_path)
    return heatmap_pose(backbone, width, 2, input_size, skeleton, UDP)


def _spec(size: str, width: int, depth: int, heads: int, drop_path: float) -> NetworkSpec:
    name = f"vitpose_{size}"
    return NetworkSpec(
        name=name,
        title=f"ViTPose-{size.upper()}",
        tasks=("pose",),
        build=partial(_build, width, depth, heads),
        signature=Signature(
            sides={"backbone.blocks.0.attn.qkv.weight": (1, width)}, absent=("positions.search",)
        ),
        input_size=(256, 192),
        codec=UDP,
        keypoint_layer="head.final_layer.weight",
        initial={init: f"{name}-{init}" for init in ("in1k", "coco", "ap10k")},
        drop_path=drop_path,
        layer_decay=True,
    )


SPECS = (
    _spec("s", 384, 12, 12, 0.1),
    _spec("b", 768, 12, 12, 0.3),
    _spec("l", 1024, 24, 16, 0.5),
    _spec("h", 1280, 32, 16, 0.55),
)
