"""Data of training: pose crops, detection scenes, tracking pairs, and packs of crops."""
