"""The lite network: one small body with heads for pose, detection and tracking."""
