"""Reading image files: upright RGB pixels, and no file that could fill the memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from aptv2.errors import InputError
from aptv2.levels import Levels

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})
"""How files end that can be read; in lower case, as upper case is read too."""
MAX_SIDE = 16384
MAX_PIXELS = 64 * 2**20

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
_PAGED = ("TIFF", "WEBP", "PNG")  # an MPO's second picture, in a JPEG, is a preview
_ORIENTATION_TAG = 0x0112
_SUBFILE_TAG, _BITS_TAG, _DESCRIPTION_TAG = 254, 258, 270
_LEVEL_SAMPLES = 32
"""Images of a folder that their common range of values is measured in."""
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
            f"most {MAX_SIDE} pixels a side and {MAX_PIXELS // 2**20} megapixels."
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


def page_sizes(path: Path) -> list[tuple[int, int]]:
    """Width and height in pixels of each upright page, from the headers.

    A TIFF has several pages, an animated WebP or PNG several frames; other images have one. Reduced
    copies, such as thumbnails, are no pages.

    Raises
    ------
    InputError
        As :func:`image_size`, and where pages are stored so that they cannot be found.
    """
    with _opened(path) as (image, orientation):
        sizes = []
        for _ in _pages(path, image):
            check_size(path, *image.size)
            sizes.append(image.size)
    turned = orientation in (5, 6, 7, 8)
    return [(height, width) if turned else (width, height) for width, height in sizes]


def read_image(path: Path, levels: Levels | None = None) -> np.ndarray:
    """Upright RGB pixels, uint8 (H, W, 3). Alpha is dropped.

    Parameters
    ----------
    path
        The file.
    levels
        Scale of images of more than 8 bits; None takes :func:`folder_levels` of its folder.

    Raises
    ------
    InputError
        Where the file is not such an image, too large, has several pages, or cannot be decoded to
        its end.
    """
    return read_shrunk(path, 1, levels)[0]


def read_pages(path: Path, levels: Levels | None = None, first: int = 0) -> Iterator[np.ndarray]:
    """The pages of an image from `first` on, each as :func:`read_image` gives it.

    Raises
    ------
    InputError
        As there, after the last good page.
    """
    with _opened(path) as (image, orientation):
        for number, page in enumerate(_pages(path, image)):
            if number >= first:
                check_size(path, *image.size)
                with _decoding(path):
                    pixels = _pixels(path, image, orientation, page, levels)
                yield pixels


def measure_levels(files: Sequence[Path]) -> Levels | None:
    """The scale of those images that have more than 8 bits; None where none has."""
    step = max(len(files) / _LEVEL_SAMPLES, 1)
    chosen = [files[int(at * step)] for at in range(int(len(files) / step))]
    samples = [values for file in chosen for values in _deep_samples(file)]
    return Levels.of(samples) if samples else None


@lru_cache(maxsize=64)
def folder_levels(folder: Path) -> Levels | None:
    """The common scale of a folder's images of more than 8 bits; None where it has none."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    return measure_levels(sorted(files))


def read_shrunk(path: Path, most: float, levels: Levels | None = None) -> tuple[np.ndarray, int]:
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
    levels
        As in :func:`read_image`.

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
    with _opened(path) as (image, orientation), _decoding(path):
        if image.format == "JPEG" and image.mode in ("RGB", "L") and orientation == 1:
            shrink = next(factor for factor in (8, 4, 2, 1) if factor <= max(most, 1))
            return _read_jpeg(path, *image.size, shrink), shrink
        pages = sum(1 for _ in _pages(path, image))
        if pages > 1:
            raise InputError(
                f"{path}: has {pages} pages, and it is not known which is meant; save each as an "
                "image of its own."
            )
        image.seek(0)
        return _pixels(path, image, orientation, 0, levels), 1


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Image.Image, int]]:
    """An image of allowed size, not decoded yet, and its EXIF orientation (1: upright, to 8)."""
    try:
        image = Image.open(path, formats=_FORMATS)
    except Exception as error:  # As above.
        raise InputError(
            f"{path}: is not an image that can be read; remove it or save it again."
        ) from error
    with image:
        check_size(path, *image.size)
        yield image, _orientation(image)


@contextmanager
def _decoding(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Decoders raise whatever a malformed file leads them to.
        raise InputError(f"{path}: this image is damaged or cut off ({error}).") from error


def _pages(path: Path, image: Image.Image) -> Iterator[int]:
    """Go through the full-size pages of an image; yields the number of each in the file."""
    count = getattr(image, "n_frames", 1) if image.format in _PAGED else 1
    if count == 1:
        _refuse_hidden_pages(path, image)
        yield 0
        return
    for page in range(count):
        image.seek(page)
        tags = getattr(image, "tag_v2", {})
        if not int(tags.get(_SUBFILE_TAG, 0)) & 1:
            yield page


def _refuse_hidden_pages(path: Path, image: Image.Image) -> None:
    """Large stacks are written as one page, with the number of the others in a description."""
    described = str(getattr(image, "tag_v2", {}).get(_DESCRIPTION_TAG, ""))
    stack = re.search(r"^images=(\d+)", described, re.MULTILINE)
    hidden = described.startswith("ImageJ=") and stack is not None and int(stack[1]) > 1
    with suppress(ValueError):
        content = json.loads(described)
        hidden |= isinstance(content, dict) and bool(content.get("truncated"))
    if hidden:
        raise InputError(
            f"{path}: holds more pages than its index lists; save it as an ordinary multi-page "
            "TIFF or as images."
        )


def _pixels(
    path: Path, image: Image.Image, orientation: int, page: int, levels: Levels | None
) -> np.ndarray:
    """Upright RGB bytes of the page that an image stands at."""
    deep = _deep_values(path, image, orientation, page)
    if deep is not None:
        levels = levels or folder_levels(path.parent) or Levels.of([deep])
        grey = levels.to_bytes(deep)
        return grey if grey.ndim == 3 else np.repeat(grey[:, :, None], 3, axis=2)
    upright = image if orientation == 1 else ImageOps.exif_transpose(image)
    # A copy: arrays that share an image's memory are read-only.
    return np.array(upright.convert("RGB"))


def _deep_samples(path: Path) -> Iterable[np.ndarray]:
    """Values of some pages of an image that has more than 8 bits."""
    with suppress(Exception), _opened(path) as (image, orientation):  # Reported when it is read.
        pages = list(_pages(path, image))
        for page in pages[:: max(len(pages) // _LEVEL_SAMPLES, 1)]:
            image.seek(page)
            values = _deep_values(path, image, orientation, page)
            if values is None:
                return
            yield values


def _deep_values(path: Path, image: Image.Image, orientation: int, page: int) -> np.ndarray | None:
    """Upright values of more than 8 bits, (H, W) or (H, W, 3) RGB; None where there are 8."""
    if image.mode[0] in "IF":
        return np.asarray(image if orientation == 1 else ImageOps.exif_transpose(image))
    if not _has_deep_colour(image) or orientation != 1:
        return None
    import cv2  # Not at the top: lists of files need no OpenCV.

    # Pillow reads the upper bytes of colours only.
    values: Any
    if image.format == "TIFF":
        values = cv2.imreadmulti(str(path), start=page, count=1, flags=cv2.IMREAD_UNCHANGED)[1][0]
    else:
        values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if values.dtype == np.uint8 or values.ndim != 3:
        return None
    return np.ascontiguousarray(values[:, :, 2::-1])


def _has_deep_colour(image: Image.Image) -> bool:
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits = tags.get(_BITS_TAG, 8)
        deepest = max(bits) if isinstance(bits, tuple) else bits
        return image.mode in ("RGB", "RGBA", "RGBX") and deepest > 8 and tags.get(274, 1) == 1
    tiles = getattr(image, "tile", [])
    return image.format == "PNG" and any(";16" in str(tile[3]) for tile in tiles)


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
