"""The former place of :func:`open_video`, for scripts that import it from here."""

from aptv2.video.reader import open_video

__all__ = ["open_video"]
