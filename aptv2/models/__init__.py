"""Networks: names to networks that are ready for use."""

from aptv2.models.load import load_detector, load_pose_model, load_tracker

__all__ = ["load_detector", "load_pose_model", "load_tracker"]
