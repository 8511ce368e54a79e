"""Pose networks."""
