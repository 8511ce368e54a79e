"""Safe reading and writing of weights. The only checkpoint reader of the package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.weights.unpickling import UnsafeFileError, load_torch_file

# Where checkpoints keep the weights: mmpose and Lightning; MAE and torchvision; OSTrack.
_WRAPPERS = ("state_dict", "model", "net")
LARGEST = 8 << 30  # bytes; the largest weights known here take 4 GB


def read_weights(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a `.safetensors` file or a torch file, and what the file says of itself.

    Nothing in the file can run: torch files are read with `weights_only`. Tensors of a
    `.safetensors` file become float32.

    Raises
    ------
    InputError
        Where there is no such file, or it holds something else than named tensors.
    """
    tensors, metadata = read_stored(path)
    if Path(path).suffix == ".safetensors":
        tensors = _as_float(tensors)
    return tensors, metadata


def read_part(path: Path | str, part: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `part.`, under the names without it.

    Of a `.safetensors` file the others are not read.

    Raises
    ------
    InputError
        Where there is no such file, or it holds something else than named tensors.
    """
    path, start = Path(path), f"{part}."
    if path.suffix == ".safetensors" and path.is_file():
        tensors = _as_float(_read_safetensors(path, start)[0])
    else:
        tensors, _ = read_weights(path)
    return {name.removeprefix(start): t for name, t in tensors.items() if name.startswith(start)}


def read_stored(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The same as :func:`read_weights`, each tensor in the dtype of the file.

    Raises
    ------
    InputError
        Where there is no such file, or it holds something else than named tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such weights file.")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        content = load_torch_file(path)
    except UnsafeFileError as error:
        raise InputError(f"{path}: refused, it holds more than weights ({error}).") from None
    except Exception:  # torch raises whatever a malformed file leads it to
        raise InputError(f"{path}: not a readable weights file ({_damage(path)}).") from None
    content = _unwrapped(content)
    if not _is_state(content):
        keys = ", ".join(map(str, list(content)[:8])) if isinstance(content, dict) else ""
        held = f", but {keys}" if keys else ""
        raise InputError(f"{path}: holds no named tensors{held}; save the network's state dict.")
    # One number can pose as a tensor of any shape, which would fill the memory once it is copied.
    size = sum(tensor.numel() * tensor.element_size() for tensor in content.values())
    if size > LARGEST:
        raise InputError(f"{path}: its tensors would fill {size} bytes, more than any weights.")
    return dict(content), {}


def read_metadata(path: Path | str) -> dict[str, Any]:
    """What a `.safetensors` file says of itself; nothing where it is another or no file.

    Raises
    ------
    InputError
        Where such a file is damaged.
    """
    path = Path(path)
    if path.suffix != ".safetensors" or not path.is_file():
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return _metadata(file)
    except Exception as error:  # as in _read_safetensors
        raise _unreadable(path, error) from None


def read_skeleton(path: Path | str) -> Skeleton:
    """The keypoints that weights predict: what their file says, or else the 17 of APTv2.

    Raises
    ------
    InputError
        Where the file is damaged or describes its keypoints wrongly.
    """
    said = read_metadata(path).get("skeleton")
    if said is None:
        return ANIMAL17
    try:
        return TypeAdapter(Skeleton).validate_python(said)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise InputError(f"{path}: its keypoints are described wrongly ({reason}).") from None


def write_weights(
    path: Path | str,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, Any] | None = None,
    exact: bool = False,
) -> None:
    """Write a `.safetensors` file: matrices and kernels as float16, the rest as it is.

    Vectors stay exact: the variances of batch norms reach below float16's smallest number.

    Parameters
    ----------
    path
        Where to.
    tensors
        Named tensors.
    metadata
        What the file says of itself, kept as JSON.
    exact
        Keep every number as it is: twice the size, and outputs equal to the last digit.

    Raises
    ------
    InputError
        Where a number is too large for float16, or the file cannot be written.
    """
    stored = {}
    for name, tensor in tensors.items():
        halved = not exact and tensor.is_floating_point() and tensor.ndim > 1
        stored[name] = (tensor.half() if halved else tensor.clone()).contiguous()
        if tensor.is_floating_point() and not torch.isfinite(stored[name]).all():
            raise InputError(
                f"{path}: {name} holds numbers that "
                f"{'float16 cannot' if halved else 'are infinite or undefined'}; not written."
            )
    content = save(stored, metadata={"aptv2": json.dumps(dict(metadata or {}))})
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def mtime(path: str | Path) -> int:
    """The time of a file's last change in ns, 0 where there is none."""
    path = Path(path)
    return path.stat().st_mtime_ns if path.exists() else 0


def load_weights(network: nn.Module, tensors: Mapping[str, Tensor], path: Path | str) -> None:
    """Load every tensor into a network; each must have its place and shape.

    A network on torch's `meta` device, which has no memory yet, takes the tensors as its own.

    Raises
    ------
    InputError
        Where tensors are missing, left over or of another shape; it lists the first of each.
    """
    own = network.state_dict()
    missing, extra = sorted(own.keys() - tensors.keys()), sorted(tensors.keys() - own.keys())
    if missing or extra:
        parts = [
            f"{len(names)} {what} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"
            for what, names in (("missing", missing), ("unexpected", extra))
            if names
        ]
        raise InputError(f"{path}: does not fit this network: {' and '.join(parts)}")
    for name, tensor in tensors.items():
        if own[name].shape != tensor.shape:
            raise InputError(
                f"{path}: {name} has shape {tuple(tensor.shape)}, the network wants "
                f"{tuple(own[name].shape)}"
            )
    fitting = {name: tensor.to(own[name].dtype) for name, tensor in tensors.items()}
    network.load_state_dict(fitting, assign=any(each.is_meta for each in own.values()))


def _unwrapped(content: Any) -> Any:
    """The named tensors in what a training program saved; the content itself where there are none.

    Where none of the usual names is there, the only part that holds named tensors is meant.
    """
    if not isinstance(content, dict):
        return content
    for key in _WRAPPERS:
        if isinstance(content.get(key), dict):
            return content[key]
    parts = [each for each in content.values() if _is_state(each) and each]
    return parts[0] if len(parts) == 1 else content


def _is_state(content: Any) -> bool:
    return isinstance(content, dict) and all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    )


def _as_float(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}


def _damage(path: Path) -> str:
    """What is wrong with a file that torch cannot read."""
    with path.open("rb") as file:
        start = file.read(20)
    if not start:
        return "it is empty"
    if start.startswith((b"PK", b"\x80")):  # a zip archive, or a bare pickle as torch once wrote
        return "it is cut short or damaged: get it again"
    return f"no torch file: it begins with {start.decode('ascii', 'replace')!r}"


def _read_safetensors(path: Path, start: str = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Its tensors whose names begin with `start`, and what the file says of itself."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = _metadata(file)
            names = [name for name in file.keys() if name.startswith(start)]  # noqa: SIM118
            tensors = {name: file.get_tensor(name) for name in names}
    except Exception as error:  # the readers raise whatever a malformed file leads them to
        raise _unreadable(path, error) from None
    return tensors, metadata


def _metadata(file: Any) -> dict[str, Any]:
    metadata = json.loads((file.metadata() or {}).get("aptv2", "{}"))
    if not isinstance(metadata, dict):
        raise ValueError("what it says of itself is no JSON object")
    return metadata


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return InputError(f"{path}: not a readable safetensors file ({reason}).")
