"""The networks that can be chosen on the page: those whose weights are on this machine."""

from __future__ import annotations

from aptv2.models import registry
from aptv2.models.load import available


def pose_networks() -> list[str]:
    """Names that :func:`aptv2.load_pose_model` takes without more."""
    return [name for name in registry.names("pose") if available(name)]


def trackers() -> list[str]:
    """Names that :func:`aptv2.load_tracker` takes without more."""
    return [name for name in registry.names("tracking") if available(name)]
