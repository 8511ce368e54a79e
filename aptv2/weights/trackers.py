"""Checkpoints -> trackers: OSTrack's and our own, and what their training starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from aptv2.errors import InputError
from aptv2.weights.backbones import resize_grid
from aptv2.weights.checkpoints import Checkpoint, expect, read_checkpoint
from aptv2.weights.files import load_weights
from aptv2.weights.recognise import TITLES, TRACKERS

# The pose network whose backbone a tracker has; a hybrid backbone has none.
_BACKBONES = {
    "vittrack_b": "vitpose_b",
    "vitposetrack_b": "vitpose_b",
    "vitposetrack_l": "vitpose_l",
}
_GRIDS = {"template": (8, 8), "search": (16, 16), "pose": (16, 12)}  # rows and columns of tokens


def load_tracker_weights(network: nn.Module, name: str, source: str | Path) -> dict[str, Any]:
    """Fill a tracker from a checkpoint of this package or of OSTrack; every tensor has its place.

    Parameters
    ----------
    network
        An untrained network, changed in place.
    name
        Its name, one of :data:`aptv2.weights.recognise.TRACKERS`.
    source
        As for :func:`aptv2.weights.checkpoints.read_checkpoint`.

    Returns
    -------
    dict
        What is known of the weights.

    Raises
    ------
    InputError
        Where the checkpoint is none of this tracker; it says of what.
    """
    checkpoint = read_checkpoint(source)
    if checkpoint.network not in TRACKERS:
        title, path = TITLES[checkpoint.network], checkpoint.path
        raise InputError(
            f"{path}: holds {title}, which follows no animal; give a tracker's weights."
        )
    expect(checkpoint, name)
    load_weights(network, checkpoint.tensors, checkpoint.path)
    return checkpoint.about


def load_initial_tracker_weights(
    network: nn.Module, name: str, source: str | Path
) -> dict[str, Any]:
    """Fill a tracker with what its training starts from; what the source lacks stays as it is.

    Of a tracker all parts are taken that both have. Of a MAE or ImageNet ViT the patch embedding
    and the blocks are, of a ViTPose the last norm and the pose decoder too; its position
    embeddings are resized to the grids of template, search and pose crop.

    Parameters
    ----------
    network
        An untrained network, changed in place.
    name
        Its name, one of :data:`aptv2.weights.recognise.TRACKERS`.
    source
        As for :func:`aptv2.weights.checkpoints.read_checkpoint`.

    Returns
    -------
    dict
        What is known of the weights.

    Raises
    ------
    InputError
        Where the checkpoint has another backbone; it says which.
    """
    checkpoint = read_checkpoint(source)
    own = network.state_dict()
    if _BACKBONES.get(checkpoint.network, checkpoint.network) != _BACKBONES.get(name, name):
        raise InputError(
            f"{checkpoint.path}: holds {TITLES[checkpoint.network]}, whose backbone is not that of "
            f"{TITLES[name]}"
        )
    tensors = checkpoint.tensors
    if checkpoint.network not in TRACKERS:
        tensors = _from_pose(checkpoint, own)
    fitting = {key: each for key, each in tensors.items() if key in own}
    if "pose.final_layer.weight" in fitting and (
        len(fitting["pose.final_layer.weight"]) != len(own["pose.final_layer.weight"])
    ):
        fitting = {k: each for k, each in fitting.items() if not k.startswith("pose.final_layer")}
    load_weights(network, own | fitting, checkpoint.path)
    return checkpoint.about


def _from_pose(checkpoint: Checkpoint, own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a ViT backbone, or of a ViTPose, under the names of a tracker."""
    tensors = {
        f"pose.{name.removeprefix('head.')}" if name.startswith("head.") else name: tensor
        for name, tensor in checkpoint.tensors.items()
    }
    positions = tensors.pop("backbone.pos_embed", None)
    if positions is None or positions.ndim != 3:
        raise InputError(f"{checkpoint.path}: has no position embeddings.")
    first, patches = positions[:, :1], positions[:, 1:]
    if not checkpoint.is_backbone:  # ViTPose adds the class token's position to every patch
        patches = patches + first
    count = patches.shape[1]
    grids = [(round(count**0.5), round(count**0.5)), _GRIDS["pose"]]
    grid = next((each for each in grids if each[0] * each[1] == count), None)
    if grid is None:
        raise InputError(
            f"{checkpoint.path}: its position embeddings, of shape {tuple(positions.shape)}, are "
            "of no known grid."
        )
    for kind, wanted in _GRIDS.items():
        if f"positions.{kind}" in own:
            fits = grid == wanted
            tensors[f"positions.{kind}"] = patches if fits else resize_grid(patches, grid, wanted)
    return tensors
