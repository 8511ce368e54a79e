"""The animals of one frame, as boxes for the user to check before they are followed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from aptv2.errors import InputError
from aptv2.inference.progress import Report
from aptv2.models import load_detector
from aptv2.models.protocols import Detector
from aptv2.video.sources import VideoSource

MIN_SCORE = 0.35
"""As in :class:`aptv2.tracking.association.Associator`, where a surer detection begins a track."""


class Box(BaseModel):
    """An animal in a frame: pixels, and the frame's number from 0."""

    model_config = ConfigDict(extra="forbid")

    frame: int = Field(ge=0)
    x: float = Field(allow_inf_nan=False)
    y: float = Field(allow_inf_nan=False)
    width: float = Field(gt=0, allow_inf_nan=False)
    height: float = Field(gt=0, allow_inf_nan=False)


def find_boxes(
    video: VideoSource, frame: int, report: Report = lambda done, total: None
) -> list[Box]:
    """The animals that the detector finds in a frame, the surest first.

    Raises
    ------
    InputError
        Where the video has no such frame, or breaks off before it.
    """
    image = None
    for place, found in enumerate(video):
        report(place, frame)
        if place == frame:
            image = found.image
            break
    if image is None:
        raise InputError(f"{video.path} has no frame {frame}; choose an earlier one.")
    ((boxes, scores),) = _detector().detect_batch([image])
    rows = boxes[scores >= MIN_SCORE].tolist()
    return [Box(frame=frame, x=x, y=y, width=w, height=h) for x, y, w, h in rows]


def write_boxes(boxes: Sequence[Box], path: Path) -> Path | None:
    """Write a boxes file that :func:`aptv2.track_video` takes; None for no boxes."""
    if not boxes:
        return None
    lines = [f"{box.frame},{box.x},{box.y},{box.width},{box.height}" for box in boxes]
    path.write_text("\n".join(["frame,x,y,width,height", *lines]) + "\n", encoding="utf-8")
    return path


@lru_cache(maxsize=1)
def _detector() -> Detector:
    return load_detector()
