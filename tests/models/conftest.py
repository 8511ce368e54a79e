"""A lite network that behaves like a trained one in all but what it knows, and painted frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aptv2.models.lite.network import LiteNetwork
from aptv2.models.pose.base import IMAGENET_MEAN, IMAGENET_STD


def random_statistics(module: nn.Module, seed: int = 0) -> nn.Module:
    """Batch norms as training leaves them; fresh ones would hide a forgotten mean or variance."""
    generator = torch.Generator().manual_seed(seed)
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.data.uniform_(0.5, 1.5, generator=generator)
            norm.bias.data.normal_(0, 0.2, generator=generator)
            norm.running_mean.normal_(0, 0.2, generator=generator)
            norm.running_var.uniform_(0.5, 1.5, generator=generator)
    return module


@pytest.fixture(scope="session")
def with_statistics() -> Callable[[nn.Module], nn.Module]:
    """:func:`random_statistics`."""
    return random_statistics


@pytest.fixture(scope="session")
def network() -> LiteNetwork:
    """A lite network in eval mode, not fused. Tests leave it as it is."""
    torch.manual_seed(0)
    return random_statistics(LiteNetwork()).eval().requires_grad_(False)


def _paint(size: tuple[int, int], box: list[float]) -> np.ndarray:
    height, width = size
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 2] = 255
    x, y, w, h = box
    columns, rows = np.arange(width), np.arange(height)
    inside = ((rows >= y) & (rows <= y + h))[:, None] & ((columns >= x) & (columns <= x + w))
    frame[inside] = (255, 0, 0)
    return frame


@pytest.fixture(scope="session")
def paint() -> Callable[[tuple[int, int], list[float]], np.ndarray]:
    """Paints a blue frame with a red box x, y, width, height, its edges' pixels in it."""
    return _paint


class Sight(nn.Module):
    """A backbone that passes pictures on as they are, one parameter for device and dtype."""

    def __init__(self) -> None:
        super().__init__()
        self.number = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [images]


def _red_corners(images: Tensor) -> Tensor:
    mean, std = torch.tensor(IMAGENET_MEAN), torch.tensor(IMAGENET_STD)
    red = (images.permute(0, 2, 3, 1) * std + mean)[..., 0]
    corners = []
    for picture in red:
        rows, columns = torch.nonzero(picture > 0.5, as_tuple=True)
        if len(rows):
            corners.append([columns.min(), rows.min(), columns.max(), rows.max()])
        else:
            corners.append([torch.nan] * 4)
    return torch.tensor(corners, dtype=torch.float32)


@pytest.fixture(scope="session")
def red_corners() -> Callable[[Tensor], Tensor]:
    """Finds the red box in normalised pictures (N, 3, H, W): pixel corners (N, 4), NaN if none."""
    return _red_corners


@pytest.fixture(scope="session")
def sight() -> type[nn.Module]:
    """:class:`Sight`."""
    return Sight


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with three keypoints, as a convolution network of the paper."""
    from onnx_networks import THREE, small

    from aptv2.models.onnx_export import export_onnx

    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    export_onnx(small(udp=False, skeleton=THREE), "res50", path)
    return path
