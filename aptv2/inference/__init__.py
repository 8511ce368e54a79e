"""Video in and out, detection, tracking, pose: from a video to its animals."""

from aptv2.inference.batch import Outcome, track_videos
from aptv2.inference.pipeline import Interrupted, track_video

__all__ = ["Interrupted", "Outcome", "track_video", "track_videos"]
