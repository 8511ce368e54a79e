"""Training: recipes, data sets, augmentation and the trainer."""

from aptv2.training.recipes import Recipe, read_recipe
from aptv2.training.trainer import train

__all__ = ["Recipe", "read_recipe", "train"]
