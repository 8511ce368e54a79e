"""Finds, follows and poses animals in video. This module is the public surface, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aptv2.lazy import lazy_names

if TYPE_CHECKING:
    from aptv2.datasets import read_annotations
    from aptv2.errors import BrokenVideoError, InputError
    from aptv2.evaluation.files import score_keypoints, score_tracking
    from aptv2.inference import track_video
    from aptv2.models import load_detector, load_pose_model, load_tracker
    from aptv2.skeleton import ANIMAL17, Skeleton
    from aptv2.tables import Frames, PoseTable
    from aptv2.threads import limit_threads

# Loaded when first used, so that `import aptv2` and `aptv2 --help` do not wait for torch.
_HOMES = {
    "ANIMAL17": "skeleton",
    "BrokenVideoError": "errors",
    "Frames": "tables",
    "InputError": "errors",
    "PoseTable": "tables",
    "Skeleton": "skeleton",
    "limit_threads": "threads",
    "load_detector": "models",
    "load_pose_model": "models",
    "load_tracker": "models",
    "read_annotations": "datasets",
    "score_keypoints": "evaluation.files",
    "score_tracking": "evaluation.files",
    "track_video": "inference",
}

__all__ = [
    "ANIMAL17",
    "BrokenVideoError",
    "Frames",
    "InputError",
    "PoseTable",
    "Skeleton",
    "limit_threads",
    "load_detector",
    "load_pose_model",
    "load_tracker",
    "read_annotations",
    "score_keypoints",
    "score_tracking",
    "track_video",
]

__getattr__, __dir__ = lazy_names(
    __name__, {name: f"aptv2.{home}" for name, home in _HOMES.items()}
)
