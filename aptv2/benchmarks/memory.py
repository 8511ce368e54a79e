"""The largest memory that a stretch of work takes."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import torch


def reset_peak_memory() -> None:
    """Begin a stretch of work. Linux and CUDA alone can do that; elsewhere nothing is measured."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> dict[str, int | None]:
    """Bytes since then: `peak_rss` of this process, `peak_gpu` that torch took of its GPU."""
    resident = None
    with contextlib.suppress(OSError):
        if found := re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text()):
            resident = 1024 * int(found[1])
    gpu = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    return {"peak_rss": resident, "peak_gpu": gpu}
