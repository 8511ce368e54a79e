"""Pose networks as ONNX files, which ONNX Runtime computes: no torch weights, no network code."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from aptv2.codecs import Codec
from aptv2.errors import InputError
from aptv2.models.pose.base import IMAGENET_MEAN, IMAGENET_STD, PoseModel
from aptv2.models.pose.onnx_check import check_graph
from aptv2.skeleton import Skeleton
from aptv2.weights.download import file_checksum

METADATA = "aptv2"  # the entry of a file's metadata that holds `Metadata` as JSON
INPUT, OUTPUT = "images", "heatmaps"
Side = Annotated[int, Field(ge=32, le=2048)]
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class Metadata(BaseModel):
    """What an ONNX file says of itself: all that is needed to use it, beside the network.

    Attributes
    ----------
    network
        The network's name.
    input_size
        Height and width of the crops in pixels.
    codec, skeleton
        As of :class:`aptv2.models.pose.base.PoseModel`.
    mean, std
        Of the pixels, RGB from 0 to 1: the network takes (pixel - mean) / std.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str
    input_size: tuple[Side, Side]
    codec: Codec
    skeleton: Skeleton
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD


class OnnxPose(PoseModel):
    """A pose network that ONNX Runtime computes, in float32.

    Parameters
    ----------
    path
        The file, written by :func:`aptv2.models.onnx_export.export_onnx`.
    device
        The processor, or a GPU where the package onnxruntime-gpu is installed; None for a GPU
        where both are there.

    Raises
    ------
    InputError
        Where the file cannot be used.
    """

    def __init__(self, path: str | Path, device: torch.device | None = None) -> None:
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: there is no such ONNX file.")
        model = _load(path)
        try:
            said = Metadata.model_validate_json(_metadata(model))
            if (said.mean, said.std) != (IMAGENET_MEAN, IMAGENET_STD):
                raise ValueError("it wants pixels that are normalised otherwise")
        except ValueError as error:
            raise InputError(
                f"{path}: no pose network written by aptv2 weights export ({_reason(error)})."
            ) from None
        check_graph(model, path)
        del model
        session = _session(path, device)
        super().__init__(said.input_size, said.skeleton, said.codec)
        self.network, self.path, self.device, self.session = said.network, path, device, session
        # Stands for the weights: what asks a network for its parameters finds some.
        checksum = list(bytes.fromhex(file_checksum(path)))
        self.checksum = nn.Parameter(torch.tensor(checksum, dtype=torch.uint8), requires_grad=False)
        self.eval()
        self._try()

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps, float32 (N, K, h, w), 1 at the peak of a keypoint."""
        given = np.ascontiguousarray(images.float().cpu().numpy())
        return torch.from_numpy(self.session.run([OUTPUT], {INPUT: given})[0]).to(images.device)

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process opens the file itself.
        return OnnxPose, (self.path, self.device)

    def _try(self) -> None:
        """Compute one picture, to know that the file does what it says."""
        try:
            shape = tuple(self(torch.zeros(1, 3, *self.input_size)).shape)
        except Exception as error:  # the runtime raises whatever a graph leads it to
            raise InputError(f"{self.path}: does not run ({_reason(error)}).") from None
        if len(shape) != 4 or shape[:2] != (1, len(self.skeleton)):
            raise InputError(
                f"{self.path}: its output has shape {shape}, not (1, {len(self.skeleton)}, h, w)."
            )


def require(package: str) -> Any:
    """A package of the extra `onnx`.

    Raises
    ------
    InputError
        Where it is not installed; it says how to.
    """
    try:
        return import_module(package)
    except ImportError:
        raise InputError(
            f"ONNX files need the package {package}: pip install 'aptv2[onnx]'."
        ) from None


def _session(path: Path, device: torch.device | None) -> Any:
    runtime = require("onnxruntime")
    known = runtime.get_available_providers()
    if device is None:
        gpu = torch.cuda.is_available() and _PROVIDERS["cuda"] in known
        device = torch.device("cuda" if gpu else "cpu")
    provider = _PROVIDERS.get(device.type)
    if provider not in known:
        raise InputError(f"device '{device}': this ONNX Runtime does not know it; try cpu.")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    for pool in ("intra_op", "inter_op"):  # idle threads must not take time from other processes
        options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
    options.log_severity_level = 4  # what goes wrong is raised
    settings = {"device_id": str(device.index or 0)} if device.type == "cuda" else {}
    try:
        return runtime.InferenceSession(path, options, providers=[(provider, settings)])
    except Exception as error:  # the runtime's own, one class for each of its codes
        raise InputError(f"{path}: not a usable ONNX file ({_reason(error)}).") from None


def _metadata(model: Any) -> str:
    """The file's `Metadata`, as it stands there."""
    for entry in model.metadata_props:
        if entry.key == METADATA:
            return str(entry.value)
    raise ValueError(f"its metadata has no entry '{METADATA}'")


def _load(path: Path) -> Any:
    """A file as `onnx.ModelProto`.

    Weights beyond 2 GB lie in a file of their own, which must be in the same folder. Recent
    versions of ONNX Runtime refuse others too.
    """
    onnx = require("onnx")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception:  # protobuf's
        raise InputError(f"{path}: not an ONNX file, or cut short or damaged.") from None
    folder = path.resolve().parent
    for tensor in _tensors(model, onnx.TensorProto):
        for entry in tensor.external_data:
            if entry.key == "location" and (folder / entry.value).resolve().parent != folder:
                raise InputError(
                    f"{path}: refused, its weights are outside its folder ({entry.value})."
                )
    return model


def _tensors(message: Any, kind: type) -> Iterator[Any]:
    """All tensors in a protobuf message, also those inside functions and branches."""
    if isinstance(message, kind):
        yield message
    elif hasattr(message, "ListFields"):
        for field, value in message.ListFields():
            if field.message_type is not None:
                for each in [value] if hasattr(value, "ListFields") else value:
                    yield from _tensors(each, kind)


def _reason(error: Exception) -> str:
    """What an error says, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return ": ".join([*map(str, first["loc"]), first["msg"]])
    return (str(error).strip() or type(error).__name__).splitlines()[0]
