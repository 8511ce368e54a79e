"""Scores: two tables -> numbers. Keypoint AP and tracking."""

from aptv2.evaluation.keypoints import score_keypoints
from aptv2.evaluation.tracking import score_single_object, score_tracking

__all__ = ["score_keypoints", "score_single_object", "score_tracking"]
