"""What `dtype="auto"` may cost in accuracy where it means bfloat16."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from aptv2.models.registry import build

BAR = 0.1  # of the heatmaps' standard deviation, for the pixel that is furthest off


@pytest.mark.parametrize(
    "name",
    [
        "hrformer_s",
        "vitpose_s",
        pytest.param("res50", marks=pytest.mark.slow),
        pytest.param("hrnet_w32", marks=pytest.mark.slow),
        pytest.param("vitpose_b", marks=pytest.mark.slow),
    ],
)
@torch.inference_mode()
def test_heatmaps(name: str, with_statistics: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    model = with_statistics(build(name)).eval()
    images = torch.randn(1, 3, *model.input_size)
    expected = model(images)
    found = model.to(torch.bfloat16).to(memory_format=torch.channels_last)(images)
    error = (found - expected).abs() / expected.std()
    assert error.max() < BAR
    assert error.mean() < BAR / 5
    assert error.max() > 1e-3  # bfloat16 was at work
