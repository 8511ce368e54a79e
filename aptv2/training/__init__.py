"""Training: recipes, data sets, augmentation and the trainer.

The trainer is imported where a run begins: Lightning takes long to load, and reading a recipe,
packing and testing do without it.
"""

from aptv2.training.recipes import Recipe, read_recipe

__all__ = ["Recipe", "read_recipe"]
