"""Weights: safe reading and writing, checkpoints of other projects, published weights."""

from aptv2.weights.cache import find_weights, how_to_get
from aptv2.weights.files import read_weights, write_weights

__all__ = ["find_weights", "how_to_get", "read_weights", "write_weights"]
