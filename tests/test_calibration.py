"""Scores of keypoints as chances."""

from __future__ import annotations

from dataclasses import replace

import torch

from aptv2.codecs import SOFTMAX, Weibull
from aptv2.codecs.heatmaps import gaussian_heatmaps
from aptv2.models.networks.lite import CODEC

CURVE = Weibull(scale=0.8, power=1.7)


def test_scores_are_chances() -> None:
    heights = torch.tensor([0.0, 0.01, 0.1, 0.3, 0.6, 1.0, 1.4, 3.0])
    scores = CURVE(heights)
    assert ((scores >= 0) & (scores <= 1)).all()
    assert (scores.diff() > 0).all()
    assert scores[0] == 0
    torch.testing.assert_close(CURVE(torch.tensor([0.8, -1.0])), torch.tensor([0.632121, 0.0]))


def test_places_stay_and_scores_are_calibrated() -> None:
    heatmaps = 1.3 * gaussian_heatmaps(torch.tensor([[[10.3, 12.6], [4.2, 20.0]]]), (32, 32), 1.5)
    plain = SOFTMAX.decode(heatmaps)
    found = replace(SOFTMAX, calibration=CURVE).decode(heatmaps)
    torch.testing.assert_close(found[..., :2], plain[..., :2])
    torch.testing.assert_close(found[..., 2], CURVE(plain[..., 2]))
    assert (plain[..., 2] > 1).all()
    assert (found[..., 2] <= 1).all()


def test_half_precision_stays_what_it_is() -> None:
    heatmaps = torch.rand(1, 2, 8, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert CODEC.calibration is not None
    assert CODEC.decode(heatmaps).dtype == SOFTMAX.decode(heatmaps).dtype
