"""Joints <-> heatmaps, batched in torch. The only heatmap code of the package."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def gaussian_heatmaps(joints: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Gaussians with peak 1 at real-valued centres.

    Parameters
    ----------
    joints
        float (N, K, 2+): x and y in heatmap pixels.
    size
        Height and width of the heatmaps.
    sigma
        Standard deviation in heatmap pixels.

    Returns
    -------
    Tensor
        float32 (N, K, height, width).
    """
    height, width = size
    columns = torch.arange(width, device=joints.device, dtype=torch.float32)
    rows = torch.arange(height, device=joints.device, dtype=torch.float32)
    across = torch.exp(-((columns - joints[..., 0:1].float()) ** 2) / (2 * sigma**2))
    down = torch.exp(-((rows - joints[..., 1:2].float()) ** 2) / (2 * sigma**2))
    return down[..., :, None] * across[..., None, :]


def argmax(heatmaps: Tensor) -> Tensor:
    """Highest pixel of each heatmap: (N, K, h, w) -> float32 (N, K, 3) x, y, value."""
    values, places = heatmaps.flatten(2).float().max(dim=2)
    width = heatmaps.shape[3]
    return torch.stack([(places % width).float(), (places // width).float(), values], dim=2)


def decode_dark(heatmaps: Tensor, sigma: float, blur: bool = False) -> Tensor:
    """Sub-pixel joints from heatmaps by DARK (Zhang et al., CVPR 2020).

    One Newton step on the logarithm of the heatmap at its highest pixel, exact where the peak
    is a Gaussian.

    Parameters
    ----------
    heatmaps
        float (N, K, h, w), not negative.
    sigma
        Standard deviation of the training targets in heatmap pixels.
    blur
        Smooth with a Gaussian of `sigma` first, as DARK does for noisy heatmaps.

    Returns
    -------
    Tensor
        float32 (N, K, 3): x and y in heatmap pixels, and the value of the highest pixel.
    """
    joints = argmax(heatmaps)
    height, width = heatmaps.shape[2:]
    if height < 3 or width < 3:
        return joints
    log = (_blur(heatmaps.float(), sigma) if blur else heatmaps.float()).clamp_min(1e-10).log()
    x = joints[..., 0].long().clamp(1, width - 2)
    y = joints[..., 1].long().clamp(1, height - 2)
    flat = log.flatten(2)

    def at(dx: int, dy: int) -> Tensor:
        return flat.gather(2, ((y + dy) * width + x + dx)[..., None])[..., 0]

    middle = at(0, 0)
    dx, dy = (at(1, 0) - at(-1, 0)) / 2, (at(0, 1) - at(0, -1)) / 2
    dxx, dyy = at(1, 0) - 2 * middle + at(-1, 0), at(0, 1) - 2 * middle + at(0, -1)
    dxy = (at(1, 1) - at(-1, 1) - at(1, -1) + at(-1, -1)) / 4
    det = dxx * dyy - dxy**2
    peaked = (det > 1e-6) & (dxx < 0)
    det = torch.where(peaked, det, torch.ones_like(det))
    step_x = torch.where(peaked, (dxy * dy - dyy * dx) / det, torch.zeros_like(det))
    step_y = torch.where(peaked, (dxy * dx - dxx * dy) / det, torch.zeros_like(det))
    # A step of over a pixel means that the surface is no Gaussian: stay near the peak.
    joints[..., 0] = torch.where(peaked, x + step_x.clamp(-1, 1), joints[..., 0])
    joints[..., 1] = torch.where(peaked, y + step_y.clamp(-1, 1), joints[..., 1])
    return joints


def _blur(heatmaps: Tensor, sigma: float) -> Tensor:
    radius = max(1, round(3 * sigma))
    taps = torch.arange(-radius, radius + 1, device=heatmaps.device, dtype=torch.float32)
    kernel = torch.exp(-(taps**2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    maps = heatmaps.flatten(0, 1)[:, None]
    maps = F.conv2d(F.pad(maps, (radius, radius, 0, 0), mode="replicate"), kernel[None, None, None])
    maps = F.conv2d(
        F.pad(maps, (0, 0, radius, radius), mode="replicate"), kernel[None, None, :, None]
    )
    return maps[:, 0].unflatten(0, heatmaps.shape[:2])
