"""Finding animals in whole frames with the lite network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import nms

from aptv2 import boxes as box_tools
from aptv2 import crops
from aptv2.models.lite.detection import peaks
from aptv2.models.lite.network import SearchPart
from aptv2.models.pose import normalise_for

LONG_SIDE = 384  # pixels that the longer side of a frame is brought to
OVERLAP = 0.6  # intersection over union from which two boxes are one animal
LIMIT = 100  # animals a frame
FAINTEST = 0.05


class LiteDetector:
    """An animal detector.

    Parameters
    ----------
    part
        The part of a lite network that searches, in eval mode.
    long_side
        Pixels that the longer side of a frame is brought to; more finds smaller animals, slower.
    """

    def __init__(self, part: SearchPart, long_side: int = LONG_SIDE) -> None:
        self.backbone, self.head, self.long_side = part.backbone, part.detection, long_side

    def detect(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Animals of one frame.

        Parameters
        ----------
        frame
            uint8 (H, W, 3), RGB.

        Returns
        -------
        tuple of numpy.ndarray
            Boxes float32 (N, 4) x, y, width, height in pixels, inside the frame, and scores
            float32 (N,) from 0 to 1, best first; none below `FAINTEST`.
        """
        return self.detect_batch([frame])[0]

    @torch.inference_mode()
    def detect_batch(self, frames: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """The same for several frames of one size, in one pass."""
        if not frames:
            return []
        height, width = frames[0].shape[:2]
        matrix, canvas = self._fit(height, width)
        pixels = np.concatenate([crops.sample(f, matrix, canvas, None) for f in frames])
        images = normalise_for(self.head, torch.from_numpy(pixels))
        logits, distances = self.head(self.backbone(images))
        corners, scores = peaks(logits, distances, LIMIT)
        return [
            self._to_frame(c, s, matrix, width, height)
            for c, s in zip(corners, scores, strict=True)
        ]

    def _fit(self, height: int, width: int) -> tuple[np.ndarray, tuple[int, int]]:
        """Transform (1, 2, 3) of a frame into a canvas with sides that the strides divide."""
        scale = self.long_side / max(height, width)
        rows, columns = (max(1, int(np.ceil(s * scale / 32 - 1e-6))) * 32 for s in (height, width))
        canvas = (rows, columns)
        extent = np.array([[columns - 1, rows - 1]]) / scale
        centre = np.array([[width / 2, height / 2]])
        return crops.crop_matrices(centre, extent, canvas), canvas

    def _to_frame(
        self, corners: Tensor, scores: Tensor, matrix: np.ndarray, width: int, height: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Boxes of a canvas -> distinct boxes of the frame."""
        kept = scores > FAINTEST
        corners, scores = corners[kept], scores[kept]
        distinct = nms(corners, scores, OVERLAP)
        points = corners[distinct].cpu().numpy().reshape(1, -1, 2)
        found = crops.transform(crops.invert(matrix), points).reshape(-1, 4)
        boxes = box_tools.clip(box_tools.xyxy_to_xywh(found), width, height)
        solid = (boxes[:, 2:] >= 1).all(axis=1)
        return boxes[solid].astype(np.float32), scores[distinct].cpu().numpy()[solid]
