"""The committed numbers are the reference's, wherever the reference is at hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

COMMITTED = Path(__file__).parent / "reference"
LIMIT = 400_000  # bytes of all of them


@pytest.mark.parametrize(
    "name",
    [
        *("res50", "res101", "hrnet_w32", "hrnet_w48", "hrformer_small", "hrformer_base"),
        *("vit_base", "vit_large", "ostrack_vitb256"),
    ],
)
def test_manifests(name: str, shared: Path, manifest: Callable[[str], dict[str, Any]]) -> None:
    official = json.loads((shared / "reference" / f"manifest_{name}.json").read_text())
    assert manifest(name) == official


@pytest.mark.parametrize("name", ["res50", "vit_base"])
def test_outputs(name: str, shared: Path) -> None:
    ours = np.load(COMMITTED / f"out_{name}.npz")
    theirs = np.load(shared / "reference" / f"out_{name}.npz")
    for kind in ("feat", "out", "flip"):
        np.testing.assert_allclose(ours[kind], theirs[kind], atol=1e-5 * theirs[kind].std() + 2e-5)


def test_decoding(shared: Path) -> None:
    ours = np.load(COMMITTED / "pipeline.npz")
    theirs = np.load(shared / "reference" / "pipeline.npz")
    names = [name for name in theirs.files if name.endswith("maxvals") or "flip_back" in name]
    assert len(names) >= 80
    for name in names:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_layer_decay(shared: Path) -> None:
    ours, theirs = (
        json.loads((folder / "layer_decay.json").read_text())["vit_base"]["groups"]
        for folder in (COMMITTED, shared / "reference")
    )
    assert [each["names"] for each in ours] == [each["names"] for each in theirs]
    assert [each["lr"] for each in ours] == pytest.approx([each["lr"] for each in theirs])


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in COMMITTED.iterdir() if path.is_file()) < LIMIT
