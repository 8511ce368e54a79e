"""A folder of numbered images as a video."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aptv2.errors import BrokenVideoError, InputError
from aptv2.images import image_size, read_image
from aptv2.video.sources import VideoFrame, VideoSource, images_in


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
