"""ViTTrack and ViTPoseTrack: a plain ViT that follows animals, and one that poses them too.

Our reconstructions of the paper's networks; see :mod:`aptv2.models.trackers.vittrack` and
:mod:`aptv2.models.trackers.vitposetrack`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aptv2.codecs import UDP
from aptv2.models.registry import NetworkSpec, Signature, Size
from aptv2.skeleton import Skeleton

if TYPE_CHECKING:
    from aptv2.models.network import Network

_INITS = ("in1k", "coco", "ap10k")
_POSE_SIZE = (256, 192)
_SEARCH_SIZE = (256, 256)


def _track(
    width: int,
    depth: int,
    heads: int,
    large: bool = False,
    eliminates: bool = False,
    *,
    skeleton: Skeleton,
    input_size: Size,
    drop_path: float,
) -> Network:
    from aptv2.models.trackers.base import Views
    from aptv2.models.trackers.vittrack import ViTTrack, plain_backbone

    backbone = plain_backbone(width, depth, heads, drop_path)
    views = Views(192, 384, 5.0) if large else Views()  # OSTrack's two
    return ViTTrack(backbone, width, views=views, eliminates=eliminates)


def _pose_track(
    width: int, depth: int, heads: int, *, skeleton: Skeleton, input_size: Size, drop_path: float
) -> Network:
    from aptv2.models.backbones.vit import OVERLAP
    from aptv2.models.trackers.vitposetrack import ViTPoseTrack
    from aptv2.models.trackers.vittrack import plain_backbone

    backbone = plain_backbone(width, depth, heads, drop_path)
    return ViTPoseTrack(backbone, width, skeleton, OVERLAP)


def _hybrid_pose_track(
    width: int, depth: int, heads: int, *, skeleton: Skeleton, input_size: Size, drop_path: float
) -> Network:
    from aptv2.models.trackers.vitposetrack import SMALL_HEADS, ViTPoseTrack, hybrid_backbone

    backbone = hybrid_backbone(width, depth, heads, drop_path)
    return ViTPoseTrack(backbone, width, skeleton, overlap=0, head_width=SMALL_HEADS)


def _signature(width: int, pose: bool, search: Size = _SEARCH_SIZE) -> Signature:
    decoder = ("pose.final_layer.weight",)
    return Signature(
        present=("centre.score.4.weight", *(decoder if pose else ())),
        absent=() if pose else decoder,
        sides={
            "backbone.norm.weight": (0, width),
            "positions.search": (1, search[0] * search[1] // 256),
        },
    )


def _vittrack(name: str, title: str, large: bool, eliminates: bool) -> NetworkSpec:
    search = (384, 384) if large else _SEARCH_SIZE
    return NetworkSpec(
        name=name,
        title=title,
        label="ViTTrack" if name == "vittrack_b" else "",
        tasks=("tracking",),
        build=partial(_track, 768, 12, 12, large, eliminates),
        signature=_signature(768, pose=False, search=search),
        initial={init: f"vitpose_b-{init}" for init in _INITS},
        backbone_of="vitpose_b",
        drop_path=0.1,
        layer_decay=True,
        fixed_sizes={"tracking": search},
    )


SPECS = (
    _vittrack("vittrack_b", "ViTTrack-B", large=False, eliminates=False),
    # Elimination has no tensors of its own: the same files fit, and only users know which to take.
    _vittrack("vittrack_b_ce", "ViTTrack-B with elimination", large=False, eliminates=True),
    _vittrack("vittrack_b_384", "ViTTrack-B/384", large=True, eliminates=False),
    _vittrack("vittrack_b_384_ce", "ViTTrack-B/384 with elimination", large=True, eliminates=True),
    NetworkSpec(
        name="vitposetrack_s",
        title="ViTPoseTrack-S",
        tasks=("pose", "tracking"),
        build=partial(_hybrid_pose_track, 192, 4, 6),
        signature=_signature(192, pose=True),
        input_size=_POSE_SIZE,
        codec=UDP,
        keypoint_layer="pose.final_layer.weight",
        # Of the first layers of EfficientNet-Lite0, its stem.
        initial={"in1k": "", "embedded": ""},
        drop_path=0.1,
        layer_decay=True,
        # The blocks behind the stem start afresh.
        pretrained=("backbone.patch_embed.net.",),
        fixed_sizes={"pose": _POSE_SIZE, "tracking": _SEARCH_SIZE},
    ),
    *(
        NetworkSpec(
            name=f"vitposetrack_{size}",
            title=f"ViTPoseTrack-{size.upper()}",
            tasks=("pose", "tracking"),
            build=partial(_pose_track, width, depth, heads),
            signature=_signature(width, pose=True),
            input_size=_POSE_SIZE,
            codec=UDP,
            keypoint_layer="pose.final_layer.weight",
            initial={init: f"vitpose_{size}-{init}" for init in _INITS},
            backbone_of=f"vitpose_{size}",
            drop_path=0.1,
            layer_decay=True,
            fixed_sizes={"pose": _POSE_SIZE, "tracking": _SEARCH_SIZE},
        )
        for size, width, depth, heads in (("b", 768, 12, 12), ("l", 1024, 24, 16))
    ),
)
