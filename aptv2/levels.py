"""Pixels of more than 8 bits as bytes: one scale for all images of a recording."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

_DEPTHS = (8, 10, 12, 14, 16, 24, 32)
"""Bits that cameras have; they store the values of 10 to 14 in 16."""


@dataclass(frozen=True)
class Levels:
    """The values that become 0 and 255.

    Parameters
    ----------
    black, white
        Values of the darkest and the brightest pixel.
    """

    black: float
    white: float

    @classmethod
    def of(cls, samples: Iterable[np.ndarray]) -> Levels:
        """The scale of a recording, from some or all of its images.

        Whole numbers have the range of the camera's bit depth, the smallest of 8, 10, 12, 14, 16,
        24 and 32 bits that holds them. Fractions up to 1 have the range from 0 to 1; others that of
        whole numbers. Where values are below 0, the range is that of the values.
        """
        low, high, fractions = 0.0, 0.0, False
        for sample in samples:
            finite = sample[np.isfinite(sample)] if sample.dtype.kind == "f" else sample
            if finite.size:
                low, high = min(low, float(finite.min())), max(high, float(finite.max()))
            fractions |= sample.dtype.kind == "f"
        if low < 0:
            return cls(low, high if high > low else low + 1)
        if fractions and high <= 1:
            return cls(0, 1)
        depth = next((bits for bits in _DEPTHS if high < 2**bits), None)
        return cls(0, high if depth is None else 2**depth - 1)

    def to_bytes(self, values: np.ndarray) -> np.ndarray:
        """Scale values to uint8 of the same shape; beyond the range they are clipped, NaN is 0."""
        if values.dtype.kind == "u" and self.black == 0 and (self.white + 1) % 256 == 0:
            # As every tool does it: the upper 8 of the camera's bits.
            divisor = (int(self.white) + 1) // 256
            clipped: np.ndarray = np.minimum(values // divisor, 255).astype(np.uint8)
            return clipped
        scaled = (values.astype(np.float32) - self.black) * (255 / (self.white - self.black))
        scaled = np.nan_to_num(scaled, nan=0, posinf=255, neginf=0)
        rounded: np.ndarray = np.clip(np.round(scaled), 0, 255).astype(np.uint8)
        return rounded
