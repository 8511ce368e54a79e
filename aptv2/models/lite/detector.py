"""Finding animals in whole frames with the lite network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_iou

from aptv2 import boxes as box_tools
from aptv2 import crops
from aptv2.models.lite.detection import candidates
from aptv2.models.lite.network import SearchPart
from aptv2.models.pose.base import normalise_for

LONG_SIDE = 384  # pixels that the longer side of a frame is brought to
# Intersection over union up to which two boxes are two animals, and from which they are one.
APART, SAME = 0.5, 0.85
ONE_VOICE = 0.7  # the same, from which a box counts for where an animal is
LIMIT = 300  # cells a frame, about ten an animal
FAINTEST = 0.015


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
        corners, scores = candidates(logits, distances, LIMIT)
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
        corners, scores = distinct(corners.float().cpu(), scores.float().cpu())
        points = corners.numpy().reshape(1, -1, 2)
        found = crops.transform(crops.invert(matrix), points).reshape(-1, 4)
        boxes = box_tools.clip(box_tools.xyxy_to_xywh(found), width, height)
        solid = (boxes[:, 2:] >= 1).all(axis=1)
        return boxes[solid].astype(np.float32), scores.numpy()[solid]


def distinct(corners: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
    """The animals that boxes show, each once, best first.

    A box that overlaps a better one loses score, the more the more they overlap, and so two
    animals one behind the other both live: soft suppression (Soft-NMS, Bodla et al., ICCV 2017),
    here between two overlaps instead of from none on. What is left is the mean of the boxes around
    it, weighted by their scores (box voting, Gidaris and Komodakis, ICCV 2015): the cells of an
    animal err each in its own way.

    Parameters
    ----------
    corners
        float32 (N, 4), pixels.
    scores
        float32 (N,), from 0 to 1.

    Returns
    -------
    tuple of Tensor
        Boxes (M, 4) and their scores (M,), all above `FAINTEST`.
    """
    overlap = box_iou(corners, corners)
    share = ((SAME - overlap) / (SAME - APART)).clamp(0, 1)
    left, order = scores.clone(), []
    while len(left) and left.max() > FAINTEST:
        best = int(left.argmax())
        order.append((best, float(left[best])))
        left *= share[best]
        left[best] = 0
    rows = torch.tensor([row for row, _ in order], dtype=torch.long)
    votes = (overlap[rows] > ONE_VOICE) * scores
    means = votes @ corners / votes.sum(dim=1, keepdim=True)
    return means, torch.tensor([score for _, score in order])
