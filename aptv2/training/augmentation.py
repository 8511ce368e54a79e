"""Random changes to training crops: numbers for a crop transform, and one colour matrix."""

from __future__ import annotations

import cv2
import numpy as np

from aptv2.crops import PADDING
from aptv2.skeleton import Skeleton
from aptv2.training.recipes import Augmentation

MIN_BODY, MIN_HALF = 8, 3  # labelled keypoints: more than these of an animal, at least of a half
HALF_EXTENT = 1.5  # of the crop around a half, in extents of its keypoints


def scale_limits(settings: Augmentation) -> tuple[float, float]:
    """Smallest and largest factor by which a crop's extent varies.

    "log-uniform" is as likely to halve as to double; "normal" is 1 + (scale - 1) N(0, 1), cut at
    both limits, as MMPose varies scales.
    """
    if settings.scale_law == "normal":
        return max(2 - settings.scale, 0.1), settings.scale
    return 1 / settings.scale, settings.scale


def random_geometry(
    rng: np.random.Generator, settings: Augmentation, centre: np.ndarray, extent: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float, bool]:
    """Centre (2,), extent (2,), rotation in degrees and flip of a varied crop."""
    if settings.scale_law == "normal":
        factor = np.clip(1 + (settings.scale - 1) * rng.normal(), *scale_limits(settings))
    else:
        factor = settings.scale ** rng.uniform(-1, 1)
    shift = rng.uniform(-settings.shift, settings.shift, 2) * extent
    if settings.shift_chance < 1 and rng.random() >= settings.shift_chance:
        shift = np.zeros(2)
    rotation = 0.0
    if rng.random() < settings.rotation_chance:
        limit = settings.rotation
        rotation = float(np.clip(rng.normal(0, limit / 2), -limit, limit))
    return centre + shift, extent * factor, rotation, rng.random() < settings.flip


def half_bodies(keypoints: np.ndarray, skeleton: Skeleton) -> list[np.ndarray]:
    """Boxes (4,) around the labelled keypoints of the front and back half of an animal (K, 3).

    As MMPose: of animals with more than 8 labelled keypoints, halves with at least 3; the box is
    centred on the mean of its keypoints, and the padding of crops makes it 1.5 times their extent.
    """
    seen = keypoints[:, 2] > 0
    if seen.sum() <= MIN_BODY:
        return []
    upper = np.zeros(len(keypoints), bool)
    upper[list(skeleton.upper)] = True
    boxes = []
    for half in (seen & upper, seen & ~upper):
        if half.sum() >= MIN_HALF:
            points = keypoints[half, :2]
            sides = np.maximum(np.ptp(points, axis=0), 1) * HALF_EXTENT / PADDING
            boxes.append(np.concatenate([points.mean(axis=0) - sides / 2, sides]))
    return boxes


def half_body(
    rng: np.random.Generator,
    keypoints: np.ndarray,
    skeleton: Skeleton,
    upper: float | None = None,
) -> np.ndarray | None:
    """One of an animal's halves at random, None where neither holds enough keypoints.

    Wang et al. (2018) introduced it for people.

    Parameters
    ----------
    rng
        Draws the half.
    keypoints, skeleton
        As for :func:`half_bodies`.
    upper
        Chance of the upper half where both hold enough keypoints; None for even chances. MMPose
        takes it if a standard normal number is below 0.5, which is a chance of 0.69.
    """
    boxes = half_bodies(keypoints, skeleton)
    if not boxes:
        return None
    if upper is None or len(boxes) == 1:
        return boxes[rng.integers(len(boxes))]
    return boxes[0 if rng.random() < upper else 1]


def random_colour(rng: np.random.Generator, image: np.ndarray, strength: float) -> np.ndarray:
    """Brightness, contrast, saturation and hue changed at once; uint8 (H, W, 3) in and out.

    All four are linear in RGB, so they are one 3x4 matrix and one pass over the pixels. Hue turns
    the colours around the grey axis.
    """
    if strength == 0:
        return image
    contrast, saturation = 1 + strength * rng.uniform(-1, 1, 2)
    if rng.random() < 0.1:
        saturation = 0.0
    offset = 255 * strength * 0.5 * rng.uniform(-1, 1, 3) * np.array([0.2, 0.2, 0.2])
    offset += 255 * strength * 0.5 * rng.uniform(-1, 1)
    turn = strength * 0.5 * rng.uniform(-1, 1)
    grey = np.full((3, 3), 1 / 3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    hue = np.cos(turn) * np.eye(3) + np.sin(turn) * cross + (1 - np.cos(turn)) * grey
    colour = contrast * (grey + saturation * (hue - grey))
    middle = 127.5 * (1 - contrast)
    matrix = np.concatenate([colour, (middle + offset)[:, None]], axis=1)
    return cv2.transform(image, matrix)


def random_blur(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Out of focus, or small and enlarged, as distant animals in video are."""
    if rng.random() < 0.5:
        return cv2.GaussianBlur(image, (0, 0), rng.uniform(0.6, 2.0))
    height, width = image.shape[:2]
    factor = rng.uniform(0.25, 0.6)
    small = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def random_erase(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Up to three rectangles of one colour, as things in front of the animal hide it.

    Zhong et al., "Random erasing data augmentation" (AAAI 2020). Changes `image` in place.
    """
    height, width = image.shape[:2]
    for _ in range(rng.integers(1, 4)):
        w, h = (rng.uniform(0.08, 0.35, 2) * (width, height)).astype(int)
        x, y = rng.integers(0, width - w), rng.integers(0, height - h)
        image[y : y + h, x : x + w] = rng.integers(0, 256, 3)
    return image
