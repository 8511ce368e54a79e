"""Decoders and targets of heatmaps are the reference's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from aptv2.codecs import heatmaps as codecs
from aptv2.codecs.heatmaps import (
    argmax,
    decode_dark,
    decode_quarter,
    decode_udp,
    flip_back,
    heatmap_targets,
)
from aptv2.skeleton import ANIMAL17


class TestReference:
    """MMPose's numbers for the same heatmaps and keypoints."""

    DECODERS = {  # noqa: RUF012
        "none": (argmax, False),
        "default": (decode_quarter, False),
        "unbiased": (decode_dark, False),
        "udp": (decode_udp, True),
    }

    @pytest.mark.parametrize("mode", DECODERS)
    @pytest.mark.parametrize("seed", range(20))
    def test_decoding(self, reference: Path, mode: str, seed: int) -> None:
        decode, udp = self.DECODERS[mode]
        numbers = np.load(reference / "pipeline.npz")
        heatmaps, centres, scales = synthetic_heatmaps(seed)
        np.testing.assert_allclose(centres, numbers[f"decode/{seed}/center"])
        found = decode(torch.from_numpy(heatmaps)).numpy()
        np.testing.assert_array_equal(found[..., 2:], numbers[f"decode/{seed}/{mode}/maxvals"])
        # The reference's are float32 pixels of the frame: back to heatmap pixels.
        step = 200 * scales / (np.array(heatmaps.shape[:1:-1]) - udp)
        preds = numbers[f"decode/{seed}/{mode}/preds"].astype(float)
        expected = (preds - (centres - 100 * scales)[:, None]) / step[:, None]
        if udp and seed % 5 == 3:
            # Nowhere above 0: here the reference reads past the start of the first heatmap, into
            # the last keypoint of the last animal. Ours lies at (-1, -1) as in the other modes.
            expected[0, 0] = -1
        np.testing.assert_allclose(found[..., :2], expected, atol=1e-4, rtol=0)

    @pytest.mark.parametrize("shift", [False, True])
    def test_flip_back(self, reference: Path, shift: bool) -> None:
        numbers = np.load(reference / "pipeline.npz")
        heatmaps = torch.from_numpy(synthetic_heatmaps(100)[0])
        found = sampled(flip_back(heatmaps, ANIMAL17.flip, shift).numpy())
        np.testing.assert_array_equal(
            found, numbers["flip_back/" + ("shifted" if shift else "out")]
        )

    @pytest.mark.parametrize(("network", "width"), [("vit_base", 192), ("hrnet_w32", 256)])
    def test_targets(self, reference: Path, network: str, width: int) -> None:
        udp = network == "vit_base"
        numbers = np.load(reference / "pipeline.npz")
        cases = json.loads((reference / "pipeline.json").read_text())
        size = (64, width // 4)
        scale = codecs.crop_pixels(size, (256, width), udp)
        for case in cases[network]["train"]:
            name = f"{network}/train/{case['aug']}/{case['inst']}/"
            keypoints = torch.from_numpy(numbers[name + "joints"][None, :, :2]) / torch.tensor(
                scale
            )
            visible = torch.from_numpy(numbers[name + "visible"][None, :, 0])
            targets, weights = heatmap_targets(keypoints, visible, size, udp=udp)
            maps = targets[0].numpy()
            np.testing.assert_array_equal(weights[0], numbers[name + "target_weight"][:, 0])
            assert np.count_nonzero(maps) == case["n_nonzero"]
            for found, key in (
                (sampled(maps, 400), "target"),
                (maps.reshape(-1)[numbers[name + "target_nz_idx"]], "target_nz"),
                (maps.max(axis=(1, 2)), "target_peak"),
                (maps.sum(axis=(1, 2), dtype=float), "target_sum"),
                (maps.reshape(len(maps), -1).argmax(axis=1), "target_argmax"),
            ):
                np.testing.assert_allclose(found, numbers[name + key], atol=1e-4, err_msg=key)


def synthetic_heatmaps(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Heatmaps (4, 17, h, w), crop centres (4, 2) and scales (4, 2) as `pipeline.json` says."""
    rng = np.random.RandomState(seed)
    height, width = 64, 48 if seed % 2 else 64
    noise = 0.05 * rng.rand(4, 17, height, width)
    draws = [rng.rand(4, 17)[..., None, None] for _ in range(4)]
    x, y = draws[0] * (width + 4) - 2, draws[1] * (height + 4) - 2
    amplitude, sigma = 0.3 + 0.9 * draws[2], 1.5 + 1.5 * draws[3]
    rows, columns = np.mgrid[:height, :width]
    distance = (columns - x) ** 2 + (rows - y) ** 2
    heatmaps = (noise + amplitude * np.exp(-distance / (2 * sigma**2))).astype(np.float32)
    if seed % 5 == 3:
        heatmaps[0, 0], heatmaps[0, 1] = -0.1, 0
        heatmaps[0, 2].flat[[5, 777]] = 2
    if seed % 5 == 4:
        heatmaps *= 60
    centres = (rng.rand(4, 2) * 500 + 50).astype(np.float32)
    scales = rng.rand(4, 1) * 2 + 0.3
    return heatmaps, centres, np.float32(np.concatenate([scales, scales * height / width], axis=1))


def sampled(array: np.ndarray, count: int = 200) -> np.ndarray:
    """The numbers (count,) that the reference keeps of a large array."""
    return array.reshape(-1)[np.round(np.linspace(0, array.size - 1, count)).astype(int)]
