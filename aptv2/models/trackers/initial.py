"""What the training of a ViT tracker starts from: trackers, ViTPose, MAE."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.models.checkpoints import Checkpoint, read_checkpoint
from aptv2.weights.backbones import resize_grid
from aptv2.weights.files import load_weights

_GRIDS = {"template": (8, 8), "search": (16, 16), "pose": (16, 12)}  # rows and columns of tokens


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
        Its name.
    source
        As for :func:`aptv2.models.checkpoints.read_checkpoint`.

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
    found, wanted = checkpoint.spec, registry.spec(name)
    if (found.backbone_of or found.name) != (wanted.backbone_of or wanted.name):
        raise InputError(
            f"{checkpoint.path}: holds {found.title}, whose backbone is not that of {wanted.title}"
        )
    tensors = checkpoint.tensors
    if "tracking" not in found.tasks:
        tensors = _from_pose(checkpoint, own)
    fitting = {key: each for key, each in tensors.items() if key in own}
    if "pose.final_layer.weight" in fitting and (
        len(fitting["pose.final_layer.weight"]) != len(own["pose.final_layer.weight"])
    ):
        fitting = {k: each for k, each in fitting.items() if not k.startswith("pose.final_layer")}
    load_weights(network, own | fitting, checkpoint.path)
    return checkpoint.metadata


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
