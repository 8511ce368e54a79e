"""Keypoints <-> heatmaps: one object a network, which encodes its targets and decodes its answers.

The idea is MMPose's (`mmpose/codecs`). Nothing here waits for torch until something is computed, so
that a network's codec is known before the network is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from torch import Tensor

Kind = Literal["gaussian", "distribution"]
Convention = Literal["udp", "msra"]
Decoder = Literal["newton", "quarter", "dark", "udp"]


@dataclass(frozen=True)
class Weibull:
    """Heights of heatmap peaks -> chances that the keypoints are right, by a Weibull curve.

    The height of a softmax peak ranks keypoints well, but is no chance: a peak of 0.7 is right six
    times of ten, and one sharper than the training's targets is above 1. The curve rises from 0 to
    1, so the order stays. A keypoint is right if it is labelled and lies within 0.025 of the
    animal's size (the root of its box's area) of its label: as strict as keypoint AP is at its
    middle thresholds.

    Attributes
    ----------
    scale, power
        Of the curve 1 - exp(-(height / scale) ** power).
    """

    scale: float
    power: float

    def __call__(self, heights: Tensor) -> Tensor:
        """Chances from 0 to 1, float32, of heights of any shape; those below 0 count as 0."""
        import torch

        return -torch.expm1(-((heights.float().clamp_min(0) / self.scale) ** self.power))


@dataclass(frozen=True)
class Codec:
    """How a network's keypoints become heatmaps, and its heatmaps keypoints.

    Attributes
    ----------
    kind
        Of the targets: "gaussian", 1 at the keypoint and cut to a square of 3 sigma (Xiao et al.,
        ECCV 2018); or "distribution", a whole Gaussian whose pixels sum to 1.
    convention
        Of crops and heatmaps: "udp" (Huang et al., CVPR 2020) or "msra", see :mod:`aptv2.crops`.
    decoder
        The function `decode_...` of :mod:`aptv2.codecs.heatmaps`.
    sigma
        Standard deviation of the targets in heatmap pixels.
    mmpose_crops
        Make crops as MMPose makes them: of boxes inside the frame, without smoothing.
    calibration
        Of the scores; None where they are the heights of the peaks.
    """

    kind: Kind
    convention: Convention
    decoder: Decoder
    sigma: float = 2.0
    mmpose_crops: bool = True
    calibration: Weibull | None = None

    @property
    def udp(self) -> bool:
        """True where crops and heatmaps follow UDP."""
        return self.convention == "udp"

    def encode(
        self, keypoints: Tensor, visible: Tensor, size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Heatmaps that a network is trained towards, and how much each keypoint counts.

        Parameters
        ----------
        keypoints
            float (N, K, 2+): x and y in heatmap pixels.
        visible
            (N, K): above 0.5 where the keypoint is to be found.
        size
            Height and width of the heatmaps.

        Returns
        -------
        tuple of Tensor
            Targets float32 (N, K, height, width) and weights float32 (N, K).
        """
        from aptv2.codecs import heatmaps

        if self.kind == "gaussian":
            return heatmaps.heatmap_targets(keypoints, visible, size, self.sigma, self.udp)
        return heatmaps.distributions(keypoints, size, self.sigma), visible.float()

    def decode(self, heatmaps: Tensor) -> Tensor:
        """Keypoints float32 (N, K, 3) of heatmaps (N, K, h, w): x, y in heatmap pixels, a score."""
        from aptv2.codecs.heatmaps import DECODERS

        keypoints = DECODERS[self.decoder](heatmaps)
        if self.calibration is not None:
            keypoints[..., 2] = self.calibration(keypoints[..., 2]).to(keypoints)
        return keypoints

    def flip_back(self, heatmaps: Tensor, flip: ArrayLike) -> Tensor:
        """Heatmaps (N, K, h, w) of mirrored crops as heatmaps of the crops, for the flip test.

        `flip`, int (K,), is the keypoint that each keypoint becomes in a mirror.
        """
        from aptv2.codecs.heatmaps import flip_back

        return flip_back(heatmaps, flip, shift=not self.udp)

    def steps(
        self, heatmap_size: tuple[int, int], crop_size: tuple[int, int]
    ) -> tuple[float, float]:
        """Crop pixels per heatmap pixel, across and down; sizes are height and width."""
        from aptv2.codecs.heatmaps import crop_pixels

        return crop_pixels(heatmap_size, crop_size, self.udp)


MSRA = Codec("gaussian", "msra", "quarter")
"""SimpleBaseline's, HRNet's and HRFormer's in MMPose's recipes."""
UDP = Codec("gaussian", "udp", "udp")
"""ViTPose's."""
SOFTMAX = Codec("distribution", "udp", "newton", sigma=1.5, mmpose_crops=False)
"""Our small networks', whose heatmaps are softmax outputs."""
