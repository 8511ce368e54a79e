"""A short clip of real pixels for the demonstration: a photograph under a moving camera.

The photograph is scikit-image's `chelsea.png` (a cat, by Stéfan van der Walt, CC0), a file of that
package, so nothing is downloaded. It is a still: the clip shows detection, tracking and pose at
work, and is no measure of any of them.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from aptv2.errors import InputError
from aptv2.images import read_image
from aptv2.video.writer import VideoWriter

WIDTH, HEIGHT, FPS, FRAMES = 640, 360, 25, 100
_MARGIN = 220  # pixels around the photograph, for the camera to see when it stands back
_FEATHER = 30  # pixels over which the photograph goes out of focus at its border


def make_demo_clip(path: Path) -> Path:
    """Write a clip of a cat: 4 s at 25 frames per second, 640x360.

    The camera swings from side to side, comes nearer half-way and tilts a little; the cat's head
    is in view from the first frame to the last, and the last frame leads back to the first.

    Parameters
    ----------
    path
        The video file to write.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    InputError
        Where scikit-image is not installed or the file cannot be written.
    """
    photograph = _photograph()
    with VideoWriter(path, WIDTH, HEIGHT, FPS) as writer:
        for frame in _camera(_surround(photograph)):
            writer.write(frame)
    return path


def _photograph() -> np.ndarray:
    # By path: `skimage.data.chelsea()` of some versions would try to download it.
    package = importlib.util.find_spec("skimage")
    for folder in (package.submodule_search_locations or []) if package else []:
        file = Path(folder, "data", "chelsea.png")
        if file.is_file():
            return read_image(file)
    raise InputError(
        "the demo clip is made of a photograph that scikit-image ships: "
        "pip install 'aptv2[demo]', or use a video of your own."
    )


def _surround(photograph: np.ndarray) -> np.ndarray:
    """The photograph in the middle of its own reflection, which is far out of focus."""
    sides = [(_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)]
    scene = np.pad(photograph, sides, mode="reflect").astype(np.float32)
    blurred = cv2.GaussianBlur(scene, (0, 0), 28)
    focus = np.outer(_ramp(photograph.shape[0]), _ramp(photograph.shape[1]))
    focus = np.pad(focus, _MARGIN)[..., None]
    return np.round(blurred + (scene - blurred) * focus).astype(np.uint8)


def _ramp(length: int) -> np.ndarray:
    """From 0 at both ends smoothly to 1 in the middle."""
    from_end = np.minimum(np.arange(length), np.arange(length)[::-1])
    part = np.clip(from_end / _FEATHER, 0, 1)
    return part * part * (3 - 2 * part)


def _camera(scene: np.ndarray) -> Iterator[np.ndarray]:
    """Frames along the camera's path; the numbers keep the cat's head inside each."""
    for index in range(FRAMES):
        turn = 2 * math.pi * index / FRAMES
        x = _MARGIN + 205 + 100 * math.cos(turn)
        y = _MARGIN + 147 + 10 * math.sin(2 * turn)
        zoom = WIDTH / (620 - 110 * math.sin(turn) ** 2)
        move = cv2.getRotationMatrix2D((x, y), 4 * math.sin(turn), zoom)
        move[:, 2] += np.array([(WIDTH - 1) / 2 - x, (HEIGHT - 1) / 2 - y])
        yield cv2.warpAffine(scene, move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC)
