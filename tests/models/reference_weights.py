"""The numbers of checkpoints that the reference was run with: each follows from its name."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence

import torch
from torch import Tensor


def weight(name: str, shape: Sequence[int]) -> Tensor:
    """The reference's rule for a tensor of a checkpoint."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return torch.ones((), dtype=torch.int64)
    if name.endswith("running_var"):
        return 0.5 + torch.rand(shape, generator=generator)
    noise = torch.randn(shape, generator=generator)
    if name.endswith("running_mean"):
        return 0.1 * noise
    if name.endswith("weight") and len(shape) == 1:
        return 1 + 0.1 * noise
    if name.endswith("bias"):
        return 0.05 * noise
    return noise / math.sqrt(math.prod(shape[1:])) if len(shape) > 1 else 0.02 * noise
