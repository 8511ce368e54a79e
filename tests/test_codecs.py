"""Heatmaps: what is drawn is read back.

`tests/perf/test_decode_speed.py` holds the decoders to a loop over keypoints on odd heatmaps.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from aptv2.codecs import heatmaps as codecs
from aptv2.codecs.heatmaps import (
    argmax,
    decode_dark,
    decode_newton,
    decode_quarter,
    decode_udp,
    flip_back,
    gaussian_heatmaps,
    heatmap_targets,
)
from aptv2.skeleton import ANIMAL17

SIGMA = 1.5


def at(*points: tuple[float, float]) -> Tensor:
    """Keypoints (1, K, 2)."""
    return torch.tensor([points])


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Tensor, tuple[int, int], float]:
    """Keypoints anywhere in a heatmap, its size and sigma."""
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
    for keypoint, (x, y) in enumerate([(3.25, 5.5), (0, 0)]):
        for row in range(9):
            for column in range(7):
                distance = (column - x) ** 2 + (row - y) ** 2
                value = np.exp(-distance / (2 * 2.0**2))
                np.testing.assert_allclose(found[0, keypoint, row, column], value, rtol=1e-5)


def test_a_third_number_does_not_matter() -> None:
    keypoints = torch.rand(2, 3, 3) * 10
    torch.testing.assert_close(
        gaussian_heatmaps(keypoints, (8, 8), 1.0),
        gaussian_heatmaps(keypoints[..., :2], (8, 8), 1.0),
    )


@given(drawn())
def test_newton_recovers_what_was_drawn(case: tuple[Tensor, tuple[int, int], float]) -> None:
    keypoints, size, sigma = case
    heatmaps = gaussian_heatmaps(keypoints, size, sigma)
    found = decode_newton(heatmaps)
    assert (found[..., :2] - keypoints).abs().max() < 0.02
    torch.testing.assert_close(found[..., 2], heatmaps.flatten(2).amax(2))


@given(drawn(), st.floats(1e-3, 40))
def test_brightness_does_not_move_a_keypoint(
    case: tuple[Tensor, tuple[int, int], float], factor: float
) -> None:
    keypoints, size, sigma = case
    found = decode_newton(factor * gaussian_heatmaps(keypoints, size, sigma))
    assert (found[..., :2] - keypoints).abs().max() < 0.02


@given(st.floats(5, 9, width=32), st.floats(5, 9, width=32), st.floats(-0.2, 0.2))
def test_a_slanted_peak(x: float, y: float, slant: float) -> None:
    row, column = torch.meshgrid(torch.arange(14), torch.arange(14), indexing="ij")
    dx, dy = column - x, row - y
    heatmap = torch.exp(-(0.3 * dx**2 + 2 * slant * dx * dy + 0.25 * dy**2))
    found = decode_newton(heatmap[None, None])[0, 0, :2]
    assert (found - at((x, y))[0]).abs().max() < 0.02


SMOOTHING = pytest.mark.parametrize("decode", [decode_dark, decode_udp])
ALL = pytest.mark.parametrize(
    "decode", [argmax, decode_quarter, decode_dark, decode_udp, decode_newton]
)


@SMOOTHING
@given(st.floats(9, 20, width=32), st.floats(9, 20, width=32))
def test_smoothing_does_not_move_a_keypoint_inside(
    decode: Callable[[Tensor], Tensor], x: float, y: float
) -> None:
    found = decode(gaussian_heatmaps(at((x, y)), (30, 30), 2.0))
    assert (found[0, 0, :2] - at((x, y))[0]).abs().max() < 0.02


@SMOOTHING
def test_smoothing_helps_where_there_is_noise(decode: Callable[[Tensor], Tensor]) -> None:
    generator = torch.Generator().manual_seed(0)
    keypoints = 10 + 30 * torch.rand(200, 1, 2, generator=generator)
    clean = gaussian_heatmaps(keypoints, (48, 48), 2.0)
    noisy = (clean + 0.1 * torch.randn(clean.shape, generator=generator)).clamp_min(0)
    errors = [
        (read(noisy)[..., :2] - keypoints).norm(dim=2).mean() for read in (decode_newton, decode)
    ]
    assert errors[1] < 0.5 * errors[0]


def test_a_mirrored_heatmap_is_a_mirrored_keypoint() -> None:
    heatmaps = torch.rand(3, 5, 12, 16, generator=torch.Generator().manual_seed(1)) + 0.1
    found, mirrored = decode_newton(heatmaps), decode_newton(heatmaps.flip(3))
    torch.testing.assert_close(15 - mirrored[..., 0], found[..., 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(mirrored[..., 1:], found[..., 1:], atol=1e-4, rtol=0)


@ALL
def test_a_batch_is_its_parts(decode: Callable[[Tensor], Tensor]) -> None:
    heatmaps = torch.rand(3, 5, 12, 16, generator=torch.Generator().manual_seed(1)) - 0.3
    heatmaps[1, 2] = -1
    together = decode(heatmaps)
    for row in range(3):
        assert torch.equal(together[row : row + 1], decode(heatmaps[row : row + 1]))
    assert decode(heatmaps[:0]).shape == (0, 5, 3)


@ALL
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_read_in_float32(
    decode: Callable[[Tensor], Tensor], dtype: torch.dtype
) -> None:
    heatmaps = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(1)).to(dtype)
    found = decode(heatmaps)
    assert found.dtype == torch.float32
    assert torch.equal(found, decode(heatmaps.float()))


@ALL
def test_heatmaps_stay_as_they_are_in_any_memory_format(decode: Callable[[Tensor], Tensor]) -> None:
    heatmaps = torch.rand(2, 3, 20, 30, generator=torch.Generator().manual_seed(1))
    before = heatmaps.clone()
    found = decode(heatmaps)
    assert torch.equal(heatmaps, before)
    assert torch.equal(found, decode(heatmaps.to(memory_format=torch.channels_last)))


def test_argmax() -> None:
    heatmaps = torch.zeros(1, 2, 4, 6)
    heatmaps[0, 0, 3, 5], heatmaps[0, 1, 2, 1] = 0.7, 0.4
    torch.testing.assert_close(argmax(heatmaps), torch.tensor([[[5, 3, 0.7], [1, 2, 0.4]]]))


@pytest.mark.parametrize("size", [(64, 64), (64, 48), (96, 72), (7, 9), (1, 5)])
def test_of_equal_pixels_the_first_is_the_highest(size: tuple[int, int]) -> None:
    """Whatever the blocks in which the maximum is sought."""
    generator = torch.Generator().manual_seed(0)
    heatmaps = torch.randint(1, 4, (40, 3, *size), generator=generator).float()
    heatmaps.view(40, 3, -1)[:, 1] = torch.rand(40, size[0] * size[1], generator=generator)
    places = heatmaps.numpy().reshape(120, -1).argmax(axis=1).reshape(40, 3)
    found = argmax(heatmaps)
    np.testing.assert_array_equal(found[..., 1] * size[1] + found[..., 0], places)


def test_two_peaks_are_not_averaged() -> None:
    heatmaps = gaussian_heatmaps(at((5, 5)), (20, 20), SIGMA)
    heatmaps += 0.9 * gaussian_heatmaps(at((15, 12)), (20, 20), SIGMA)
    torch.testing.assert_close(decode_newton(heatmaps)[0, 0, :2], torch.tensor([5.0, 5.0]))


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (9, 2)])
def test_too_small_for_a_step(size: tuple[int, int]) -> None:
    heatmaps = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(decode_newton(heatmaps), argmax(heatmaps))


@given(st.integers(0, 2**31), st.floats(0, 30))
def test_a_keypoint_stays_near_the_highest_pixel(seed: int, contrast: float) -> None:
    noise = torch.rand(1, 4, 9, 11, generator=torch.Generator().manual_seed(seed))
    heatmaps = (contrast * noise).exp()
    found = decode_newton(heatmaps)
    assert (found - argmax(heatmaps)).abs().max() <= 2
    assert (found[..., :2] >= 0).all()
    assert (found[..., 0] <= 10).all()
    assert (found[..., 1] <= 8).all()


def test_without_a_peak_it_is_the_highest_pixel() -> None:
    """A spike in a corner has no Gaussian's curve, nor has an empty heatmap."""
    heatmaps = torch.zeros(1, 2, 8, 8)
    heatmaps[0, 0, 0, 0] = 1
    torch.testing.assert_close(decode_newton(heatmaps), argmax(heatmaps))


@ALL
def test_nothing_above_0_is_nowhere(decode: Callable[[Tensor], Tensor]) -> None:
    heatmaps = torch.zeros(1, 2, 20, 20)
    heatmaps[0, 1] = -0.1 - torch.rand(20, 20, generator=torch.Generator().manual_seed(0))
    found = decode(heatmaps)
    torch.testing.assert_close(found[0, :, :2], torch.full((2, 2), -1.0))
    torch.testing.assert_close(found[0, :, 2], heatmaps[0].flatten(1).amax(1))


class TestFlipBack:
    def test_a_mirrored_left_eye_is_a_right_eye(self) -> None:
        heatmaps = torch.rand(2, 17, 6, 8, generator=torch.Generator().manual_seed(0))
        back = flip_back(heatmaps, ANIMAL17.flip)
        left, right = ANIMAL17.names.index("left_eye"), ANIMAL17.names.index("right_eye")
        assert torch.equal(back[:, right], heatmaps[:, left].flip(2))
        assert torch.equal(flip_back(back, ANIMAL17.flip), heatmaps)

    def test_shift(self) -> None:
        heatmaps = torch.rand(1, 17, 3, 5, generator=torch.Generator().manual_seed(0))
        plain = flip_back(heatmaps, ANIMAL17.flip)
        shifted = flip_back(heatmaps, ANIMAL17.flip, shift=True)
        assert torch.equal(shifted[..., 1:], plain[..., :-1])
        assert torch.equal(shifted[..., 0], plain[..., 0])


class TestTargets:
    def test_udp_is_a_gaussian_cut_to_a_square(self) -> None:
        keypoints = at((20.3, 30.8))
        targets, weights = heatmap_targets(keypoints, torch.ones(1, 1), (64, 48))
        whole = gaussian_heatmaps(keypoints, (64, 48), 2.0)
        inside = torch.zeros(64, 48, dtype=torch.bool)
        inside[31 - 6 : 31 + 7, 20 - 6 : 20 + 7] = True
        assert torch.equal(targets[0, 0], torch.where(inside, whole[0, 0], 0.0))
        assert weights.tolist() == [[1]]

    @pytest.mark.parametrize(("x", "pixel"), [(20.49, 20), (20.5, 21), (-0.4, 0), (-1.4, 0)])
    def test_msra_has_its_peak_on_a_pixel(self, x: float, pixel: int) -> None:
        targets, _ = heatmap_targets(at((x, 30)), torch.ones(1, 1), (64, 48), udp=False)
        assert targets[0, 0, 30, pixel] == 1
        torch.testing.assert_close(
            targets[0, 0, 30, pixel + 1 : pixel + 7],
            torch.exp(-(torch.arange(1.0, 7) ** 2) / 8),
        )

    @pytest.mark.parametrize("udp", [False, True])
    @pytest.mark.parametrize(
        ("x", "weight"), [(-8.6, 0), (-7.4, 1), (53.4, 1), (53.6, 0), (1e6, 0)]
    )
    def test_a_keypoint_counts_while_its_square_touches(
        self, udp: bool, x: float, weight: int
    ) -> None:
        targets, weights = heatmap_targets(at((x, 30)), torch.ones(1, 1), (64, 48), udp=udp)
        assert weights.tolist() == [[weight]]
        assert weight or not targets.any()

    def test_what_is_not_visible_has_no_target(self) -> None:
        targets, weights = heatmap_targets(at((9, 9), (9, 9)), torch.tensor([[1, 0]]), (20, 20))
        assert weights.tolist() == [[1, 0]]
        assert targets[0, 0].any()
        assert not targets[0, 1].any()


def test_crop_pixels() -> None:
    assert codecs.crop_pixels((64, 48), (256, 192), udp=False) == (4, 4)
    assert codecs.crop_pixels((64, 48), (256, 192)) == (191 / 47, 255 / 63)
