"""What every pose network has in common: normalised crops in, heatmaps out, joints in the frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from aptv2 import crops
from aptv2.skeleton import ANIMAL17, Skeleton

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
BATCH = 64  # crops that go through a network at once


class PoseModel(nn.Module):
    """A top-down pose network.

    A subclass gives `forward` (images -> heatmaps) and `decode` (heatmaps -> joints in heatmap
    pixels).

    Parameters
    ----------
    input_size
        Height and width of the crops in pixels.
    skeleton
        The joints, one heatmap each.
    """

    def __init__(self, input_size: tuple[int, int], skeleton: Skeleton = ANIMAL17) -> None:
        super().__init__()
        self.input_size = input_size
        self.skeleton = skeleton

    def decode(self, heatmaps: Tensor) -> Tensor:
        """Joints (N, K, 3): x and y in heatmap pixels, and a score."""
        raise NotImplementedError

    def forward_flip(self, images: Tensor) -> Tensor:
        """Heatmaps averaged over the images and their mirror images (the flip test)."""
        mirrored = self(images.flip(3)).flip(3)[:, self.skeleton.flip.tolist()]
        return (self(images) + mirrored) / 2

    @torch.inference_mode()
    def joints(self, pixels: np.ndarray, flip: bool = False) -> np.ndarray:
        """Joints in crop pixels, float32 (N, K, 3), of uint8 RGB crops (N, height, width, 3)."""
        found = [np.empty((0, len(self.skeleton), 3), np.float32)]
        for start in range(0, len(pixels), BATCH):
            images = normalise_for(self, torch.from_numpy(pixels[start : start + BATCH]))
            heatmaps = self.forward_flip(images) if flip else self(images)
            joints = self.decode(heatmaps.float())
            size = torch.tensor(pixels.shape[2:0:-1]) - 1
            grid = torch.tensor(heatmaps.shape[:1:-1]) - 1
            joints[..., :2] *= (size / grid).to(joints)
            found.append(joints.cpu().numpy())
        return np.concatenate(found)

    def predict(self, frame: np.ndarray, boxes: np.ndarray, flip: bool = False) -> np.ndarray:
        """Joints of the animals in a frame.

        Parameters
        ----------
        frame
            uint8 (H, W, 3), RGB.
        boxes
            (N, 4) x, y, width, height in pixels.
        flip
            Average over the mirrored crops as well: twice the time, a little more accurate.

        Returns
        -------
        numpy.ndarray
            float32 (N, 17, 3): x, y in frame pixels, score from 0 to 1.
        """
        matrices = self.crop_matrices(boxes)
        return crops.transform(
            crops.invert(matrices),
            self.joints(crops.sample(frame, matrices, self.input_size), flip),
        )

    def crop_matrices(self, boxes: np.ndarray) -> np.ndarray:
        """Transforms (N, 2, 3) from the frame to the crops around N,4 boxes."""
        return crops.crop_matrices(*crops.crop_frames(boxes, self.input_size), self.input_size)


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) RGB -> float32 (N, 3, H, W) in ImageNet's mean and deviation."""
    mean = torch.tensor(IMAGENET_MEAN, device=pixels.device) * 255
    std = torch.tensor(IMAGENET_STD, device=pixels.device) * 255
    return ((pixels.float() - mean) / std).permute(0, 3, 1, 2)


def normalise_for(module: nn.Module, pixels: Tensor) -> Tensor:
    """The same on a module's device."""
    return normalise(pixels.to(next(module.parameters()).device))
