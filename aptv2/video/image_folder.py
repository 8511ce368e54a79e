"""Numbered images as a video: a folder of them, or the pages of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aptv2.errors import BrokenVideoError, InputError
from aptv2.images import measure_levels, page_sizes, read_pages
from aptv2.levels import Levels
from aptv2.video.sources import VideoFrame, VideoSource, images_in


@dataclass(frozen=True)
class ImageFolder(VideoSource):
    """Images in natural order, and their pages, as frames of a constant rate.

    Parameters
    ----------
    files
        The images.
    pages
        How many pages, which are frames, each has: mostly one.
    levels
        Common scale of images of more than 8 bits.
    """

    files: tuple[Path, ...]
    pages: tuple[int, ...]
    levels: Levels | None

    @classmethod
    def open(cls, path: Path, fps: float, start: int) -> ImageFolder:
        """Check every page's header, so that a misfit is reported now and not an hour later.

        Parameters
        ----------
        path
            A folder, or one image of several pages.
        fps
            Frames per second.
        start
            Index of the first frame to yield.

        Raises
        ------
        InputError
            Where there is no image, one that cannot be read, or two sizes.
        """
        files = tuple(images_in(path)) if path.is_dir() else (path,)
        if not files:
            raise InputError(f"{path}: holds no images (jpg, png, bmp, tif or webp).")
        pages: list[int] = []
        width, height = 0, 0
        for file in files:
            sizes = page_sizes(file)
            width, height = (width, height) if pages else sizes[0]
            pages.append(len(sizes))
            for page, size in enumerate(sizes):
                if size != (width, height):
                    which = f", page {page + 1}," if len(sizes) > 1 else ""
                    raise InputError(
                        f"{file}:{which} is {size[0]} x {size[1]} pixels but {files[0].name} is "
                        f"{width} x {height}; the images of a folder must have one size."
                    )
        levels = measure_levels(files)
        return cls(path, width, height, fps, sum(pages), start, files, tuple(pages), levels)

    @property
    def most_frames(self) -> int:
        return sum(self.pages)

    @property
    def names(self) -> list[str]:
        """Name of each frame's file; "" where files have several, which share their name."""
        if len(self.files) < sum(self.pages):
            return [""] * sum(self.pages)
        return [file.name for file in self.files]

    def __iter__(self) -> Iterator[VideoFrame]:
        index = 0
        for file, count in zip(self.files, self.pages, strict=True):
            first = max(self.start - index, 0)
            if first < count:
                try:
                    for page, image in enumerate(read_pages(file, self.levels, first), first):
                        yield VideoFrame(index + page, (index + page) / self.fps, image)
                        first = page + 1
                except InputError as error:
                    raise BrokenVideoError(
                        f"{self.path} breaks at frame {index + first}: {error}"
                    ) from error
            index += count
