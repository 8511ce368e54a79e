"""Reading image files: upright RGB pixels, and no file that could fill the memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from aptv2.errors import InputError

# The only list of image endings, in lower case.
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
MAX_SIDE = 16384
MAX_PIXELS = 64 * 2**20

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
_ORIENTATION_TAG = 0x0112
_MAX_BYTES = 2**29  # no JPEG of allowed size is longer


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse frames that would fill the memory, before they are decoded.

    Raises
    ------
    InputError
        Where a side is above `MAX_SIDE` or the area above `MAX_PIXELS`.
    """
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: frames of {width} x {height} pixels are too large; scale them down to at "
            f"most {MAX_SIDE} pixels a side and {MAX_PIXELS // 2**20} megapixels"
        )


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels of the upright image, from its header.

    Raises
    ------
    InputError
        Where the file is not a JPEG, PNG, BMP, TIFF or WebP image, or too large.
    """
    with _opened(path) as (image, orientation):
        width, height = image.size
    return (height, width) if orientation in (5, 6, 7, 8) else (width, height)


def read_image(path: Path) -> np.ndarray:
    """Upright RGB pixels, uint8 (H, W, 3). 16-bit images keep their upper byte; alpha is dropped.

    Raises
    ------
    InputError
        Where the file is not such an image, too large, or cannot be decoded to its end.
    """
    return read_shrunk(path, 1)[0]


def read_shrunk(path: Path, most: float) -> tuple[np.ndarray, int]:
    """The same, smaller where that makes decoding faster.

    A JPEG is stored as 8 x 8 blocks of frequencies; without the high ones, it decodes to half,
    a quarter or an eighth of its size. Pixel i is about the mean of shrink * i … shrink * i +
    shrink - 1.

    Parameters
    ----------
    path
        The file.
    most
        How many times smaller the image may be.

    Returns
    -------
    tuple
        uint8 (H, W, 3), and how many times it was shrunk: 1, 2, 4 or 8, at most `most`. Sides are
        rounded up. An image that is no upright JPEG comes in full.

    Raises
    ------
    InputError
        As :func:`read_image`.
    """
    with _opened(path) as (image, orientation):
        try:
            if image.format == "JPEG" and image.mode in ("RGB", "L") and orientation == 1:
                shrink = next(factor for factor in (8, 4, 2, 1) if factor <= max(most, 1))
                return _read_jpeg(path, *image.size, shrink), shrink
            upright = image if orientation == 1 else ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                grey = np.clip(np.asarray(upright).astype(np.int32) >> 8, 0, 255).astype(np.uint8)
                return np.repeat(grey[:, :, None], 3, axis=2), 1
            # A copy: arrays that share an image's memory are read-only.
            return np.array(upright.convert("RGB")), 1
        except Exception as error:  # Decoders raise whatever a malformed file leads them to.
            raise InputError(f"{path}: this image is damaged or cut off ({error})") from error


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, int]]:
    """An image of allowed size, not decoded yet, and its EXIF orientation (1: upright, to 8)."""
    try:
        image = Image.open(path, formats=_FORMATS)
    except Exception as error:  # As above.
        raise InputError(
            f"{path}: is not an image that can be read; remove it or save it again"
        ) from error
    with image:
        check_size(path, *image.size)
        yield image, _orientation(image)


def _orientation(image: Image.Image) -> int:
    # Pillow turns TIFF itself, and would decode a whole PNG to look for the tag behind its pixels.
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # A damaged tag is no reason to refuse a good picture.
        return 1


def _read_jpeg(path: Path, width: int, height: int, shrink: int) -> np.ndarray:
    # Three times as fast as Pillow, and as strict about files that are cut off.
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError(f"it is longer than {_MAX_BYTES // 2**20} MiB")
    return simplejpeg.decode_jpeg(
        path.read_bytes(),
        "RGB",
        min_width=-(-width // shrink),
        min_height=-(-height // shrink),
    )
