"""Pose networks -> ONNX files, each compared with torch before it is written."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.models import registry
from aptv2.models.checkpoints import network_of
from aptv2.models.load import load_pose_model
from aptv2.models.pose.base import PoseModel
from aptv2.models.pose.onnx import INPUT, METADATA, OUTPUT, Metadata, OnnxPose, require
from aptv2.weights.cache import locate

OPSET = 18
BOUND = 1e-3  # of the heatmaps' standard deviation
ONE_FILE = 1_900_000_000  # bytes of weights; protobuf ends at 2 GiB
BATCHES = (1, 3)  # pictures; the graph is traced with 2


def export_weights(
    source: str | Path, path: str | Path, expert: str | None = None
) -> tuple[str, float]:
    """Write weights as an ONNX file.

    Parameters
    ----------
    source
        A network's name, for the weights that are found for it; a name of the registry; or a
        weights file.
    path
        The `.onnx` file to write.
    expert
        Which network of a ViTPose++ is meant.

    Returns
    -------
    str, float
        The network's name, and what :func:`export_onnx` returns.

    Raises
    ------
    InputError
        Where there are no such weights, or :func:`export_onnx` refuses.
    """
    named = source in registry.names("pose")
    network = str(source) if named else network_of(locate(source), expert)
    model = load_pose_model(network, None if named else source, "cpu", expert=expert)
    return network, export_onnx(model, network, path)


def export_onnx(model: PoseModel, network: str, path: str | Path) -> float:
    """Write a pose network as an ONNX file for batches of any size.

    The file is run once more by ONNX Runtime, on random pictures, and only written where its
    heatmaps are torch's. What it needs to be used alone stands in its metadata
    (:class:`aptv2.models.pose.onnx.Metadata`). Weights of more than 1.9 GB go into `NAME.onnx.data`
    beside it.

    Parameters
    ----------
    model
        The network, in eval mode, float32 and on the processor.
    network
        Its name.
    path
        The `.onnx` file to write.

    Returns
    -------
    float
        The largest difference between the heatmaps, as a share of their standard deviation.

    Raises
    ------
    InputError
        Where the heatmaps differ by more than 0.001, the extra `onnx` is not installed, or the
        file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise InputError(f"{path}: an ONNX file is called NAME.onnx.")
    for package in ("onnx", "onnxscript", "onnxruntime"):
        require(package)
    metadata = Metadata(
        network=network,
        input_size=model.input_size,
        codec=model.codec,
        skeleton=model.skeleton,
    )
    images = torch.zeros(2, 3, *model.input_size)
    with _quiet():
        program = torch.onnx.export(
            model,
            (images,),
            dynamo=True,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props[METADATA] = metadata.model_dump_json()
    weights = sum(each.numel() * each.element_size() for each in model.state_dict().values())
    with atomic_write(path) as temporary, TemporaryDirectory(dir=path.parent) as folder:
        # Under its own name, by which the file knows that of its weights.
        written = Path(folder) / path.name
        program.save(written, external_data=weights > ONE_FILE)
        difference = _difference(model, OnnxPose(written, torch.device("cpu")))
        if not difference <= BOUND:  # nor undefined
            raise InputError(
                f"{path}: not written, ONNX Runtime's heatmaps differ from torch's by "
                f"{difference:.1e} of their standard deviation (at most {BOUND:.0e} is allowed)."
            )
        for data in Path(folder).glob("*.data"):
            data.replace(path.parent / data.name)
        written.replace(temporary)
    return difference


@torch.inference_mode()
def _difference(model: PoseModel, exported: OnnxPose) -> float:
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for batch in BATCHES:
        images = torch.randn(batch, 3, *model.input_size, generator=generator)
        expected, found = model(images), exported(images)
        worst = max(worst, float((found - expected).abs().max() / expected.std()))
    return worst


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the messages that the exporter has for its own developers."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
