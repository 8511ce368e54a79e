"""A folder of numbered images as a video."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from aptv2.errors import BrokenVideoError, InputError
from aptv2.inference.sources import VideoFrame, VideoSource, check_size, images_in

_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP")
_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True)
class ImageFolder(VideoSource):
    """Images of a folder in natural order, as frames of a constant rate.

    Parameters
    ----------
    files
        The images.
    """

    files: tuple[Path, ...]

    @classmethod
    def open(cls, folder: Path, fps: float, start: int) -> ImageFolder:
        """Check every image's header, so that a misfit is told now and not an hour later.

        Raises
        ------
        InputError
            Where the folder holds no image, one that cannot be read, or two sizes.
        """
        files = tuple(images_in(folder))
        if not files:
            raise InputError(f"{folder}: holds no images (jpg, png, bmp, tif or webp)")
        width, height = image_size(files[0])
        for file in files[1:]:
            size = image_size(file)
            if size != (width, height):
                raise InputError(
                    f"{file}: is {size[0]} x {size[1]} pixels but {files[0].name} is {width} x "
                    f"{height}; the images of a folder must have one size"
                )
        return cls(folder, width, height, fps, len(files), start, files)

    def __iter__(self) -> Iterator[VideoFrame]:
        for index in range(self.start, len(self.files)):
            try:
                image = read_image(self.files[index])
            except InputError as error:
                raise BrokenVideoError(f"{self.path} breaks at frame {index}: {error}") from error
            yield VideoFrame(index, index / self.fps, image)


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
    with _opened(path) as (image, orientation):
        try:
            if image.format == "JPEG" and image.mode in ("RGB", "L") and orientation == 1:
                return _read_jpeg(path)
            upright = image if orientation == 1 else ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):
                grey = np.clip(np.asarray(upright).astype(np.int32) >> 8, 0, 255).astype(np.uint8)
                return np.repeat(grey[:, :, None], 3, axis=2)
            # A copy: arrays that share an image's memory are read-only.
            return np.array(upright.convert("RGB"))
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


def _read_jpeg(path: Path) -> np.ndarray:
    # Three times as fast as Pillow, and as strict about files that are cut off.
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return simplejpeg.decode_jpeg(data, "RGB")
