"""A pose network: normalised crops in, heatmaps out, keypoints in the frame."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from aptv2 import crops
from aptv2.codecs import SOFTMAX, Codec
from aptv2.skeleton import ANIMAL17, Skeleton

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
BATCH = 64  # crops that go through a network at once


class PoseModel(nn.Module):
    """A top-down pose network.

    A subclass gives `forward`: images -> heatmaps.

    Parameters
    ----------
    input_size
        Height and width of the crops in pixels.
    skeleton
        The keypoints, one heatmap each.
    codec
        How crops are made and heatmaps are read.
    """

    def __init__(
        self,
        input_size: tuple[int, int],
        skeleton: Skeleton = ANIMAL17,
        codec: Codec = SOFTMAX,
    ) -> None:
        super().__init__()
        self.input_size, self.skeleton, self.codec = input_size, skeleton, codec

    def forward_flip(self, images: Tensor) -> Tensor:
        """Heatmaps averaged over the images and their mirror images (the flip test).

        Where left and right are not known, those of the images.
        """
        if self.skeleton.unpaired:
            return self(images)
        mirrored = self(images.flip(3))
        return (self(images) + self.codec.flip_back(mirrored, self.skeleton.flip)) / 2

    @torch.inference_mode()
    def keypoints(self, pixels: np.ndarray, flip: bool = False) -> np.ndarray:
        """Keypoints in crop pixels, float32 (N, K, 3), of uint8 RGB crops (N, height, width, 3)."""
        found = [np.empty((0, len(self.skeleton), 3), np.float32)]
        for start in range(0, len(pixels), BATCH):
            images = normalise_for(self, torch.from_numpy(pixels[start : start + BATCH]))
            heatmaps = self.forward_flip(images) if flip else self(images)
            keypoints = self.codec.decode(heatmaps.float())
            (height, width), crop = heatmaps.shape[2:], (pixels.shape[1], pixels.shape[2])
            step = self.codec.steps((height, width), crop)
            keypoints[..., :2] *= torch.tensor(step).to(keypoints)
            found.append(keypoints.cpu().numpy())
        return np.concatenate(found)

    def predict(self, frame: np.ndarray, boxes: np.ndarray, flip: bool = False) -> np.ndarray:
        """Keypoints of the animals in a frame.

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
        pixels, matrices = self.crop(frame, boxes)
        return crops.transform(crops.invert(matrices), self.keypoints(pixels, flip))

    def crop(self, frame: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Crops around N,4 boxes: uint8 (N, height, width, 3), and transforms (N, 2, 3) to them."""
        if self.codec.mmpose_crops:
            boxes = crops.clean_boxes(boxes, (frame.shape[0], frame.shape[1]))
        matrices = self.crop_matrices(boxes)
        smooth = not self.codec.mmpose_crops
        return crops.sample(frame, matrices, self.input_size, antialias=smooth), matrices

    def crop_matrices(self, boxes: np.ndarray) -> np.ndarray:
        """Transforms (N, 2, 3) from the frame to the crops around N,4 boxes."""
        frames = crops.crop_frames(boxes, self.input_size)
        return crops.crop_matrices(*frames, self.input_size, udp=self.codec.udp)


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (N, H, W, 3) RGB -> float32 (N, 3, H, W) in ImageNet's mean and deviation."""
    # A whole row of pixels at once, and in place: seven times as fast as three numbers at a time.
    width = pixels.shape[2]
    mean = (torch.tensor(IMAGENET_MEAN, device=pixels.device) * 255).repeat(width)
    std = (torch.tensor(IMAGENET_STD, device=pixels.device) * 255).repeat(width)
    rows = pixels.flatten(2).to(torch.float32, copy=True).sub_(mean).div_(std)
    return rows.view(pixels.shape).permute(0, 3, 1, 2)


def normalise_for(module: nn.Module, pixels: Tensor) -> Tensor:
    """The same on a module's device."""
    return normalise(pixels.to(next(module.parameters()).device))
