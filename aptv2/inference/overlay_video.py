"""The overlay video of a run: drawn and encoded on a thread of its own, in segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from aptv2.drawing.overlay import Trails, draw_overlay
from aptv2.skeleton import Skeleton
from aptv2.tracking.interfaces import Animals
from aptv2.video.prefetch import WriteBehind
from aptv2.video.segments import SegmentedVideo
from aptv2.video.sources import VideoSource

TRAIL_SECONDS = 1.5
_QUEUE_BYTES = 64 * 2**20


class OverlayVideo:
    """Draws the animals of one frame after the other.

    Parameters
    ----------
    video
        The video that is drawn on.
    skeleton
        The keypoints.
    folder
        Where the segments are kept until they are joined.
    """

    def __init__(self, video: VideoSource, skeleton: Skeleton, folder: Path) -> None:
        self.skeleton = skeleton
        self.segments = SegmentedVideo(folder, video.width, video.height, video.fps)
        self.trails = Trails(TRAIL_SECONDS, video.fps)
        self._size = queue_length(video)
        self.next_frame = 0
        self._queue: WriteBehind[tuple[int, np.ndarray, Animals]] | None = None

    def draw(self, index: int, image: np.ndarray, animals: Animals) -> None:
        """Hand over the next frame: number, image uint8 (H, W, 3) RGB, and its animals.

        In the place of damaged frames before it, it is shown longer, so that the overlay's frames
        have the numbers of the video's.

        Raises
        ------
        InputError
            Where the disk is full or gone.
        """
        if self._queue is None:
            self._queue = WriteBehind(self._draw, self._size)
        self._queue.put((index, image, animals))

    def end_segment(self) -> None:
        """Wait for what was handed over and make it last.

        Raises
        ------
        InputError
            Where the disk is full or gone.
        """
        if self._queue is not None:
            queue, self._queue = self._queue, None
            queue.close()
        self.segments.end_segment()

    def discard_segment(self) -> None:
        """Leave nothing of the frames since the last segment's end."""
        if self._queue is not None:
            queue, self._queue = self._queue, None
            queue.cancel()
        self.segments.discard_segment()

    def _draw(self, item: tuple[int, np.ndarray, Animals]) -> None:
        index, image, animals = item
        self.trails.update(animals.tracks, animals.boxes)
        drawn = draw_overlay(image, *_drawn(animals), trails=self.trails, skeleton=self.skeleton)
        while self.next_frame <= index:
            self.segments.write(drawn)
            self.next_frame += 1


def queue_length(video: VideoSource) -> int:
    """How many frames may wait between two threads: eight, fewer of large ones."""
    return int(np.clip(_QUEUE_BYTES / (3 * video.width * video.height), 2, 8))


def _drawn(animals: Animals) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return animals.boxes, animals.keypoints, animals.tracks, animals.scores
