"""Backbones of networks."""
