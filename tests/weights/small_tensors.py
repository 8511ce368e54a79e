"""A few tensors to write and read."""

from __future__ import annotations

import torch


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "a.weight": torch.randn(3, 4, generator=generator),
        "a.running_var": torch.tensor([3e-9, 1.0, 1e6]),
        "a.count": torch.tensor(70_000),
        "b.bias": torch.zeros(0),
    }
