"""Weights for one set of keypoints as a start for another: namesakes keep what they know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from aptv2.skeleton import Skeleton
from aptv2.weights import read_weights
from aptv2.weights.files import load_weights, read_skeleton

if TYPE_CHECKING:
    from aptv2.models.lite.network import LiteNetwork

# Layers of the lite network with a row a keypoint.
_KEYPOINT_LAYERS = tuple(
    f"pose.head.{layer}.{kind}" for layer in ("heatmaps", "visible") for kind in ("weight", "bias")
)
_SHORT = {"l": "left", "r": "right"}


def load_for_other_keypoints(network: LiteNetwork, path: Path | str) -> None:
    """Fill a lite network from weights that may find other keypoints.

    Keypoints that both know keep what was learnt of them; the rest start as they are in `network`.

    Parameters
    ----------
    network
        An untrained network, changed in place.
    path
        Weights of a lite network.

    Raises
    ------
    InputError
        Where there is no such file, or it holds another network.
    """
    tensors, _ = read_weights(path)
    known, own = read_skeleton(path), network.state_dict()
    pairs = namesakes(network.skeleton, known)
    ours, theirs = list(pairs), list(pairs.values())
    for name in _KEYPOINT_LAYERS:
        if name in tensors and len(tensors[name]) == len(known):
            rows = own[name].clone()
            rows[ours] = tensors[name][theirs]
            tensors[name] = rows
    load_weights(network, tensors, path)


def namesakes(skeleton: Skeleton, known: Skeleton) -> dict[int, int]:
    """Keypoints of a skeleton that another has too: index here -> index there.

    Case, the order of words and what stands between them do not matter, and L and R are left and
    right: `L_eye`, `EyeLeft` and `left-eye` are one keypoint.
    """
    there = {_words(name): keypoint for keypoint, name in enumerate(known.names)}
    return {
        keypoint: there[_words(name)]
        for keypoint, name in enumerate(skeleton.names)
        if _words(name) in there
    }


def _words(name: str) -> tuple[str, ...]:
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\dA-Z_]+|\d+", name)
    return tuple(sorted(_SHORT.get(part.lower(), part.lower()) for part in parts))
