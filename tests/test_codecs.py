"""Heatmaps: what is drawn is read back, to a fiftieth of a pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aptv2.codecs import argmax, decode_dark, gaussian_heatmaps

SIGMA = 1.5


def at(*points: tuple[float, float]) -> Tensor:
    """Joints (1, K, 2)."""
    return torch.tensor([points])


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Tensor, tuple[int, int], float]:
    """Joints anywhere in a heatmap, its size and sigma."""
    height, width = draw(st.integers(8, 40)), draw(st.integers(8, 40))
    number = st.floats(0, 1, width=32)
    shares = torch.tensor([draw(st.lists(st.tuples(number, number), min_size=1, max_size=4))])
    return (
        shares * torch.tensor([width - 1.0, height - 1.0]),
        (height, width),
        draw(st.floats(1, 3)),
    )


def test_a_gaussian_as_the_formula_says() -> None:
    found = gaussian_heatmaps(at((3.25, 5.5), (0, 0)), (9, 7), 2.0).numpy()
    assert found.shape == (1, 2, 9, 7)
    assert found.dtype == np.float32
    for joint, (x, y) in enumerate([(3.25, 5.5), (0, 0)]):
        for row in range(9):
            for column in range(7):
                distance = (column - x) ** 2 + (row - y) ** 2
                value = np.exp(-distance / (2 * 2.0**2))
                np.testing.assert_allclose(found[0, joint, row, column], value, rtol=1e-5)


def test_a_third_number_does_not_matter() -> None:
    joints = torch.rand(2, 3, 3) * 10
    torch.testing.assert_close(
        gaussian_heatmaps(joints, (8, 8), 1.0), gaussian_heatmaps(joints[..., :2], (8, 8), 1.0)
    )


@given(drawn())
def test_dark_recovers_what_was_drawn(case: tuple[Tensor, tuple[int, int], float]) -> None:
    joints, size, sigma = case
    heatmaps = gaussian_heatmaps(joints, size, sigma)
    found = decode_dark(heatmaps, sigma)
    assert (found[..., :2] - joints).abs().max() < 0.02
    torch.testing.assert_close(found[..., 2], heatmaps.flatten(2).amax(2))


@given(drawn(), st.floats(1e-3, 40))
def test_brightness_does_not_move_a_joint(
    case: tuple[Tensor, tuple[int, int], float], factor: float
) -> None:
    joints, size, sigma = case
    found = decode_dark(factor * gaussian_heatmaps(joints, size, sigma), sigma)
    assert (found[..., :2] - joints).abs().max() < 0.02


@given(st.floats(5, 9, width=32), st.floats(5, 9, width=32), st.floats(-0.2, 0.2))
def test_a_slanted_peak(x: float, y: float, slant: float) -> None:
    row, column = torch.meshgrid(torch.arange(14), torch.arange(14), indexing="ij")
    dx, dy = column - x, row - y
    heatmap = torch.exp(-(0.3 * dx**2 + 2 * slant * dx * dy + 0.25 * dy**2))
    found = decode_dark(heatmap[None, None], SIGMA)[0, 0, :2]
    assert (found - at((x, y))[0]).abs().max() < 0.02


@given(st.floats(9, 20, width=32), st.floats(9, 20, width=32))
def test_blur_does_not_move_a_joint_inside(x: float, y: float) -> None:
    found = decode_dark(gaussian_heatmaps(at((x, y)), (30, 30), SIGMA), SIGMA, blur=True)
    assert (found[0, 0, :2] - at((x, y))[0]).abs().max() < 0.02


def test_blur_helps_where_there_is_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    joints = 10 + 30 * torch.rand(200, 1, 2, generator=generator)
    clean = gaussian_heatmaps(joints, (48, 48), 2.0)
    noisy = (clean + 0.1 * torch.randn(clean.shape, generator=generator)).clamp_min(0)
    errors = [
        (decode_dark(noisy, 2.0, blur)[..., :2] - joints).norm(dim=2).mean()
        for blur in (False, True)
    ]
    assert errors[1] < 0.5 * errors[0]


def test_a_mirrored_heatmap_is_a_mirrored_joint() -> None:
    heatmaps = torch.rand(3, 5, 12, 16, generator=torch.Generator().manual_seed(1)) + 0.1
    found, mirrored = decode_dark(heatmaps, SIGMA), decode_dark(heatmaps.flip(3), SIGMA)
    torch.testing.assert_close(15 - mirrored[..., 0], found[..., 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(mirrored[..., 1:], found[..., 1:], atol=1e-4, rtol=0)


def test_a_batch_is_its_parts() -> None:
    heatmaps = torch.rand(3, 5, 12, 16, generator=torch.Generator().manual_seed(1))
    together = decode_dark(heatmaps, SIGMA, blur=True)
    for row in range(3):
        torch.testing.assert_close(
            together[row : row + 1], decode_dark(heatmaps[row : row + 1], SIGMA, blur=True)
        )
    assert decode_dark(heatmaps[:0], SIGMA).shape == (0, 5, 3)


def test_argmax() -> None:
    heatmaps = torch.zeros(1, 2, 4, 6)
    heatmaps[0, 0, 3, 5], heatmaps[0, 1, 2, 1] = 0.7, 0.4
    torch.testing.assert_close(argmax(heatmaps), torch.tensor([[[5, 3, 0.7], [1, 2, 0.4]]]))
    assert argmax(heatmaps.bfloat16()).dtype == torch.float32


def test_two_peaks_are_not_averaged() -> None:
    heatmaps = gaussian_heatmaps(at((5, 5)), (20, 20), SIGMA)
    heatmaps += 0.9 * gaussian_heatmaps(at((15, 12)), (20, 20), SIGMA)
    torch.testing.assert_close(decode_dark(heatmaps, SIGMA)[0, 0, :2], torch.tensor([5.0, 5.0]))


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (9, 2)])
def test_too_small_for_a_step(size: tuple[int, int]) -> None:
    heatmaps = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(decode_dark(heatmaps, SIGMA), argmax(heatmaps))


@given(st.integers(0, 2**31), st.floats(0, 30))
def test_a_joint_stays_near_the_highest_pixel(seed: int, contrast: float) -> None:
    noise = torch.rand(1, 4, 9, 11, generator=torch.Generator().manual_seed(seed))
    heatmaps = (contrast * noise).exp()
    found = decode_dark(heatmaps, SIGMA)
    assert (found - argmax(heatmaps)).abs().max() <= 2
    assert (found[..., :2] >= 0).all()
    assert (found[..., 0] <= 10).all()
    assert (found[..., 1] <= 8).all()


def test_without_a_peak_it_is_the_highest_pixel() -> None:
    """A spike in a corner has no Gaussian's curve, nor has an empty heatmap."""
    heatmaps = torch.zeros(1, 2, 8, 8)
    heatmaps[0, 0, 0, 0] = 1
    torch.testing.assert_close(decode_dark(heatmaps, SIGMA), argmax(heatmaps))
