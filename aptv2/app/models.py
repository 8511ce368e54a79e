"""The networks that can be chosen on the page: those whose weights are on this machine."""

from __future__ import annotations

from collections.abc import Iterable

from aptv2.models.load import POSE_NETWORKS, TRACKERS
from aptv2.weights import find_weights


def pose_networks() -> list[str]:
    """Names that :func:`aptv2.load_pose_model` takes without more."""
    return _here(POSE_NETWORKS)


def trackers() -> list[str]:
    """Names that :func:`aptv2.load_tracker` takes without more."""
    return _here(TRACKERS)


def _here(names: Iterable[str]) -> list[str]:
    """Those of some networks that are embedded, or whose weights were fetched."""
    return [name for name in names if name == "lite" or find_weights(name) is not None]
