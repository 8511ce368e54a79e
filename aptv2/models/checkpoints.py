"""Checkpoints -> networks: which network their tensors are of, and every tensor in its place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.models.registry import NetworkSpec
from aptv2.weights import backbones
from aptv2.weights.checkpoints import read_tensors
from aptv2.weights.files import load_weights, read_metadata
from aptv2.weights.unknown import UnknownNetworkError, described


@dataclass(frozen=True)
class Checkpoint:
    """Weights of one network under this package's names.

    Attributes
    ----------
    path
        The file they are from.
    tensors
        Named tensors, of `backbone` and, where the file has one, of `head`; all of a tracker.
    network
        The network's name.
    keypoints
        Keypoints that the head predicts; None for a backbone alone, and for a tracker that reads
        none.
    metadata
        What is known of them: `origin`, `expert` where one was chosen, and what a file of this
        package says of itself.
    """

    path: Path
    tensors: dict[str, Tensor]
    network: str
    keypoints: int | None
    metadata: dict[str, Any]

    @property
    def spec(self) -> NetworkSpec:
        """What the network is."""
        return registry.spec(self.network)

    @property
    def is_backbone(self) -> bool:
        """True for a backbone alone, from which training can start."""
        return self.keypoints is None and "pose" in self.spec.tasks


def read_checkpoint(source: str | Path, expert: str | None = None) -> Checkpoint:
    """Read a checkpoint of any origin and recognise its network.

    Parameters
    ----------
    source, expert
        As for :func:`aptv2.weights.checkpoints.read_tensors`.

    Raises
    ------
    InputError
        Where the file cannot be read.
    UnknownNetworkError
        Where it holds no network that is known here; it says what the file looks like.
    """
    path, tensors, metadata = read_tensors(source, expert)
    spec = registry.specs().get(metadata.get("network", ""))
    if spec is None or not spec.signature.matches(tensors):
        spec = registry.recognise(tensors)
    if spec is None:
        raise UnknownNetworkError(
            f"{path}: no network that is known here; {described(tensors)}; aptv2 weights inspect "
            f"{path} lists them all."
        )
    keypoints = _keypoints(spec, tensors)
    if keypoints is None and "pose" in spec.tasks:
        tensors = backbones.backbone_parts(tensors)
    return Checkpoint(path, tensors, spec.name, keypoints, metadata)


def network_of(source: str | Path, expert: str | None = None) -> str:
    """The name of the network that a weights file is of: as it says, or as its tensors show.

    Raises
    ------
    InputError
        As :func:`read_checkpoint`.
    """
    return read_metadata(source).get("network") or read_checkpoint(source, expert).network


def load_trained_weights(
    network: nn.Module, name: str, source: str | Path, expert: str | None = None
) -> dict[str, Any]:
    """Fill a network from a checkpoint of any origin; every tensor must have its place.

    Parameters
    ----------
    network
        An untrained network, changed in place.
    name
        Its name.
    source, expert
        As for :func:`read_checkpoint`.

    Returns
    -------
    dict
        What is known of the weights.

    Raises
    ------
    InputError
        Where the checkpoint is none of this network; it says of which.
    """
    checkpoint = read_checkpoint(source, expert)
    expect(checkpoint, name)
    fill(network, checkpoint)
    return checkpoint.metadata


def load_initial_weights(network: nn.Module, name: str, source: str | Path) -> dict[str, Any]:
    """Fill a pose network with what its training starts from.

    A pose checkpoint fills all of it, except the last layer where it predicts another number of
    keypoints. An ImageNet or MAE backbone fills `backbone`; the head, and the last norm of a ViT,
    stay as they are.

    Parameters
    ----------
    network
        An untrained network with `input_size`, changed in place.
    name
        Its name.
    source
        As for :func:`read_checkpoint`.

    Returns
    -------
    dict
        What is known of the weights.

    Raises
    ------
    InputError
        Where the checkpoint is none of this network; it says of which.
    """
    checkpoint = read_checkpoint(source)
    expect(checkpoint, name)
    start(network, checkpoint)
    return checkpoint.metadata


def fill(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Put a whole checkpoint into its network; the work of :func:`load_trained_weights`."""
    spec = checkpoint.spec
    wanted = _keypoints(spec, network.state_dict())
    if checkpoint.is_backbone:
        raise InputError(
            f"{checkpoint.path}: holds the backbone of {spec.title} without a pose "
            "head: training can start from it, but it finds no keypoints."
        )
    if checkpoint.keypoints != wanted:
        raise InputError(
            f"{checkpoint.path}: predicts {checkpoint.keypoints} keypoints, this network {wanted}; "
            "take weights for the same keypoints."
        )
    load_weights(network, _with_counters(checkpoint.tensors, network), checkpoint.path)


def start(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Put into a network what training starts from; the work of :func:`load_initial_weights`."""
    own = network.state_dict()
    tensors = backbones.without_relative_positions(checkpoint.tensors)
    kept: list[str] = []
    if checkpoint.is_backbone:
        kept += [key for key in own if key.startswith("head.")]
        if "backbone.pos_embed" in tensors:
            height, width = cast("tuple[int, int]", network.input_size)
            patch = own["backbone.patch_embed.proj.weight"].shape[-1]
            grid = height // patch, width // patch
            try:
                resized = backbones.resize_positions(tensors["backbone.pos_embed"], grid)
            except InputError as error:
                raise InputError(f"{checkpoint.path}: {error}") from None
            tensors["backbone.pos_embed"] = resized
            kept += ["backbone.norm.weight", "backbone.norm.bias"]
    elif checkpoint.keypoints != _keypoints(checkpoint.spec, own):
        kept += ["head.final_layer.weight", "head.final_layer.bias"]
    tensors = _with_counters(tensors, network) | {key: own[key] for key in kept}
    load_weights(network, tensors, checkpoint.path)


def expect(checkpoint: Checkpoint, name: str) -> None:
    """Raise an InputError where a checkpoint is of another network."""
    wanted, found = registry.spec(name), checkpoint.spec
    if "tracking" in wanted.tasks and "tracking" not in found.tasks:
        raise InputError(
            f"{checkpoint.path}: holds {found.title}, which follows no animal; give a tracker's "
            "weights."
        )
    if found.signature != wanted.signature:  # networks that share one share their files
        raise InputError(
            f"{checkpoint.path}: holds {found.title}, not {wanted.title}; load it as "
            f"'{found.name}'."
        )


def _keypoints(spec: NetworkSpec, tensors: dict[str, Tensor]) -> int | None:
    """Number of keypoints that a network's head predicts; None where there is no head for them."""
    last = None if spec.keypoint_layer is None else tensors.get(spec.keypoint_layer)
    return None if last is None or last.ndim == 0 else len(last)


def _with_counters(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The tensors, with the batch counters that files from before 2018 do not have."""
    counters = {n: t for n, t in network.state_dict().items() if n.endswith("num_batches_tracked")}
    return tensors if counters.keys() & tensors.keys() else counters | tensors
