"""Names -> networks that are ready for use."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

from aptv2.errors import InputError
from aptv2.models import paper, vitposetrack
from aptv2.models.lite.detector import LiteDetector
from aptv2.models.lite.network import LitePose, PosePart, SearchPart, fuse
from aptv2.models.lite.tracker import LiteTracker
from aptv2.models.onnx import OnnxPose
from aptv2.models.ostrack import ViTTracker
from aptv2.models.pose import PoseModel
from aptv2.models.tracker import Tracker
from aptv2.models.vitposetrack import SharedPose, ViTPoseTrack
from aptv2.models.vittrack import ViTTrack
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.weights import find_weights, how_to_get, load_pose_weights, load_tracker_weights
from aptv2.weights.cache import locate
from aptv2.weights.checkpoints import read_checkpoint
from aptv2.weights.files import load_weights, read_about, read_part, read_skeleton, written

EMBEDDED = Path(__file__).parents[1] / "assets" / "lite.safetensors"
Dtype = Literal["float32", "bfloat16", "auto"]
DTYPES = get_args(Dtype)
POSE_NETWORKS = ("lite", *paper.NAMES, *vitposetrack.POSE_NAMES)
TRACKERS = ("lite", *vitposetrack.NAMES)


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
        `lite`, or a network of the paper: `res50`, `res101`, `hrnet_w32`, `hrnet_w48`,
        `hrformer_s`, `hrformer_b`, `vitpose_s`, `vitpose_b`, `vitpose_l`, `vitpose_h`. Or the pose
        part of a tracker: `vitposetrack_s`, `vitposetrack_b`, `vitposetrack_l`. Or a file
        that says itself what it is: weights of `aptv2 train`, an ONNX file of `aptv2 weights
        export`.
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
            raise InputError(f"{file}: an ONNX file is used as it is; leave out compile and expert")
        return _onnx_model(file, None if weights is None else name, device, dtype)
    if weights is None and Path(name).suffix == ".safetensors":
        name, weights = _network_of(Path(name)), name
    model = _pose_model(name, weights, device, dtype, expert)
    if compile:
        model.compile()
    return model


def _pose_model(
    name: str,
    weights: str | Path | None,
    device: str | torch.device | None,
    dtype: Dtype,
    expert: str | None,
) -> PoseModel:
    _refuse_unknown(name, POSE_NETWORKS)
    if name == "lite":
        part, skeleton = _lite("pose", name, weights, device, dtype)
        return LitePose(part, skeleton).eval()
    if name in vitposetrack.POSE_NAMES:
        if expert:
            raise InputError(f"{name} has no experts; leave out '{expert}'")
        shared = _vit_track(name, weights, device, dtype)
        assert isinstance(shared, ViTPoseTrack)
        return SharedPose(shared).eval()
    place = _device(device)
    number = _number(dtype, place)
    if weights == "random":
        model = paper.build(name)
    else:
        source = find_weights(name) if weights is None else weights
        if source is None:
            raise InputError(how_to_get(name))
        with torch.device(
            "meta"
        ):  # drawing a large ViT's numbers only to replace them takes longer
            model = paper.build(name, read_skeleton(locate(source)))
        load_pose_weights(model, name, source, expert)
    model.eval().requires_grad_(False)
    return model.to(device=place, dtype=number).to(memory_format=torch.channels_last)


def _network_of(path: Path) -> str:
    """The name of the network whose weights a file holds."""
    return read_about(path).get("network") or read_checkpoint(path).network


def _onnx_model(
    path: str | Path, name: str | None, device: str | torch.device | None, dtype: Dtype
) -> OnnxPose:
    """An ONNX file; where a name is given, one of that network."""
    if name is not None:
        _refuse_unknown(name, POSE_NETWORKS)
    if _number(dtype, torch.device("cpu")) is torch.bfloat16 and dtype != "auto":
        raise InputError(f"{path}: an ONNX file computes in float32; give that or 'auto'")
    model = OnnxPose(path, None if device is None else _device(device))
    if name not in (None, model.network):
        raise InputError(f"{path}: holds {model.network}, not {name}; load it as '{model.network}'")
    return model


def load_detector(
    name: str = "lite",
    weights: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: Dtype = "float32",
) -> LiteDetector:
    """An animal detector; the parameters are those of :func:`load_pose_model`."""
    part, _ = _lite("search", name, weights, device, dtype)
    return LiteDetector(part)


def load_tracker(
    name: str = "lite",
    weights: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: Dtype = "float32",
    pose: bool = False,
) -> Tracker:
    """A tracker for any number of animals.

    Parameters
    ----------
    name
        `lite`, `vittrack_b`, `vitposetrack_s`, `vitposetrack_b` or `vitposetrack_l`. Or a weights
        file of `aptv2 train`, which says itself what it is.
    weights
        A weights file; None for the embedded weights, or those that `aptv2 weights pull` fetched;
        "random" for none. `vittrack_b` also takes a checkpoint of OSTrack ViT-B/256 as it is.
    device, dtype
        As for :func:`load_pose_model`. A `vitposetrack` and its pose model of the same file, device
        and number type are one network in memory.
    pose
        Read poses in the same pass, as `joints` of the tracker; for a `vitposetrack` alone.

    Returns
    -------
    Tracker
        `tracker.start(frame, boxes)` and `tracker.step(frame)`.

    Raises
    ------
    InputError
        Where the name is not known, the weights do not fit, or there are none.
    """
    if weights is None and Path(name).suffix == ".safetensors":
        name, weights = _network_of(Path(name)), name
    _refuse_unknown(name, TRACKERS)
    if pose and name not in vitposetrack.POSE_NAMES:
        known = ", ".join(vitposetrack.POSE_NAMES)
        raise InputError(f"{name} follows animals and reads no poses on the way; {known} do")
    if name == "lite":
        part, _ = _lite("search", name, weights, device, dtype)
        return LiteTracker(part)
    return ViTTracker(_vit_track(name, weights, device, dtype), pose)


def build_network(name: str) -> nn.Module:
    """An untrained network of the paper, or a tracker of `vitposetrack.NAMES`, by its name."""
    return vitposetrack.build(name) if name in vitposetrack.NAMES else paper.build(name)


def best_device() -> torch.device:
    """A GPU where there is one, else the processor."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where `device` computes with it, else float32."""
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        known = getattr(torch.backends.cpu, "get_cpu_capability", lambda: "")()
        fast = known.startswith("AVX512") and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def _refuse_unknown(name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        raise InputError(f"there is no network '{name}'; {hint}")


def _device(device: str | torch.device | None) -> torch.device:
    try:
        place = torch.device(device) if device is not None else best_device()
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError):
        raise InputError(f"device '{device}': torch finds none here; try cpu or cuda") from None
    return place


def _number(dtype: Dtype, device: torch.device) -> torch.dtype:
    if dtype not in DTYPES:
        raise InputError(f"dtype '{dtype}': known are {', '.join(DTYPES)}")
    return fast_dtype(device) if dtype == "auto" else getattr(torch, dtype)


def _lite(
    part: str,
    name: str,
    weights: str | Path | None,
    device: str | torch.device | None,
    dtype: Dtype,
) -> tuple[Any, Skeleton]:
    """A part of the lite network, `pose` or `search`, and the joints that its file is about."""
    _refuse_unknown(name, ("lite",))
    place = _device(device)
    number = _number(dtype, place)
    if weights == "random":
        return _build(part, None, 0, place, number)
    path = Path(weights) if weights else EMBEDDED
    return _build(part, path, written(path), place, number)


@lru_cache(maxsize=4)
def _build(
    part: str, path: Path | None, since: int, device: torch.device, dtype: torch.dtype
) -> tuple[nn.Module, Skeleton]:
    """A part of the lite network; of its file nothing else is read.

    The detector and the tracker are one part, which both share.
    """
    skeleton = ANIMAL17 if path is None else read_skeleton(path)
    network = PosePart(len(skeleton)) if part == "pose" else SearchPart()
    if path is not None:
        load_weights(network, read_part(path, part), path)
    fuse(network.eval())
    network.requires_grad_(False)
    network.to(device=device, dtype=dtype).to(memory_format=torch.channels_last)
    return network, skeleton


def _vit_track(
    name: str, weights: str | Path | None, device: str | torch.device | None, dtype: Dtype
) -> ViTTrack:
    place = _device(device)
    number = _number(dtype, place)
    source = find_weights(name) if weights is None else weights
    if source is None:
        raise InputError(how_to_get(name))
    return _build_vit_track(name, str(source), written(source), place, number)


@lru_cache(maxsize=1)
def _build_vit_track(
    name: str, source: str, since: int, device: torch.device, dtype: torch.dtype
) -> ViTTrack:
    """The network, which what follows animals and what reads their poses share."""
    if source == "random":
        network = vitposetrack.build(name)
    else:
        with torch.device("meta"):  # as for a pose network
            network = vitposetrack.build(name, read_skeleton(locate(source)))
        load_tracker_weights(network, name, source)
    # Not channels last: those convolutions are twice as far from exact sums.
    return network.eval().requires_grad_(False).to(device=device, dtype=dtype)
