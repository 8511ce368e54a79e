"""Networks: names to networks that are ready for use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aptv2.models.load import load_detector, load_pose_model, load_tracker

__all__ = ["load_detector", "load_pose_model", "load_tracker"]


def __getattr__(name: str) -> Any:
    # Names and titles of networks (aptv2.models.registry) are known without torch.
    if name not in __all__:
        raise AttributeError(f"module 'aptv2.models' has no attribute '{name}'")
    return getattr(import_module("aptv2.models.load"), name)
