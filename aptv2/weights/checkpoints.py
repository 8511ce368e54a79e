"""Checkpoints of any origin -> tensors under this package's names."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from aptv2.errors import InputError
from aptv2.weights import backbones, huggingface
from aptv2.weights.cache import locate
from aptv2.weights.experts import has_experts, select_expert
from aptv2.weights.files import read_weights
from aptv2.weights.mmpose import from_mmpose
from aptv2.weights.ostrack import from_ostrack, is_ostrack
from aptv2.weights.unknown import UnknownNetworkError, described

_MMPOSE = ("backbone.", "keypoint_head.")


def read_tensors(
    source: str | Path, expert: str | None = None
) -> tuple[Path, dict[str, Tensor], dict[str, Any]]:
    """Read a checkpoint of this package, mmpose, Hugging Face, OSTrack, torchvision, timm or MAE.

    Parameters
    ----------
    source
        A file, a folder of a Hugging Face model, or what :func:`aptv2.weights.cache.locate` finds
        by name.
    expert
        Which network of a ViTPose++ is meant, a key of :data:`aptv2.weights.experts.EXPERTS`.

    Returns
    -------
    tuple
        The file, its tensors under this package's names, and its metadata: `origin`, `expert`
        where one was chosen, and what a file of this package says of itself.

    Raises
    ------
    InputError
        Where the file cannot be read, or holds something that is known and no network here.
    """
    path = locate(source)
    if path.is_dir():
        path = huggingface.weights_file(path)
    tensors, metadata = read_weights(path)
    try:
        return path, *_renamed(path, tensors, metadata, expert)
    except InputError as error:
        raise type(error)(f"{path}: {error}") from None
    except RuntimeError:  # torch's, where tensors that belong together cannot be joined
        raise InputError(f"{path}: damaged: shapes of its tensors contradict each other.") from None


def _renamed(
    path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any], expert: str | None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, origin = _project(without_copies(tensors), own="network" in metadata)
    if expert and not has_experts(tensors) and metadata.get("expert") != expert:
        raise InputError(f"no ViTPose++: there are no experts to choose '{expert}' from.")
    if expert and expert != "coco" and origin == "Hugging Face":
        warnings.warn(
            f"{path} has a head for COCO's human keypoints alone, so the keypoints of expert "
            f"'{expert}' are not animals'; the original checkpoint has all heads",
            stacklevel=2,
        )
    chosen = {"expert": expert} if expert else {}
    return select_expert(tensors, expert), {"origin": origin, **chosen, **metadata}


def _project(tensors: dict[str, Tensor], own: bool) -> tuple[dict[str, Tensor], str]:
    """Tensors under this package's names, and the project they come from; `own` for this one."""
    if is_ostrack(tensors):
        return from_ostrack(tensors), "OSTrack"
    looks = described(tensors)
    if looks.startswith("it looks like"):
        raise UnknownNetworkError(f"no network that is known here; {looks}.")
    if huggingface.is_huggingface(tensors):
        return huggingface.from_huggingface(tensors), "Hugging Face"
    if any(name.startswith(_MMPOSE) for name in tensors):  # no rule touches our own names
        return from_mmpose(tensors), "aptv2" if own else "mmpose"
    if backbones.is_bare_backbone(tensors):
        return backbones.from_bare_backbone(tensors), "ImageNet"
    return tensors, "aptv2"


def layouts(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors under this package's names, by whose names they are read as.

    Trackers may be named as OSTrack names them or as here; other projects' layouts are only tried
    where a name shows them.
    """
    read: dict[str, dict[str, Tensor]] = {"aptv2": dict(tensors), "OSTrack": from_ostrack(tensors)}
    if any(name.startswith(_MMPOSE) for name in tensors):
        read["mmpose"] = from_mmpose(tensors)
    if huggingface.is_huggingface(tensors):
        with contextlib.suppress(InputError):  # of a head that no network here has
            read["Hugging Face"] = huggingface.from_huggingface(tensors)
    if backbones.is_bare_backbone(tensors):
        read["ImageNet"] = backbones.from_bare_backbone(tensors)
    return read


def without_copies(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
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
        raise InputError("holds a teacher and a student; save the one you want to use alone.")
    if "teacher" not in owners:
        return plain
    rest = {name: tensor for name, tensor in plain.items() if not name.startswith("teacher.")}
    return rest or {name.removeprefix("teacher."): tensor for name, tensor in plain.items()}
