"""What a checkpoint is, from the names and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

# Networks under this package's names, and what their papers call them.
TITLES = {
    "res50": "SimpleBaseline Res-50",
    "res101": "SimpleBaseline Res-101",
    "hrnet_w32": "HRNet-w32",
    "hrnet_w48": "HRNet-w48",
    "hrformer_s": "HRFormer-S",
    "hrformer_b": "HRFormer-B",
    "vitpose_s": "ViTPose-S",
    "vitpose_b": "ViTPose-B",
    "vitpose_l": "ViTPose-L",
    "vitpose_h": "ViTPose-H",
    "lite": "the embedded lite network",
    "vittrack_b": "ViTTrack-B",
    "vitposetrack_s": "ViTPoseTrack-S",
    "vitposetrack_b": "ViTPoseTrack-B",
    "vitposetrack_l": "ViTPoseTrack-L",
}

# Trackers by the width of their tokens: those that follow alone, and those that read poses too.
_TRACKERS = {768: "vittrack_b"}
_POSE_TRACKERS = {192: "vitposetrack_s", 768: "vitposetrack_b", 1024: "vitposetrack_l"}
TRACKERS = (*_TRACKERS.values(), *_POSE_TRACKERS.values())

# (a tensor that tells the network, which side of it, what it is then)
_SIZES: list[tuple[str, int, dict[int, str]]] = [
    (
        "body.blocks.0.attn.qkv.weight",
        1,
        {384: "vitpose_s", 768: "vitpose_b", 1024: "vitpose_l", 1280: "vitpose_h"},
    ),
    ("body.stage2.0.branches.0.0.attn.qkv.weight", 1, {32: "hrformer_s", 78: "hrformer_b"}),
    ("body.stage2.0.branches.0.0.conv1.weight", 0, {32: "hrnet_w32", 48: "hrnet_w48"}),
]

# What else people have lying about, by the beginning of a name.
_STRANGERS = {
    "box_head.": "an OSTrack tracker of another kind than ViT-B/256 with a centre head",
    "rpn_head.": "a detector of mmdetection",
    "bbox_head.": "a detector of mmdetection",
    "roi_head.": "a detector of mmdetection",
    "decode_head.": "a segmentation network of mmsegmentation",
    "head.cls_x.": "an RTMPose network",
    "keypoint_head.final_layers.": "a bottom-up pose network of mmpose",
    "model.0.conv.": "a YOLO detector",
    "model.model.": "a YOLO detector",
    "text_model.": "a CLIP model",
    "search.": "the embedded lite network",
}


def network_name(tensors: Mapping[str, Tensor]) -> str | None:
    """The network that tensors under this package's names belong to; None where it is no known one.

    The head does not matter: a body alone is named too.
    """
    if "centre.score.4.weight" in tensors and "positions.search" in tensors:
        known = _TRACKERS if "pose.final_layer.weight" not in tensors else _POSE_TRACKERS
        return known.get(tensors["positions.search"].shape[-1])
    for name, side, networks in _SIZES:
        if name in tensors and tensors[name].ndim > side:
            return networks.get(tensors[name].shape[side])
    if "body.layer3.0.conv3.weight" in tensors:
        depth = {int(n.split(".")[2]) for n in tensors if n.startswith("body.layer3.")}
        return {6: "res50", 23: "res101"}.get(len(depth))
    return None


def joint_count(tensors: Mapping[str, Tensor]) -> int | None:
    """Number of joints that the head predicts; None where there is no heatmap head."""
    last = tensors.get("head.final_layer.weight", tensors.get("pose.final_layer.weight"))
    return None if last is None or last.ndim == 0 else len(last)


def stranger(names: Iterable[str]) -> str:
    """What tensors look like that belong to no pose network here."""
    names = list(names)
    for start, title in _STRANGERS.items():
        if any(name.startswith(start) for name in names):
            return f"it looks like {title}"
    some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"its tensors are called {some}" if names else "it holds no tensors"
