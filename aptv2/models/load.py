"""Names -> networks that are ready for use."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.models.checkpoints import network_of
from aptv2.models.devices import Dtype, checked_device, checked_dtype
from aptv2.models.network import Network
from aptv2.models.pose.base import PoseModel
from aptv2.models.pose.onnx import OnnxPose
from aptv2.models.protocols import Detector, Tracker
from aptv2.models.registry import NetworkSpec, Task
from aptv2.weights.cache import find_weights, how_to_get, locate
from aptv2.weights.files import mtime, read_skeleton

RANDOM = "random"


def load_pose_model(
    name: str,
    weights: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: Dtype = "float32",
    expert: str | None = None,
    compile: bool = False,
) -> PoseModel:
    """A pose network in eval mode.

    Parameters
    ----------
    name
        `lite`, or another network that poses (`aptv2.models.registry.names("pose")`): one of the
        paper, or the pose part of a tracker. Or a file that says itself what it is: weights of
        `aptv2 train`, an ONNX file of `aptv2 weights export`.
    weights
        A weights file; None for the embedded weights, or those that `aptv2 weights pull` fetched;
        "random" for none. Networks of the paper also take a checkpoint of MMPose or a folder of
        Hugging Face's VitPose as it is, or an ONNX file, which ONNX Runtime computes.
    device
        Where it runs; a GPU where there is one, else the processor.
    dtype
        "auto" takes bfloat16 where the processor computes with it, float32 elsewhere.
    expert
        Which network of a ViTPose++ checkpoint: `ap10k`, `apt36k`, `coco`, ...
    compile
        Let torch.compile make it faster, for long work: the first batch, and the first of another
        size, then take a minute. Needs a C++ compiler where there is no GPU.

    Returns
    -------
    PoseModel
        `model(images)`, `model.forward_flip(images)` and `model.predict(frame, boxes)`.

    Raises
    ------
    InputError
        Where the name is not known, the weights do not fit, or there are none.
    """
    file = name if weights is None else weights
    if Path(file).suffix == ".onnx":
        if compile or expert:
            raise InputError(
                f"{file}: an ONNX file is used as it is; leave out compile and expert."
            )
        return _onnx_model(file, None if weights is None else name, device, dtype)
    name, weights = _named(name, weights)
    spec = registry.spec(name, "pose")
    if expert and spec.tasks != ("pose",):
        raise InputError(f"{name} has no experts; leave out '{expert}'.")
    model = _network(spec, "pose", weights, device, dtype, expert).pose_model().eval()
    if compile:
        model.compile()
    return model


def load_detector(
    name: str = "lite",
    weights: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: Dtype = "float32",
) -> Detector:
    """An animal detector; the parameters are those of :func:`load_pose_model`."""
    name, weights = _named(name, weights)
    spec = registry.spec(name, "detection")
    return _network(spec, "detection", weights, device, dtype).detector()


def load_tracker(
    name: str = "lite",
    weights: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: Dtype = "float32",
    pose: bool = False,
) -> Tracker:
    """A tracker for any kind of animals.

    Parameters
    ----------
    name
        `lite`, or another network that tracks (`aptv2.models.registry.names("tracking")`). Or a
        weights file of `aptv2 train`, which says itself what it is.
    weights
        A weights file; None for the embedded weights, or those that `aptv2 weights pull` fetched;
        "random" for none. A ViTTrack also takes a checkpoint of OSTrack ViT-B/256 as it is.
    device, dtype
        As for :func:`load_pose_model`. What a network does at once, of the same file, device and
        dtype, is one network in memory.
    pose
        Read poses in the same pass, as `keypoints` of the tracker; for networks that can (`fused`
        of their spec).

    Returns
    -------
    Tracker
        `tracker.start(frame, boxes)` and `tracker.step(frame)`.

    Raises
    ------
    InputError
        Where the name is not known, the weights do not fit, or there are none.
    """
    name, weights = _named(name, weights)
    spec = registry.spec(name, "tracking")
    if pose and not spec.fused:
        known = ", ".join(each.name for each in registry.specs().values() if each.fused)
        raise InputError(f"{name} follows animals and reads no poses on the way; {known} do.")
    return _network(spec, "tracking", weights, device, dtype).tracker(pose)


def available(name: str) -> bool:
    """True where weights of a network are in this package, or were fetched."""
    return registry.spec(name).embedded is not None or find_weights(name) is not None


def _named(name: str, weights: str | Path | None) -> tuple[str, str | Path | None]:
    """A network's name and weights, where a file may stand in place of the name."""
    if weights is None and Path(name).suffix == ".safetensors":
        return network_of(name), name
    return name, weights


def _network(
    spec: NetworkSpec,
    task: Task,
    weights: str | Path | None,
    device: str | torch.device | None,
    dtype: Dtype,
    expert: str | None = None,
) -> Network:
    device = checked_device(device)
    kind = checked_dtype(dtype, device)
    source = weights if weights is not None else spec.embedded or find_weights(spec.name)
    if source is None:
        raise InputError(how_to_get(spec.name, spec.title))
    if len(spec.tasks) == 1:
        return _make(spec.name, task, str(source), mtime(source), device, kind, expert)
    # Tasks that one part of the network serves ask for the same one.
    served = spec.parts.get(task, spec.tasks[0])
    return _make_shared(spec.name, served, str(source), mtime(source), device, kind, expert)


def _make(
    name: str,
    task: Task,
    source: str,
    since: int,
    device: torch.device,
    dtype: torch.dtype,
    expert: str | None,
) -> Network:
    """A network with its weights, in eval mode; `since` is the file's mtime."""
    if source == RANDOM:
        network = registry.build(name)
        network.keep(task)
    else:
        # Drawing a large network's kinds only to replace them takes longer.
        with torch.device("meta"):
            network = registry.build(name, read_skeleton(locate(source)))
        network.keep(task)
        network.fill(source, expert)
    network.eval().prepare()
    network.requires_grad_(False).to(device=device, dtype=dtype)
    if network.channels_last:
        network.to(memory_format=torch.channels_last)
    return network


# Heads that are asked for one after the other share what lies before them.
_make_shared = lru_cache(maxsize=2)(_make)


def _onnx_model(
    path: str | Path, name: str | None, device: str | torch.device | None, dtype: Dtype
) -> OnnxPose:
    """An ONNX file; where a name is given, one of that network."""
    if name is not None:
        registry.spec(name, "pose")
    if checked_dtype(dtype, torch.device("cpu")) is torch.bfloat16 and dtype != "auto":
        raise InputError(f"{path}: an ONNX file computes in float32; give that or 'auto'.")
    model = OnnxPose(path, None if device is None else checked_device(device))
    if name not in (None, model.network):
        held = model.network
        raise InputError(f"{path}: holds {held}, not {name}; load it as '{held}'.")
    return model
