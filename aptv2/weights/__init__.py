"""Weights: safe reading and writing, checkpoints of other projects, published weights."""

from aptv2.weights.cache import find_weights, how_to_get
from aptv2.weights.checkpoints import load_initial_weights, load_pose_weights
from aptv2.weights.files import read_weights, write_weights
from aptv2.weights.trackers import load_initial_tracker_weights, load_tracker_weights

__all__ = [
    "find_weights",
    "how_to_get",
    "load_initial_tracker_weights",
    "load_initial_weights",
    "load_pose_weights",
    "load_tracker_weights",
    "read_weights",
    "write_weights",
]
