"""A video written in segments, so that what is done survives an interruption."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.video.container import open_container
from aptv2.video.writer import VideoWriter, overlay_rate


class SegmentedVideo:
    """Frames go to numbered MP4 files in a folder; :meth:`join` makes one video of them.

    Parameters
    ----------
    folder
        Where the segments are.
    width, height
        Size of the frames in pixels.
    fps
        Frames per second.
    count
        Existing segments, from an earlier run.
    """

    def __init__(self, folder: Path, width: int, height: int, fps: float, count: int = 0) -> None:
        self.folder, self.count = folder, count
        self._format = width, height, fps
        self._writer: VideoWriter | None = None

    def write(self, frame: np.ndarray) -> None:
        """Append a frame: uint8 (height, width, 3), RGB.

        Raises
        ------
        InputError
            Where the disk is full or gone.
        """
        if self._writer is None:
            self._writer = VideoWriter(self._segment(self.count), *self._format)
        self._writer.write(frame)

    def end_segment(self) -> None:
        """Finish the segment; the next frame begins another.

        Raises
        ------
        InputError
            Where the disk is full or gone.
        """
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self.count += 1

    def discard_segment(self) -> None:
        """Leave nothing of the segment that is being written."""
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def join(self, path: Path) -> None:
        """Put the finished segments behind each other into one file, without encoding again.

        Raises
        ------
        InputError
            Where the file cannot be written.
        """
        if self.count == 0:
            return
        with atomic_write(path) as temporary:
            try:
                self._copy_packets(temporary)
            except (av.FFmpegError, OSError) as error:
                reason = getattr(error, "strerror", None) or error
                raise InputError(f"{path}: cannot be written: {reason}.") from error

    def _copy_packets(self, path: Path) -> None:
        rate = overlay_rate(self._format[2])
        # Frames by which decoding runs ahead of showing; short segments have less of it.
        ahead = max(self._frames_ahead(number, rate) for number in range(self.count))
        with av.open(f"file:{path}", "w", container_options={"movflags": "faststart"}) as whole:
            target = None
            frames = 0
            for number in range(self.count):
                with open_container(self._segment(number)) as segment:
                    source = segment.streams.video[0]
                    target = target or whole.add_stream_from_template(source)
                    start = frames / rate
                    for packet in segment.demux(source):
                        if packet.pts is None:
                            continue  # the demuxer's way to say that there are no more
                        packet.pts += round(start / packet.time_base)
                        packet.dts = round((frames - ahead) / rate / packet.time_base)
                        packet.stream = target
                        whole.mux(packet)
                        frames += 1

    def _frames_ahead(self, number: int, rate: Fraction) -> int:
        with open_container(self._segment(number)) as segment:
            first = next(segment.demux(video=0))
            if first.pts is None or first.dts is None:
                return 0
            return round((first.pts - first.dts) * first.time_base * rate)

    def _segment(self, number: int) -> Path:
        return self.folder / f"overlay{number:04d}.mp4"
