"""The video with the tracks drawn on it, as `aptv2 track` writes it, after corrections."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from aptv2.app.edits import frame_numbers
from aptv2.drawing.overlay import Trails, draw_overlay
from aptv2.errors import BrokenVideoError
from aptv2.inference.overlay_video import TRAIL_SECONDS, queue_length
from aptv2.inference.progress import Report
from aptv2.tables import PoseTable
from aptv2.video.prefetch import read_ahead
from aptv2.video.sources import VideoSource
from aptv2.video.writer import VideoWriter


def write_posed(table: PoseTable, video: VideoSource, path: Path, report: Report) -> None:
    """Write a video with its animals drawn on it, up to where it can be read.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    row_of = {number: row for row, number in enumerate(frame_numbers(table).tolist())}
    trails = Trails(TRAIL_SECONDS, video.fps)
    with (
        closing(read_ahead(video, queue_length(video))) as frames,
        VideoWriter(path, video.width, video.height, video.fps) as writer,
    ):
        try:
            for frame in frames:
                animals = table[table.rows_of(row_of.get(frame.index, -1))]
                trails.update(animals.tracks, animals.boxes)
                drawn = draw_overlay(
                    frame.image,
                    animals.boxes,
                    animals.keypoints,
                    animals.tracks,
                    animals.scores,
                    trails=trails,
                    skeleton=table.skeleton,
                    names=table.names,
                )
                writer.write(drawn)
                report(frame.index + 1, video.frame_count)
        except BrokenVideoError:
            pass  # The tracks end there too.
