"""The schedule of training on few animals, whose length is counted in steps, not in epochs."""

from __future__ import annotations

import math

from aptv2.training.recipes import Recipe

# 32 animals a step is one GPU's share in the official configurations. Their 500 steps of warm-up
# are then a tenth of the training, whatever the number of animals; in epochs, 150 animals would
# give 210 steps of 128 and never leave it.
BATCH, STEPS, WARMUP = 32, 5_000, 500
_VALIDATIONS = 20


def for_few_animals(recipe: Recipe, animals: int) -> Recipe:
    """The recipe of a pose network with a batch, warm-up and length that suit few animals.

    Parameters
    ----------
    recipe
        The network's recipe for all of the data.
    animals
        Number of animals that it trains on.

    Returns
    -------
    Recipe
        Batches of `BATCH` animals, or of all where there are fewer, for `STEPS` steps, rounded up
        to whole epochs. The rate falls at the same shares of the length as in `recipe`.
    """
    batch = max(1, min(BATCH, animals))
    epochs = math.ceil(STEPS / max(1, animals // batch))
    stages = [stage.model_dump(mode="json") for stage in recipe.stages]
    for stage in stages:
        falls = {max(1, round(step * epochs / stage["epochs"])) for step in stage["steps"]}
        stage |= {
            "epochs": epochs,
            "steps": sorted(falls),
            "warmup": WARMUP,
            "validate_every": math.ceil(epochs / _VALIDATIONS),
        }
        stage["tasks"]["pose"] |= {"batch": batch}
    return Recipe.model_validate(recipe.model_dump(mode="json") | {"stages": stages})
