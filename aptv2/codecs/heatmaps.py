"""Heatmaps of keypoints and keypoints of heatmaps, batched in torch on any device.

Every decoder takes float32, bfloat16 or float16 heatmaps (N, K, h, w) and gives float32 keypoints
(N, K, 3): x and y in heatmap pixels, and the value of the highest pixel. A keypoint whose heatmap
is nowhere above 0 lies at (-1, -1), as in MMPose. The decoders look only at a small window around
each peak, never at a whole map, after the one pass that finds the peaks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

# --- keypoints -> heatmaps
# --------------------------------------------------------------------------


def gaussian_heatmaps(keypoints: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """Gaussians with peak 1 at real-valued centres.

    Parameters
    ----------
    keypoints
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
    across = _bells(keypoints[..., 0], size[1], sigma)
    down = _bells(keypoints[..., 1], size[0], sigma)
    return down[..., :, None] * across[..., None, :]


def distributions(keypoints: Tensor, size: tuple[int, int], sigma: float) -> Tensor:
    """The same Gaussians, scaled so that the pixels of each sum to 1; far outside, to 0."""
    gaussians = gaussian_heatmaps(keypoints, size, sigma)
    flat = gaussians.flatten(2)
    return (flat / flat.sum(dim=2, keepdim=True).clamp_min(1e-6)).view_as(gaussians)


def heatmap_targets(
    keypoints: Tensor, visible: Tensor, size: tuple[int, int], sigma: float = 2.0, udp: bool = True
) -> tuple[Tensor, Tensor]:
    """Target heatmaps of the benchmark's networks, and the weight of each keypoint.

    A Gaussian with peak 1, cut to a square of 3 sigma around the keypoint's pixel. Its peak lies on
    the keypoint (UDP, Huang et al., CVPR 2020) or on that pixel (MSRA, Xiao et al., ECCV 2018). As
    in MMPose, the pixel is x + 0.5 truncated towards zero, so that -1.2 belongs to pixel 0.

    Parameters
    ----------
    keypoints
        float (N, K, 2+): x and y in heatmap pixels.
    visible
        (N, K): above 0.5 where the keypoint is labelled.
    size
        Height and width of the heatmaps.
    sigma
        Standard deviation in heatmap pixels.
    udp
        The convention: UDP, or MSRA where False.

    Returns
    -------
    tuple
        Targets float32 (N, K, height, width), and weights float32 (N, K): `visible`, and 0 where
        the whole square lies outside.
    """
    points = keypoints[..., :2].float()
    pixels = (points + 0.5).trunc()
    radius = int(3 * sigma)
    extent = points.new_tensor([size[1], size[0]])
    outside = ((pixels - radius >= extent) | (pixels + radius + 1 < 0)).any(dim=-1)
    weights = visible.float().masked_fill(outside, 0)
    axes = []
    for axis, length in ((1, size[0]), (0, size[1])):
        near = (_pixels(length, points) - pixels[..., axis, None]).abs() <= radius
        bells = _bells((points if udp else pixels)[..., axis], length, sigma)
        axes.append(bells * near)
    down, across = axes
    down = down * (weights > 0.5)[..., None]
    return down[..., :, None] * across[..., None, :], weights


def crop_pixels(
    heatmap_size: tuple[int, int], crop_size: tuple[int, int], udp: bool = True
) -> tuple[float, float]:
    """Crop pixels per heatmap pixel, across and down; sizes are height and width.

    UDP counts the steps between pixels, (crop - 1) / (heatmap - 1), MSRA counts pixels.
    """
    down, across = ((c - udp) / (h - udp) for c, h in zip(crop_size, heatmap_size, strict=True))
    return across, down


def _pixels(length: int, like: Tensor) -> Tensor:
    return torch.arange(length, device=like.device, dtype=torch.float32)


def _bells(centres: Tensor, length: int, sigma: float) -> Tensor:
    """Gaussians (..., length) around centres (...)."""
    distance = _pixels(length, centres) - centres[..., None].float()
    return torch.exp(-(distance**2) / (2 * sigma**2))


# --- heatmaps -> keypoints
# --------------------------------------------------------------------------


def flip_back(heatmaps: Tensor, flip: ArrayLike, shift: bool = False) -> Tensor:
    """Heatmaps of mirrored crops as heatmaps of the crops, for the flip test.

    Parameters
    ----------
    heatmaps
        (N, K, h, w) of the mirrored crops.
    flip
        int (K,): the keypoint that each keypoint becomes in a mirror, `Skeleton.flip`.
    shift
        Move everything one column to the right, the first column staying as it is: what networks
        with MSRA crops need, whose mirrored crops are off by a pixel.
    """
    back = heatmaps.flip(3)[:, torch.as_tensor(flip, device=heatmaps.device)]
    return torch.cat([back[..., :1], back[..., :-1]], dim=3) if shift else back


def argmax(heatmaps: Tensor) -> Tensor:
    """The highest pixel of each heatmap, the first where several are equal (MMPose's `None`)."""
    values, places = _first_maximum(heatmaps.flatten(2).flatten(0, 1))
    width = heatmaps.shape[3]
    x, y = places.remainder(width), places.div(width, rounding_mode="floor")
    values = values.float()
    keypoints = torch.stack(
        [torch.where(values > 0, x, -1), torch.where(values > 0, y, -1), values], 1
    )
    return keypoints.unflatten(0, heatmaps.shape[:2])


def decode_quarter(heatmaps: Tensor) -> Tensor:
    """The highest pixel, a quarter of a pixel towards its higher neighbours (MMPose's `default`).

    How ResNet, HRNet and HRFormer are decoded: Newell et al., ECCV 2016. A peak in the first two
    rows or columns or the last stays where it is.
    """
    keypoints = argmax(heatmaps)
    near = _windows(heatmaps, keypoints, 1)
    steps = torch.stack([near[..., 1, 2] - near[..., 1, 0], near[..., 2, 1] - near[..., 0, 1]], 2)
    inside = _inside(keypoints, heatmaps, last=1)
    keypoints[..., :2] += torch.where(inside[..., None], steps.sign() / 4, 0.0)
    return keypoints


def decode_dark(heatmaps: Tensor, kernel: int = 11) -> Tensor:
    """Sub-pixel keypoints by DARK (Zhang et al., CVPR 2020; MMPose's `unbiased`).

    One Newton step from the highest pixel on the logarithm of the smoothed heatmap, which is exact
    where the peak is a Gaussian. A peak in the two outermost rows or columns stays where it is.
    Smoothing leaves the peak as high as it was; MMPose scales to the highest pixel of the whole
    smoothed map, which only matters where values near the peak are not above 0.

    Parameters
    ----------
    kernel
        Width in pixels of the smoothing Gaussian: odd, 9 or more.
    """
    keypoints = argmax(heatmaps)
    log = (
        _smooth(_windows(heatmaps, keypoints, kernel // 2 + 2, "zero"), kernel)
        .clamp_min(1e-10)
        .log()
    )
    dx, dy, dxy = _slopes(log[..., 1:-1, 1:-1])
    middle = log[..., 2, 2]
    dxx = (log[..., 2, 4] - 2 * middle + log[..., 2, 0]) / 4
    dyy = (log[..., 4, 2] - 2 * middle + log[..., 0, 2]) / 4
    step = _newton_step(dx, dy, dxx, dxy, dyy)
    usable = _inside(keypoints, heatmaps, last=2) & (dxx * dyy != dxy**2)
    keypoints[..., :2] += torch.where(usable[..., None], step, 0.0)
    return keypoints


def decode_udp(heatmaps: Tensor, kernel: int = 11) -> Tensor:
    """Sub-pixel keypoints as UDP decodes them (Huang et al., CVPR 2020; MMPose's `use_udp`):
    ViTPose.

    DARK with other details: values below 0.001 and above 50 are cut, differences are taken to the
    next pixel, and peaks at the border move too.

    Parameters
    ----------
    kernel
        Width in pixels of the smoothing Gaussian: odd, 9 or more.
    """
    keypoints = argmax(heatmaps)
    log = (
        _smooth(_windows(heatmaps, keypoints, kernel // 2 + 1, "mirror"), kernel)
        .clamp(1e-3, 50)
        .log()
    )
    # Beyond the border the smoothed map goes on as its last row or column.
    x, y = keypoints[..., 0, None], keypoints[..., 1, None]
    log[..., 0] = torch.where(x == 0, log[..., 1], log[..., 0])
    log[..., 2] = torch.where(x == heatmaps.shape[3] - 1, log[..., 1], log[..., 2])
    log[..., 0, :] = torch.where(y == 0, log[..., 1, :], log[..., 0, :])
    log[..., 2, :] = torch.where(y == heatmaps.shape[2] - 1, log[..., 1, :], log[..., 2, :])
    dx, dy, _ = _slopes(log)
    dxx, dyy = _curvatures(log)
    plus, minus, middle = log[..., 2, 2], log[..., 0, 0], log[..., 1, 1]
    sides = log[..., 1, 0] + log[..., 1, 2] + log[..., 0, 1] + log[..., 2, 1]
    dxy = (plus + minus + 2 * middle - sides) / 2
    eps = torch.finfo(torch.float32).eps  # flat where values are cut: no division by zero
    step = _newton_step(dx, dy, dxx + eps, dxy, dyy + eps)
    keypoints[..., :2] += torch.where(keypoints[..., 2:] > 0, step, 0.0)
    return keypoints


def decode_newton(heatmaps: Tensor) -> Tensor:
    """DARK's Newton step without smoothing, for heatmaps without noise, and never over a pixel.

    How the lite network is decoded, whose heatmaps are softmax outputs. A peak on the border is
    read from the nearest pixel with eight neighbours, so that it may lie between the two.
    """
    keypoints = argmax(heatmaps)
    height, width = heatmaps.shape[2:]
    if height < 3 or width < 3:
        return keypoints
    x, y = keypoints[..., 0].clamp(1, width - 2), keypoints[..., 1].clamp(1, height - 2)
    centre = torch.stack([x, y], dim=2)
    log = _windows(heatmaps, centre, 1).clamp_min(1e-10).log()
    dx, dy, dxy = _slopes(log)
    dxx, dyy = _curvatures(log)
    peaked = ((dxx * dyy - dxy**2 > 1e-6) & (dxx < 0))[..., None]
    # A step of over a pixel means that the surface is no Gaussian: stay near the peak.
    step = _newton_step(dx, dy, dxx, dxy, dyy).clamp(-1, 1)
    keypoints[..., :2] = torch.where(peaked, centre + step, keypoints[..., :2])
    return keypoints


DECODERS: dict[str, Callable[[Tensor], Tensor]] = {
    "newton": decode_newton,
    "quarter": decode_quarter,
    "dark": decode_dark,
    "udp": decode_udp,
}


def _first_maximum(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The highest value of each row (M, L) and its first place: `rows.max(dim=1)`, but faster.

    Torch reduces several times as fast where it need not keep the place, so the place is sought
    only within the highest block of each row.
    """
    places = torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
    for size in (256, 64):
        if rows.shape[1] > size and rows.shape[1] % size == 0:
            blocks = rows.unflatten(1, (-1, size))
            block = blocks.amax(dim=2).max(dim=1).indices
            places += block * size
            block += torch.arange(len(rows), device=rows.device) * blocks.shape[1]
            rows = blocks.flatten(0, 1).index_select(0, block)
    values, last = rows.max(dim=1)
    return values, places + last


def _windows(
    heatmaps: Tensor,
    centres: Tensor,
    radius: int,
    border: Literal["edge", "zero", "mirror"] = "edge",
) -> Tensor:
    """float32 (N, K, 2 radius + 1, 2 radius + 1): the heatmaps around centres (N, K, 2+).

    Outside a heatmap lies its edge, or 0, or its mirror image without the edge repeated.
    """
    height, width = heatmaps.shape[2:]
    offsets = torch.arange(-radius, radius + 1, device=heatmaps.device)
    across, down = centres[..., :2, None].long().add(offsets).unbind(2)
    if border == "mirror":
        across = (width - 1) - (width - 1 - across.abs()).abs()
        down = (height - 1) - (height - 1 - down.abs()).abs()
    columns, rows = across.clamp(0, width - 1), down.clamp(0, height - 1)
    index = (rows * width)[..., :, None] + columns[..., None, :]
    windows = heatmaps.flatten(2).gather(2, index.flatten(2)).view(index.shape).float()
    if border == "zero":
        windows *= (rows == down).float()[..., :, None]
        windows *= (columns == across).float()[..., None, :]
    return windows


def _smooth(windows: Tensor, kernel: int) -> Tensor:
    """The middle of windows under OpenCV's Gaussian of a width: kernel - 1 pixels smaller."""
    sigma = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    taps = _bells(torch.tensor(kernel // 2), kernel, sigma)
    weights = (taps / taps.sum()).tolist()
    size = windows.shape[-1] - kernel + 1
    for axis in (2, 3):
        smooth = windows.narrow(axis, 0, size) * weights[0]
        for first, weight in enumerate(weights[1:], start=1):
            smooth.add_(windows.narrow(axis, first, size), alpha=weight)
        windows = smooth
    return windows


def _inside(keypoints: Tensor, heatmaps: Tensor, last: int) -> Tensor:
    """True if peaks (N, K) are beyond the first two and before the `last` rows and columns."""
    x, y = keypoints[..., 0], keypoints[..., 1]
    height, width = heatmaps.shape[2:]
    return (x > 1) & (x < width - last) & (y > 1) & (y < height - last)


def _slopes(near: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Central differences dx, dy and dxy of windows (..., 3, 3)."""
    dx, dy = (near[..., 1, 2] - near[..., 1, 0]) / 2, (near[..., 2, 1] - near[..., 0, 1]) / 2
    dxy = (near[..., 2, 2] - near[..., 2, 0] - near[..., 0, 2] + near[..., 0, 0]) / 4
    return dx, dy, dxy


def _curvatures(near: Tensor) -> tuple[Tensor, Tensor]:
    """Second differences dxx and dyy of windows (..., 3, 3)."""
    middle = 2 * near[..., 1, 1]
    return near[..., 1, 2] - middle + near[..., 1, 0], near[..., 2, 1] - middle + near[..., 0, 1]


def _newton_step(dx: Tensor, dy: Tensor, dxx: Tensor, dxy: Tensor, dyy: Tensor) -> Tensor:
    """The step (..., 2) to where the slope of a quadratic surface is 0."""
    det = dxx * dyy - dxy**2
    return torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=-1) / det[..., None]
