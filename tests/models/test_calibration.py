"""Scores of the lite network's keypoints."""

from __future__ import annotations

import torch

from aptv2.codecs import decode_newton, gaussian_heatmaps
from aptv2.models.lite.calibration import calibrated, decode_calibrated


def test_scores_are_chances() -> None:
    heights = torch.tensor([0.0, 0.01, 0.1, 0.3, 0.6, 1.0, 1.4, 9.0])
    scores = calibrated(heights)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (scores.diff() > 0).all()
    assert scores[0] < 1e-3


def test_places_are_newtons_and_scores_are_calibrated() -> None:
    heatmaps = 1.3 * gaussian_heatmaps(torch.tensor([[[10.3, 12.6], [4.2, 20.0]]]), (32, 32), 1.5)
    plain, found = decode_newton(heatmaps), decode_calibrated(heatmaps)
    torch.testing.assert_close(found[..., :2], plain[..., :2])
    torch.testing.assert_close(found[..., 2], calibrated(plain[..., 2]))
    assert (plain[..., 2] > 1).all()
    assert (found[..., 2] <= 1).all()


def test_half_precision_stays_what_it_is() -> None:
    heatmaps = torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert decode_calibrated(heatmaps).dtype == decode_newton(heatmaps).dtype
