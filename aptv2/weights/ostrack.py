"""Names of OSTrack's checkpoints -> the names of this package's trackers. Nothing but renaming."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

# Positions and class token of the ViT that OSTrack started from; it keeps and never uses them.
_LEFT_OUT = ("backbone.cls_token", "backbone.pos_embed")
_POSITIONS = {
    "backbone.pos_embed_z": "positions.template",
    "backbone.pos_embed_x": "positions.search",
}
_BRANCHES = {"ctr": "score", "size": "size", "offset": "offset"}
_HEAD = re.compile(r"box_head\.conv(\d)_(ctr|size|offset)\.")


def is_ostrack(names: Iterable[str]) -> bool:
    """True if tensors are named as an OSTrack with a plain ViT and a centre head names them."""
    return {"backbone.pos_embed_x", "box_head.conv1_ctr.0.weight"} <= set(names)


def from_ostrack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of OSTrack under this package's names.

    Candidate elimination has no tensors of its own: a checkpoint that was trained with it is
    renamed too, and used without. A name that no rule knows stays as it is, so that loading lists
    it.
    """
    return {_rename(name): each for name, each in tensors.items() if name not in _LEFT_OUT}


def _rename(name: str) -> str:
    if name in _POSITIONS:
        return _POSITIONS[name]
    if match := _HEAD.match(name):
        layer, branch = int(match[1]) - 1, _BRANCHES[match[2]]
        return f"centre.{branch}.{layer}.{name[match.end() :]}"
    return name
