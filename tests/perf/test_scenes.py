"""The scenes of real animals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scenes import pasted_scenes


def test_real_animals_meet(shared: Path) -> None:
    scene = next(pasted_scenes(shared / "data", 5))
    assert np.unique(scene.truth.tracks).tolist() == [1, 2]
    first = scene.truth[scene.truth.rows_of(0)]
    assert first.boxes[0, 0] + first.boxes[0, 2] < first.boxes[1, 0]  # apart
    assert scene.frames[0].shape == (360, 640, 3)
    # They have changed sides.
    last = scene.truth[scene.truth.rows_of(4)]
    left_edges = {int(t): float(x) for t, x in zip(last.tracks, last.boxes[:, 0], strict=True)}
    assert left_edges[1] > left_edges[2]
