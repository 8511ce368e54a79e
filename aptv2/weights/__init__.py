"""Weights: safe reading and writing of network files."""

from aptv2.weights.files import read_weights, write_weights

__all__ = ["read_weights", "write_weights"]
