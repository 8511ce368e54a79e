"""Shared parts of the scripts of this folder: arguments, clips, tables for the report."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import aptv2
from aptv2.images import read_image

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FPS = 25.0  # of clips that come as images


class Clip(NamedTuple):
    """A clip with one annotated animal in every frame.

    Parameters
    ----------
    name
        Its folder's name.
    frames
        uint8 (H, W, 3), RGB.
    boxes
        float32 (F, 4): x, y, width, height in pixels.
    """

    name: str
    frames: list[np.ndarray]
    boxes: np.ndarray


def parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments that every script takes: `--data` and `--weights`."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--data", type=Path, default=DATA, help="folder of the data sets")
    made.add_argument(
        "--weights", help="weights file, or 'random' to try a script; default: the embedded ones"
    )
    return made


def read_clip(folder: Path) -> Clip:
    """A GOT-10k clip folder whose animal is in sight in every frame.

    Raises
    ------
    InputError
        Where the folder cannot be read.
    """
    table = aptv2.read_annotations(folder)
    if len(table) != len(table.frames):
        raise aptv2.InputError(f"{folder}: the animal is out of sight in some frames")
    frames = [read_image(folder / name) for name in table.frames.names]
    return Clip(folder.name, frames, table.boxes)


def back_and_forth(count: int, length: int) -> np.ndarray:
    """int64 (length,): 0, 1, … count - 1, … 1, 0, 1, …: a clip played to and fro."""
    there_and_back = np.r_[0:count, count - 2 : 0 : -1]
    return np.resize(there_and_back, length)


def markdown(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; floats get three digits after the point, all but the first column right."""
    lines = [list(header), ["---", *["---:"] * (len(header) - 1)]]
    lines += [[f"{v:.3f}" if isinstance(v, float) else str(v) for v in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> str:
    """The machine and the threads in one line, to print under a table of times."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        models = [
            line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        name = models[0].split(":", 1)[1].strip() if models else name
    load = f", load {os.getloadavg()[0]:.1f} at the end" if hasattr(os, "getloadavg") else ""
    return (
        f"{name}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}, aptv2's fastest type here: {_fast_type()}{load}"
    )


def _fast_type() -> str:
    from aptv2.models.devices import best_device, fast_dtype

    return str(fast_dtype(best_device())).removeprefix("torch.")
