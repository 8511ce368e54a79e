"""Checkpoints of any origin -> networks of this package, every tensor accounted for."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from aptv2.errors import InputError
from aptv2.weights import backbones, huggingface
from aptv2.weights.cache import locate
from aptv2.weights.experts import has_experts, select_expert
from aptv2.weights.files import load_weights, read_weights
from aptv2.weights.mmpose import from_mmpose
from aptv2.weights.ostrack import from_ostrack, is_ostrack
from aptv2.weights.recognise import TITLES, TRACKERS, keypoint_count, network_name, stranger

_MMPOSE = ("backbone.", "keypoint_head.")


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
        The network's name, a key of `TITLES`.
    keypoints
        Keypoints that the head predicts; None for a backbone alone, and for a tracker that reads
        none.
    about
        What is known of them: `origin`, `expert` where one was chosen, and what a file of this
        package says of itself.
    """

    path: Path
    tensors: dict[str, Tensor]
    network: str
    keypoints: int | None
    about: dict[str, Any]

    @property
    def is_backbone(self) -> bool:
        """Whether this is a backbone alone, from which training can start."""
        return self.keypoints is None and self.network not in TRACKERS


def read_checkpoint(source: str | Path, expert: str | None = None) -> Checkpoint:
    """Read a checkpoint of this package, mmpose, Hugging Face, OSTrack, torchvision, timm or MAE.

    Parameters
    ----------
    source
        A file, a folder of a Hugging Face model, or what :func:`aptv2.weights.cache.locate` finds
        by name.
    expert
        Which network of a ViTPose++ is meant, a key of :data:`aptv2.weights.experts.EXPERTS`.

    Raises
    ------
    InputError
        Where the file cannot be read, or holds no network that is known here; it says what the
        file looks like.
    """
    path = locate(source)
    if path.is_dir():
        path = huggingface.weights_file(path)
    tensors, about = read_weights(path)
    try:
        return _recognise(path, tensors, about, expert)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except RuntimeError:  # torch's, where tensors that belong together cannot be joined
        raise InputError(f"{path}: damaged: shapes of its tensors contradict each other") from None


def load_pose_weights(
    network: nn.Module, name: str, source: str | Path, expert: str | None = None
) -> dict[str, Any]:
    """Fill a pose network from a checkpoint of any origin; every tensor must have its place.

    Parameters
    ----------
    network
        An untrained network, changed in place.
    name
        Its name, a key of :data:`aptv2.weights.recognise.TITLES`.
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
    return checkpoint.about


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
        Its name, a key of :data:`aptv2.weights.recognise.TITLES`.
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
    return checkpoint.about


def fill(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Put a whole checkpoint into its network; the work of :func:`load_pose_weights`."""
    wanted = keypoint_count(network.state_dict())
    if checkpoint.is_backbone:
        raise InputError(
            f"{checkpoint.path}: holds the backbone of {TITLES[checkpoint.network]} without a pose "
            "head: training can start from it, but it finds no keypoints"
        )
    if checkpoint.keypoints != wanted:
        raise InputError(
            f"{checkpoint.path}: predicts {checkpoint.keypoints} keypoints, this network {wanted}; "
            "take weights for the same keypoints"
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
    elif checkpoint.keypoints != keypoint_count(own):
        kept += ["head.final_layer.weight", "head.final_layer.bias"]
    tensors = _with_counters(tensors, network) | {key: own[key] for key in kept}
    load_weights(network, tensors, checkpoint.path)


def _recognise(
    path: Path, tensors: dict[str, Tensor], about: dict[str, Any], expert: str | None
) -> Checkpoint:
    tensors = _without_copies(tensors)
    tensors, origin = _renamed(tensors, own="network" in about)
    if expert and not has_experts(tensors) and about.get("expert") != expert:
        raise InputError(f"no ViTPose++: there are no experts to choose '{expert}' from")
    if expert and expert != "coco" and origin == "Hugging Face":
        warnings.warn(
            f"{path} has a head for COCO's human keypoints alone, so the keypoints of expert "
            f"'{expert}' are not animals'; the original checkpoint has all heads",
            stacklevel=2,
        )
    tensors = select_expert(tensors, expert)
    network = network_name(tensors)
    if network is None:
        raise InputError(f"no network that is known here; {stranger(tensors)}")
    keypoints = keypoint_count(tensors)
    if keypoints is None and network not in TRACKERS:
        tensors = backbones.backbone_parts(tensors)
    about = {"origin": origin, **({"expert": expert} if expert else {}), **about}
    return Checkpoint(path, tensors, network, keypoints, about)


def _renamed(tensors: dict[str, Tensor], own: bool) -> tuple[dict[str, Tensor], str]:
    """Tensors under this package's names, and the project they come from; `own` for this one."""
    if is_ostrack(tensors):
        return from_ostrack(tensors), "OSTrack"
    looks = stranger(tensors)
    if looks.startswith("it looks like"):
        raise InputError(f"no network that is known here; {looks}")
    if huggingface.is_huggingface(tensors):
        return huggingface.from_huggingface(tensors), "Hugging Face"
    if any(name.startswith(_MMPOSE) for name in tensors):  # no rule touches our own names
        return from_mmpose(tensors), "aptv2" if own else "mmpose"
    if backbones.is_bare_backbone(tensors):
        return backbones.from_bare_backbone(tensors), "ImageNet"
    raise InputError(f"no network that is known here; {looks}")


def _without_copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The one network that is meant, where a training program saved several.

    mmcv and mmengine swap averaged weights in before they save: the plain names hold the average,
    and `ema_...` what it was averaged from.
    """
    plain = {
        name.removeprefix("module."): tensor
        for name, tensor in tensors.items()
        if not name.startswith("ema_")
    }
    owners = {name.split(".")[0] for name in plain}
    if "student" in owners:
        raise InputError("holds a teacher and a student; save the one you want to use alone")
    if "teacher" not in owners:
        return plain
    rest = {name: tensor for name, tensor in plain.items() if not name.startswith("teacher.")}
    return rest or {name.removeprefix("teacher."): tensor for name, tensor in plain.items()}


def expect(checkpoint: Checkpoint, name: str) -> None:
    """Raise an InputError where a checkpoint is of another network."""
    if checkpoint.network != name:
        raise InputError(
            f"{checkpoint.path}: holds {TITLES[checkpoint.network]}, not {TITLES[name]}; load it "
            f"as '{checkpoint.network}'"
        )


def _with_counters(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The tensors, with the batch counters that files from before 2018 do not have."""
    counters = {n: t for n, t in network.state_dict().items() if n.endswith("num_batches_tracked")}
    return tensors if counters.keys() & tensors.keys() else counters | tensors
