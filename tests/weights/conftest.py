"""Fixtures for checkpoints: their names and shapes at full size, their files tiny."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from aptv2.models.pose.heatmap import HeatmapPose
from aptv2.models.registry import build
from aptv2.weights.mmpose import to_mmpose


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of weights, and no proxy before the servers of the tests."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("APTV2_CACHE", str(folder))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return folder


def _hollow(shapes: Mapping[str, Sequence[int]], value: float = 0) -> dict[str, Tensor]:
    """Tensors of any shape that take one number on the disk."""
    return {
        name: torch.full(
            (), value, dtype=torch.int64 if name.endswith("tracked") else torch.float32
        ).expand(tuple(shape))
        for name, shape in shapes.items()
    }


@pytest.fixture
def hollow() -> Callable[..., dict[str, Tensor]]:
    """Makes tensors of any shape that take one number on the disk."""
    return _hollow


@pytest.fixture
def official(
    manifest: Callable[[str], dict[str, list[Any]]],
) -> Callable[[str], dict[str, Tensor]]:
    """State dict of an official checkpoint: its names and shapes, all zeros."""

    def read(name: str) -> dict[str, Tensor]:
        return _hollow({key: shape for key, (shape, _) in manifest(name).items()})

    return read


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Saves what a training program would have saved."""
    paths = []

    def save(content: object, name: str = "net.pth") -> Path:
        paths.append(tmp_path / name)
        torch.save(content, paths[-1])
        return paths[-1]

    yield save
    for path in paths:
        path.unlink()


@pytest.fixture(scope="session")
def vitpose() -> HeatmapPose:
    """The smallest network of the paper's kinds; what is read must come out as it went in."""
    torch.manual_seed(0)
    network = build("vitpose_s")
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point():
                tensor.normal_()
    return network


@pytest.fixture
def mmpose_vitpose(vitpose: HeatmapPose) -> dict[str, Tensor]:
    """The same under mmpose 0.x's names."""
    return to_mmpose({name: tensor.clone() for name, tensor in vitpose.state_dict().items()})


@pytest.fixture(scope="session")
def _blank() -> HeatmapPose:
    return build("vitpose_s")


@pytest.fixture
def blank(_blank: HeatmapPose) -> HeatmapPose:
    """A ViTPose-S of zeros, to be filled."""
    with torch.no_grad():
        for tensor in _blank.state_dict().values():
            tensor.zero_()
    return _blank


@pytest.fixture
def same() -> Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], bool]:
    """Whether two state dicts are equal to the last bit."""

    def compare(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
        return first.keys() == second.keys() and all(
            torch.equal(first[name], second[name]) for name in first
        )

    return compare
