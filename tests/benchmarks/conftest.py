"""What the tests of running share: weights for every cell, and options of a small run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aptv2.benchmarks.cells import Plan
from aptv2.benchmarks.options import Options
from aptv2.benchmarks.tracks.registry import TRACKS
from aptv2.models.networks.lite import EMBEDDED


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the embedded weights under the name of every cell's."""
    folder = tmp_path_factory.mktemp("weights")
    for track in TRACKS.values():
        for cell in track.cells(Plan()):
            link = folder / f"{cell.training.name}.safetensors"
            if not link.exists():
                link.symlink_to(EMBEDDED)
    return folder


@pytest.fixture
def options(small_release: Path, tmp_path: Path, weights: Path) -> Callable[..., Options]:
    """Options of a miniature of a small release, tested with weights that are there."""

    def make(**changes: Any) -> Options:
        given = Options(
            results=tmp_path / "results",
            data=small_release,
            weights=weights,
            miniature=True,
            device="cpu",
            dtype="float32",
            resamples=20,
        )
        return replace(given, **changes)

    return make
