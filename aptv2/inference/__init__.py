"""Video in and out, detection, tracking, pose: from a video to its animals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aptv2.lazy import lazy_names

if TYPE_CHECKING:
    from aptv2.inference.batch import Outcome, track_videos
    from aptv2.inference.pipeline import Interrupted, track_video

__all__ = ["Interrupted", "Outcome", "track_video", "track_videos"]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Interrupted": "aptv2.inference.pipeline",
        "Outcome": "aptv2.inference.batch",
        "track_video": "aptv2.inference.pipeline",
        "track_videos": "aptv2.inference.batch",
    },
)
