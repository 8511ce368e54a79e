"""The lite network: one small backbone with heads for pose, detection and tracking."""
