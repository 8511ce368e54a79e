"""Where networks run, and with which numbers."""

from __future__ import annotations

from typing import Literal, get_args

import torch

from aptv2.errors import InputError

Dtype = Literal["float32", "bfloat16", "auto"]
DTYPES = get_args(Dtype)


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


def checked_device(device: str | torch.device | None) -> torch.device:
    """A device that torch finds here; the best for None.

    Raises
    ------
    InputError
        Where there is no such device.
    """
    try:
        found = torch.device(device) if device is not None else best_device()
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError):
        raise InputError(f"device '{device}': torch finds none here; try cpu or cuda.") from None
    return found


def checked_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    """The dtype of a name; for "auto" the one that the device is fast with.

    Raises
    ------
    InputError
        Where there is no such name.
    """
    if dtype not in DTYPES:
        raise InputError(f"dtype '{dtype}': known are {', '.join(DTYPES)}")
    return fast_dtype(device) if dtype == "auto" else getattr(torch, dtype)
