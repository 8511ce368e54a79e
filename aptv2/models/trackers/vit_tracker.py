"""OSTrack's way of using a one-stream network: its crops, its window, its boxes.

Written after the published behaviour of OSTrack (Ye et al., ECCV 2022), so that the same weights
give the same boxes; what is done for lost animals is ours (:mod:`aptv2.models.trackers.base`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from aptv2 import crops
from aptv2.codecs import UDP
from aptv2.models.lite.tracking import centre_boxes
from aptv2.models.pose.base import normalise_for
from aptv2.models.trackers.base import (
    SEARCH_SIZE,
    STRIDE,
    TEMPLATE_FACTOR,
    Found,
    TemplateTracker,
)
from aptv2.models.trackers.vitposetrack import ViTPoseTrack
from aptv2.models.trackers.vittrack import Maps, ViTTrack

MARGIN = 10.0  # pixels of a box that stay inside the frame; also its shortest side
# Animals that go through the network at once. More fit no processor's cache.
CPU_BATCH, GPU_BATCH = 4, 64
LARGEST_CROP = 8192  # pixels of the frame; a larger one would take gigabytes to pad


class ViTTracker(TemplateTracker):
    """Follows animals with a ViTTrack or ViTPoseTrack, as OSTrack follows one.

    The box of a frame and where it is looked for next are OSTrack's as long as the animal is not
    lost. OSTrack's scores have no unit: one network gives 0.9 to what it is sure of, another one
    0.5. So confidence is measured against the score that the same network gives the same animal
    in the frame where the user points it out.

    Parameters
    ----------
    network
        In eval mode.
    pose
        Read the animals' poses in the same pass; for a `ViTPoseTrack`.

    Attributes
    ----------
    keypoints
        float32 (N, K, 3): x, y in pixels, score, of the last frame; K is 0 without `pose`.
    skeleton
        The K keypoints.
    """

    def __init__(self, network: ViTTrack, pose: bool = False) -> None:
        self.network = network
        self.decoder: nn.Module | None = None
        if pose:
            assert isinstance(network, ViTPoseTrack)
            self.skeleton, self.decoder = network.skeleton, network.pose
        self.window = hann_window(network.views.search // STRIDE)
        super().__init__()

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next step depends on, as arrays."""
        own = {"templates": self.templates.float().cpu().numpy(), "first_scores": self.first_scores}
        return super().state() | own

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what :meth:`state` gave, in place of :meth:`start`."""
        super().restore(state)
        like = next(self.network.parameters())
        self.templates = torch.from_numpy(state["templates"]).to(like)
        self.first_scores = state["first_scores"]

    def _forget(self) -> None:
        super()._forget()
        self.templates = torch.empty(0)
        self.first_scores = np.empty(0)

    @torch.inference_mode()
    def _meet(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        pixels, _ = crop_squares(frame, boxes, TEMPLATE_FACTOR, self.network.views.template)
        images = normalise_for(self.network, torch.from_numpy(pixels))
        templates = self.network.template_tokens(images)
        _, scores, keypoints = self._look(frame, boxes, np.ones(len(boxes)), templates)
        known = len(self.boxes)
        self.templates = torch.cat([self.templates, templates]) if known else templates
        self.first_scores = np.append(self.first_scores, scores)
        self.keypoints = np.concatenate([self.keypoints, keypoints]) if known else keypoints

    def _find(self, frame: np.ndarray) -> Found:
        boxes, scores, self.keypoints = self._look(frame, self.boxes, self.reach, self.templates)
        return Found(boxes, scores / self.first_scores)

    @torch.inference_mode()
    def _look(
        self, frame: np.ndarray, around: np.ndarray, reach: np.ndarray, templates: Tensor
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Boxes (N, 4) in the frame, scores (N,) and keypoints (N, K, 3) of animals `around`."""
        factors = self.network.views.factor * reach
        pixels, matrices = crop_squares(frame, around, factors, self.network.views.search)
        shares, scores, keypoints = [], [], []
        count = CPU_BATCH if templates.device.type == "cpu" else GPU_BATCH
        for start in range(0, len(around), count):
            part = slice(start, start + count)
            images = normalise_for(self.network, torch.from_numpy(pixels[part]))
            features = self.network.search_features(templates[part], images)
            best = best_boxes(self.network.centre(features), self.window, reach[part])
            shares.append(best[0])
            scores.append(best[1])
            if self.decoder is not None:
                keypoints.append(_keypoints_inside(self.decoder(features), best[0]).cpu().numpy())
        found = torch.cat(shares).cpu().numpy()
        sides = crop_sides(around, factors)
        boxes = clip_boxes(frame_boxes(found, around, sides), frame.shape[1], frame.shape[0])
        read = np.empty((len(around), len(self.skeleton), 3), np.float32)
        if keypoints:
            read = crops.transform(crops.invert(matrices), np.concatenate(keypoints))
        return boxes, torch.cat(scores).double().cpu().numpy(), read


def crop_sides(boxes: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    """Sides int64 (N,) in frame pixels of the squares around N,4 boxes.

    A square's area is `factor`^2 times its box's, rounded up to whole pixels.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = np.ceil(np.sqrt(boxes[:, 2] * boxes[:, 3]) * factor)
    return np.maximum(sides, 1).astype(np.int64)


def crop_squares(
    frame: np.ndarray, boxes: np.ndarray, factor: float | np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """OSTrack's square crops around boxes, black where the frame ends.

    Parameters
    ----------
    frame
        uint8 (H, W, 3), RGB.
    boxes
        (N, 4) x, y, width, height in pixels, of any real position.
    factor
        Side of the crop by the root of the box's area; one number or N.
    size
        Side of the crop in its own pixels.

    Returns
    -------
    tuple of numpy.ndarray
        Pixels uint8 (N, size, size, 3), and transforms float64 (N, 2, 3) from frame to crop
        pixels, whose centres are integers.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = crop_sides(boxes, factor)
    # To the nearest whole pixel, halves to the even one, as Python and NumPy round.
    low = np.rint(boxes[:, :2] + 0.5 * boxes[:, 2:] - 0.5 * sides[:, None])
    scale = size / sides
    matrices = np.zeros((len(boxes), 2, 3))
    matrices[:, 0, 0] = matrices[:, 1, 1] = scale
    matrices[:, :, 2] = (0.5 - low) * scale[:, None] - 0.5
    pixels = np.empty((len(boxes), size, size, 3), np.uint8)
    # OSTrack pads one pixel more than it needs, so the frame's last row and column are never seen.
    seen = frame[:-1, :-1]
    for crop, corner, side, matrix in zip(
        pixels, low.astype(np.int64), sides.tolist(), matrices, strict=True
    ):
        if side > LARGEST_CROP:
            crop[:] = crops.sample(frame, matrix[None], (size, size))[0]
        else:
            cv2.resize(_square(seen, corner, side), (size, size), dst=crop)
    return pixels, matrices


def frame_boxes(shares: np.ndarray, around: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Boxes (N, 4) xywh in the frame, of boxes in search crops.

    Parameters
    ----------
    shares
        (N, 4) centre x, centre y, width, height as shares of the crop.
    around
        (N, 4) xywh: the boxes that the crops are around.
    sides
        (N,): the crops' sides in frame pixels.
    """
    pixels = shares.astype(np.float64) * sides[:, None]
    # OSTrack takes the crop's middle for the box's, though crops begin at whole pixels.
    middle = around[:, :2] + 0.5 * around[:, 2:] - 0.5 * sides[:, None] + pixels[:, :2]
    return np.concatenate([middle - 0.5 * pixels[:, 2:], pixels[:, 2:]], axis=1)


def box_shares(boxes: np.ndarray, around: np.ndarray, factor: float | np.ndarray) -> np.ndarray:
    """Inverse of :func:`frame_boxes`: what a network should answer for boxes (N, 4) of the frame.

    Returns
    -------
    numpy.ndarray
        float64 (N, 4): centre x, centre y, width, height as shares of the crops.
    """
    boxes, around = (np.asarray(each, np.float64).reshape(-1, 4) for each in (boxes, around))
    sides = crop_sides(around, factor)[:, None]
    middle = boxes[:, :2] + 0.5 * boxes[:, 2:] - around[:, :2] - 0.5 * around[:, 2:]
    return np.concatenate([middle / sides + 0.5, boxes[:, 2:] / sides], axis=1)


def clip_boxes(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Boxes (N, 4) xywh, cut so that `MARGIN` pixels or more are inside the frame, either way."""
    limit = np.array([width, height], np.float64)
    high = boxes[:, :2] + boxes[:, 2:]
    low = np.minimum(np.maximum(boxes[:, :2], 0), limit - MARGIN)
    high = np.minimum(np.maximum(high, MARGIN), limit)
    return np.concatenate([low, np.maximum(high - low, MARGIN)], axis=1)


def hann_window(cells: int) -> Tensor:
    """The window (cells, cells) that draws the answer to the middle of the search."""
    steps = torch.arange(1, cells + 1).float()
    window = 0.5 * (1 - torch.cos(2 * math.pi / (cells + 1) * steps))
    return window[:, None] * window[None]


def best_boxes(maps: Maps, window: Tensor, reach: np.ndarray) -> tuple[Tensor, Tensor]:
    """The box of each animal's best cell.

    The longer an animal is out of sight, the less its last place says: the window is flatter
    then.

    Returns
    -------
    tuple of Tensor
        float32 (N, 4) centre x, centre y, width, height as shares of the crop, and scores (N,).
    """
    trust = torch.from_numpy(1 / reach).to(maps.score)[:, None, None]
    response = (window.to(maps.score) ** trust) * maps.score[:, 0]
    cells = response.flatten(1).argmax(1, keepdim=True)
    boxes = centre_boxes(maps.size, maps.offset).flatten(2)
    best = boxes.gather(2, cells[:, None].expand(-1, 4, 1))[..., 0]
    return best, maps.score.flatten(1).gather(1, cells)[:, 0]


def _square(frame: np.ndarray, corner: np.ndarray, side: int) -> np.ndarray:
    """The frame's pixels of a square that begins at `corner` x, y, and black."""
    x, y = corner.tolist()
    height, width = frame.shape[:2]
    left, top = min(max(-x, 0), side), min(max(-y, 0), side)
    right, bottom = min(max(x + side - width, 0), side), min(max(y + side - height, 0), side)
    part = frame[y + top : y + side - bottom, x + left : x + side - right]
    if not part.size:
        return np.zeros((side, side, 3), np.uint8)
    return cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_CONSTANT)


def _keypoints_inside(heatmaps: Tensor, shares: Tensor) -> Tensor:
    """Keypoints (N, K, 3) in search pixels, each within its animal's pose crop.

    The search picture may show other animals too.
    """
    cells = heatmaps.shape[2]
    places = torch.arange(cells, device=heatmaps.device) / (cells - 1)
    half = shares[:, 2:] * crops.PADDING / 2
    low, high = shares[:, :2] - half, shares[:, :2] + half
    inside = (places >= low[..., None]) & (places <= high[..., None])
    x, y = inside[:, 0], inside[:, 1]
    keypoints = UDP.decode(heatmaps.float() * (y[:, :, None] & x[:, None])[:, None])
    step = UDP.steps((cells, cells), (SEARCH_SIZE, SEARCH_SIZE))
    keypoints[..., :2] *= torch.tensor(step).to(keypoints)
    return keypoints
