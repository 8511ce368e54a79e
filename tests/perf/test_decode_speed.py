"""The loop over keypoints that the benchmark runs against finds the same keypoints, on odd heatmaps
too.

It is written apart from the decoders, so this is also their test against a second implementation.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from decode_speed import PAIRS, keypoint_by_keypoint, noisy_heatmaps
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

MODES = pytest.mark.parametrize("mode", PAIRS)


def agree(mode: str, heatmaps: Tensor) -> None:
    loop, batched = PAIRS[mode]
    expected, found = keypoint_by_keypoint(loop, heatmaps.numpy()), batched(heatmaps).numpy()
    np.testing.assert_array_equal(found[..., 2], expected[..., 2])
    # Where the logarithm is nearly flat, a step can be many pixels long and rounding shows.
    step = expected[..., :2] - keypoint_by_keypoint(PAIRS["argmax"][0], heatmaps.numpy())[..., :2]
    assert (np.abs(found - expected)[..., :2] <= 1e-3 * (1 + step**2)).all()


@MODES
@pytest.mark.parametrize("size", [(64, 64), (64, 48), (96, 72), (13, 21), (7, 9)])
def test_gaussians_on_noise(mode: str, size: tuple[int, int]) -> None:
    agree(mode, noisy_heatmaps(3, size))


@MODES
@pytest.mark.parametrize("x", [0, 1, 2, 3, 20, 28, 29, 30, 31])
@pytest.mark.parametrize("y", [0, 1, 2, 13, 21, 22, 23])
def test_peaks_at_the_border(mode: str, x: int, y: int) -> None:
    heatmaps = noisy_heatmaps(1, (24, 32), seed=32 * y + x)
    heatmaps[..., y, x] += 1
    agree(mode, heatmaps)


@MODES
@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), amplitude=st.floats(0.1, 100), lift=st.floats(-0.3, 1))
def test_partly_below_0(mode: str, seed: int, amplitude: float, lift: float) -> None:
    # Smoothed, a low peak over deep ground is about 0, and its logarithm noise.
    lift = max(lift, -0.1 if mode == "DARK" else -0.3)
    agree(mode, amplitude * (noisy_heatmaps(1, (16, 20), seed) + lift))


@MODES
@pytest.mark.parametrize("value", [-1.0, 0.0, 1e-4, 0.5, 60.0])
def test_flat(mode: str, value: float) -> None:
    agree(mode, torch.full((1, 2, 20, 20), value))


@MODES
def test_a_plateau_and_a_spike(mode: str) -> None:
    heatmaps = torch.zeros(1, 2, 20, 20)
    heatmaps[0, 0, 6:12, 5:9], heatmaps[0, 1, 11, 4] = 1, 1
    agree(mode, heatmaps)
