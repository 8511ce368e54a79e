"""Checkpoints of no network here: whose they may be, from the names of their tensors."""

from __future__ import annotations

from collections.abc import Iterable

from aptv2.errors import InputError

# What else people have lying about, by the beginning of a name.
_OTHERS = {
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
}


class UnknownNetworkError(InputError):
    """A checkpoint of no network that is known here."""


def described(names: Iterable[str]) -> str:
    """Words for tensors that belong to no network here: whose they may be."""
    names = list(names)
    for start, title in _OTHERS.items():
        if any(name.startswith(start) for name in names):
            return f"it looks like {title}"
    some = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"its tensors are called {some}" if names else "it holds no tensors"
