"""Heads of networks."""
