"""The lite network, whose weights are part of this package: it detects, follows and poses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aptv2.codecs import SOFTMAX
from aptv2.models.registry import NetworkSpec, Signature, Size
from aptv2.skeleton import Skeleton

if TYPE_CHECKING:
    from aptv2.models.network import Network

EMBEDDED = Path(__file__).parents[2] / "assets" / "lite.safetensors"


def _build(*, skeleton: Skeleton, input_size: Size, drop_path: float) -> Network:
    from aptv2.models.lite.network import LiteNetwork

    return LiteNetwork(skeleton)


SPECS = (
    NetworkSpec(
        name="lite",
        title="the embedded lite network",
        tasks=("pose", "detection", "tracking"),
        build=_build,
        signature=Signature(present=("pose.heatmaps.weight",)),
        codec=SOFTMAX,
        keypoint_layer="pose.heatmaps.weight",
        embedded=EMBEDDED,
        initial={"in1k": "", "embedded": ""},
        clips=True,
        compact=True,
    ),
)
