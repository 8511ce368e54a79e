"""A Rerun recording: the video, boxes, keypoints and scores on one timeline."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from aptv2.app.edits import frame_numbers
from aptv2.drawing.overlay import track_colour
from aptv2.errors import BrokenVideoError, InputError
from aptv2.files import atomic_write
from aptv2.tables import PoseTable
from aptv2.video.sources import VideoFrame, VideoSource

_QUALITY = 85


def write_recording(table: PoseTable, path: str | Path, video: VideoSource | None = None) -> None:
    """Write a table as a Rerun recording.

    `video` holds the frames as JPEG, `video/animal_N/box` and `video/animal_N/keypoints`
    each animal, and `score/animal_N` its confidence. The timelines are
    `frame` and, where times are known, `time`.

    Parameters
    ----------
    table
        The animals of one video.
    path
        The file, which ends in .rrd.
    video
        The frames; None leaves them out.

    Raises
    ------
    InputError
        Where rerun-sdk is missing, or the file cannot be written.
    """
    try:
        import rerun
    except ImportError:
        raise InputError(
            "A Rerun recording needs the extra 'rerun': pip install 'aptv2[rerun]'."
        ) from None
    images = _images(video)
    with atomic_write(path) as temporary, closing(images):
        recording = rerun.RecordingStream("aptv2")
        recording.save(str(temporary))
        _log_names(rerun, recording, table)
        image = next(images, None)
        before: set[int] = set()
        for row, number in enumerate(frame_numbers(table).tolist()):
            while image is not None and image.index < number:
                image = next(images, None)
            recording.set_time("frame", sequence=number)
            if not np.isnan(table.frames.times[row]):
                recording.set_time("time", duration=float(table.frames.times[row]))
            if image is not None and image.index == number:
                content = simplejpeg.encode_jpeg(np.ascontiguousarray(image.image), _QUALITY, "RGB")
                recording.log(
                    "video", rerun.EncodedImage(contents=content, media_type="image/jpeg")
                )
            before = _log_animals(rerun, recording, table, table.rows_of(row), before)
        recording.flush()
        recording.disconnect()


def _images(video: VideoSource | None) -> Generator[VideoFrame, None, None]:
    """The frames, as far as the video is there and can be read."""
    try:
        yield from video or ()
    except BrokenVideoError:
        return


def _log_names(rerun: Any, recording: Any, table: PoseTable) -> None:
    """The keypoints' names, their colours and limbs, for all time."""
    skeleton = table.skeleton
    description = rerun.ClassDescription(
        info=rerun.AnnotationInfo(id=0, label="animal"),
        keypoint_annotations=[
            rerun.AnnotationInfo(id=keypoint, label=name, color=_rgb(colour))
            for keypoint, (name, colour) in enumerate(
                zip(skeleton.names, skeleton.colours, strict=True)
            )
        ],
        keypoint_connections=list(skeleton.limbs),
    )
    recording.log("video", rerun.AnnotationContext([description]), static=True)


def _log_animals(
    rerun: Any, recording: Any, table: PoseTable, rows: np.ndarray, before: set[int]
) -> set[int]:
    """Log the animals of a frame and clear those that left; returns their tracks."""
    present = set()
    for row in rows:
        track = int(table.tracks[row])
        present.add(track)
        place, colour = f"video/animal_{track}", track_colour(track)
        if not np.isnan(table.boxes[row]).any():
            box = rerun.Boxes2D(
                array=table.boxes[row],
                array_format=rerun.Box2DFormat.XYWH,
                colors=[colour],
                labels=[table.names.get(track, str(track))],
            )
            recording.log(f"{place}/box", box)
        shown = np.flatnonzero(table.keypoints[row, :, 2] > 0)
        points = rerun.Points2D(
            table.keypoints[row, shown, :2], class_ids=0, keypoint_ids=shown, show_labels=False
        )
        recording.log(f"{place}/keypoints", points)
        if not np.isnan(table.scores[row]):
            recording.log(f"score/animal_{track}", rerun.Scalars(float(table.scores[row])))
    for track in before - present:
        recording.log(f"video/animal_{track}", rerun.Clear(recursive=True))
    return present


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
