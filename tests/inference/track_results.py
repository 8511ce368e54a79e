"""Results of tracking as tests read and compare them, and what ends a run."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import av
import numpy as np

from aptv2.tables import PoseTable


def centres(table: PoseTable, track: int) -> dict[int, np.ndarray]:
    """Frame -> centre of one animal's box."""
    rows = np.flatnonzero(table.tracks == track)
    middle = table.boxes[rows, :2] + table.boxes[rows, 2:] / 2
    return dict(zip(table.frame[rows].tolist(), middle, strict=True))


def assert_same(first: PoseTable, second: PoseTable) -> None:
    np.testing.assert_array_equal(first.frame, second.frame)
    np.testing.assert_array_equal(first.tracks, second.tracks)
    for name in ("boxes", "keypoints", "scores"):
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), atol=1e-3)
    np.testing.assert_allclose(first.frames.times, second.frames.times, atol=1e-5)


def video_frames(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def write_boxes(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["frame,x,y,width,height,track_id", *rows]) + "\n")
    return path


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def fail() -> None:
    raise MemoryError
