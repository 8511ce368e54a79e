"""VitPose and VitPose++ of Hugging Face's transformers -> the names of this package's networks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson
import torch
from torch import Tensor

from aptv2.errors import InputError

_NAMES = [
    (r"^backbone\.embeddings\.position_embeddings$", "backbone.pos_embed"),
    (r"^backbone\.embeddings\.patch_embeddings\.projection\.", "backbone.patch_embed.proj."),
    (r"^backbone\.layernorm\.", "backbone.norm."),
    (r"^backbone\.encoder\.layer\.", "backbone.blocks."),
    (r"\.attention\.output\.dense\.", ".attn.proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    # Some versions of transformers keep the list of experts in a module of its own.
    (r"\.mlp\.experts\.experts\.", ".mlp.experts."),
    (r"^head\.deconv1\.", "head.deconv_layers.0."),
    (r"^head\.batchnorm1\.", "head.deconv_layers.1."),
    (r"^head\.deconv2\.", "head.deconv_layers.3."),
    (r"^head\.batchnorm2\.", "head.deconv_layers.4."),
    (r"^head\.conv\.", "head.final_layer."),
]
_QUERY = ".attention.attention.query."


def is_huggingface(names: Iterable[str]) -> bool:
    """True if tensors are named as transformers' VitPose names them."""
    return any(name.startswith("backbone.encoder.layer.") for name in names)


def from_huggingface(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of transformers' VitPose under this package's names.

    A name that is not known stays as it is, so that loading lists it.

    Raises
    ------
    InputError
        Where the head is ViTPose's simple decoder, which no network here has.
    """
    if "head.conv.weight" in tensors and "head.deconv1.weight" not in tensors:
        raise InputError("it has ViTPose's simple decoder; take the model without -simple.")
    tensors = dict(tensors)
    for query in [name for name in tensors if _QUERY in name]:
        parts = [query.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
        if all(part in tensors for part in parts):
            joined = torch.cat([tensors.pop(part) for part in parts])
            tensors[query.replace(_QUERY, ".attn.qkv.")] = joined
    return {_rename(name): tensor for name, tensor in tensors.items()}


def weights_file(folder: Path) -> Path:
    """The weights in a folder as `save_pretrained` writes it.

    Raises
    ------
    InputError
        Where it is no such folder, or one of another model.
    """
    weights, config = folder / "model.safetensors", folder / "config.json"
    for path in (weights, config):
        if not path.is_file():
            raise InputError(f"{folder}: no {path.name} in it, which a Hugging Face model has.")
    try:
        settings = orjson.loads(config.read_bytes())
        kind = settings["model_type"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{config}: no description of a model (model_type is missing).") from None
    if kind != "vitpose":
        raise InputError(f"{config}: describes a '{kind}' model; only vitpose models can be read.")
    return weights


def _rename(name: str) -> str:
    for pattern, replacement in _NAMES:
        name = re.sub(pattern, replacement, name)
    return name
