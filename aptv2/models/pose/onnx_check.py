"""ONNX files that someone else wrote, refused before ONNX Runtime runs them.

A graph is a program: loops never end, and a few operators with a few numbers fill the memory. So
only the operators that :mod:`aptv2.models.onnx_export` writes are run, and only where every size is
known and small before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aptv2.errors import InputError

_WRITTEN = """
Add AveragePool BatchNormalization Cast Clip Concat Constant Conv ConvTranspose Div Erf Exp
Expand Flatten Gather Gelu Gemm GlobalAveragePool HardSigmoid HardSwish Identity
LayerNormalization LeakyRelu MatMul MaxPool Mul Pad Pow Reciprocal ReduceMean Relu Reshape
Resize Shape Sigmoid Slice Softmax Split Sqrt Squeeze Sub Tanh Tile Transpose Unsqueeze Where
"""
OPERATORS = frozenset(_WRITTEN.split())
"""What networks of this package become, and what other versions of the exporter write for it."""
_MOST_NODES = 20_000
_MOST_VALUES = 2**27  # of the arrays that are needed at once, for one picture: half a gigabyte
_MOST_STEPS = 2**39  # multiplications for one picture: four times those of ViTPose-H


def check_graph(model: Any, path: Path) -> None:
    """Refuse a graph that could run for ever or fill the memory.

    Parameters
    ----------
    model
        The file as `onnx.ModelProto`.
    path
        The file.

    Raises
    ------
    InputError
        Where it holds an operator that is not in `OPERATORS`, functions, or arrays whose size is
        unknown or too large for one picture.
    """
    nodes = model.graph.node
    if len(nodes) > _MOST_NODES or model.functions:
        raise _refused(path, "its graph holds functions, or more steps than any pose network")
    for node in nodes:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise _refused(path, f"it holds the operator {node.op_type[:40]!r}")
    weights = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    known = weights | _shapes(model, path)
    given = {*weights, *(value.name for value in model.graph.input), ""}
    # Arrays that nothing reads stay to the end; that bounds them the more.
    last = {name: place for place, node in enumerate(nodes) for name in node.input}
    needed = steps = 0.0
    for place, node in enumerate(nodes):
        for name in filter(None, node.output):
            shape = known.get(name)
            if shape is None or None in shape:
                raise _refused(path, f"the size of {name[:40]!r} within it is not known")
            values = math.prod(map(float, shape))
            needed += values
            steps += values * _work(node, known)
            if needed > _MOST_VALUES or steps > _MOST_STEPS:
                raise _refused(path, f"{name[:40]!r} within it is larger than in any pose network")
        done = {name for name in node.input if last[name] == place and name not in given}
        needed -= sum(math.prod(map(float, known.get(name) or [0])) for name in done)


def _work(node: Any, known: dict[str, list[Any]]) -> float:
    """Multiplications for one value of a node's output, about."""
    operand = known.get(node.input[1], []) if len(node.input) > 1 else []
    sides = [float(side or 1) for side in operand]
    if node.op_type in ("Conv", "ConvTranspose"):
        return math.prod(sides[1:])
    if node.op_type in ("MatMul", "Gemm"):
        return max(sides[-2:], default=1)
    if node.op_type in ("AveragePool", "MaxPool"):
        return math.prod(value for entry in node.attribute for value in entry.ints)
    return 1


def _shapes(model: Any, path: Path) -> dict[str, list[int | None]]:
    """Sizes of all arrays within the graph, for one picture."""
    import onnx

    one = onnx.ModelProto()
    one.CopyFrom(model)
    del one.graph.value_info[:]  # what the file says of them
    for value in one.graph.input:
        for side in value.type.tensor_type.shape.dim:
            if not side.HasField("dim_value"):
                side.dim_value = 1
    for value in one.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        found = onnx.shape_inference.infer_shapes(one, strict_mode=True, data_prop=True).graph
    except Exception:  # of its own kind
        raise _refused(path, "the sizes within it contradict each other") from None
    return {value.name: list(_sides(value)) for value in (*found.value_info, *found.output)}


def _sides(value: Any) -> Iterator[int | None]:
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        yield None
    for side in kind.shape.dim:
        yield side.dim_value if side.HasField("dim_value") else None


def _refused(path: Path, fault: str) -> InputError:
    return InputError(
        f"{path}: {fault}, which is refused; give a file written by aptv2 weights export."
    )
