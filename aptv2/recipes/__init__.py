"""Training recipes, found by name."""
