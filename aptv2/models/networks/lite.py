"""The lite network, whose weights are part of this package: it detects, follows and poses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from aptv2.codecs import SOFTMAX, Weibull
from aptv2.models.registry import NetworkSpec, Signature, Size
from aptv2.skeleton import Skeleton

if TYPE_CHECKING:
    from aptv2.models.network import Network

# Fitted on the validation animals of Animal-Pose, with and without flip test: `perf/pose_score.py`.
CODEC = replace(SOFTMAX, calibration=Weibull(scale=0.774, power=1.766))
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
        signature=Signature(present=("pose.head.heatmaps.weight",)),
        codec=CODEC,
        keypoint_layer="pose.head.heatmaps.weight",
        embedded=EMBEDDED,
        initial={"in1k": "", "embedded": ""},
        two_templates=True,
        parts={"pose": "pose", "detection": "detection", "tracking": "detection"},
        pretrained=("pose.backbone.", "search.backbone."),
        compact=True,
    ),
)
