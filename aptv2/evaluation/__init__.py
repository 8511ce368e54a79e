"""Scores: two tables -> numbers. Keypoint AP, tracking of boxes and of keypoints.

What these functions give is in :mod:`aptv2.evaluation.results`. They take tables;
:mod:`aptv2.evaluation.files` reads what `aptv2.score_keypoints` and `aptv2 score` are given.
"""

from aptv2.evaluation.keypoints import score_keypoints
from aptv2.evaluation.pose_tracking import score_pose_tracking
from aptv2.evaluation.single_object import score_followed, score_single_object
from aptv2.evaluation.tracking import score_tracking

__all__ = [
    "score_followed",
    "score_keypoints",
    "score_pose_tracking",
    "score_single_object",
    "score_tracking",
]
