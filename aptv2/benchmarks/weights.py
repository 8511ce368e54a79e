"""Where a cell's weights come from: a folder, an earlier training here, the cache, or a training.

In a weights folder the file of a cell is `NAME.safetensors`, `.pth`, `.pt` or `.ckpt`, where NAME
is that of its training: the registry's, such as `aptv2-res50-coco` or
`aptv2-easy-without-canidae-hrnet_w32` (:func:`aptv2.benchmarks.cells`, `aptv2 weights list`).
"""

from __future__ import annotations

import logging
import zlib
from pathlib import Path

import numpy as np

from aptv2.benchmarks.cells import Training
from aptv2.benchmarks.store import Store
from aptv2.errors import InputError
from aptv2.training.data.pose import usable
from aptv2.training.data.sources import Sources
from aptv2.training.networks import EMBEDDED_NAME
from aptv2.training.recipes import Recipe, read_recipe
from aptv2.weights.cache import weights_path

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")
MINIATURE_RECIPE = Path(__file__).with_name("miniature.yaml")
_SPLIT_FILES = "annotations/ap10k-{}-split1.json"  # AP-10K's own


def in_folder(folder: Path, name: str) -> Path | None:
    """The file of some weights in a folder.

    Raises
    ------
    InputError
        Where several files could be meant.
    """
    found = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    if len(found) > 1:
        raise InputError(f"{folder}: holds {' and '.join(p.name for p in found)}; keep one of them")
    return found[0] if found else None


def trained(store: Store, training: Training, miniature: bool) -> Path | None:
    """What an earlier training in the results folder gave."""
    network = "lite" if miniature else training.network
    path = store.weights(training.name) / f"{network}.safetensors"
    return path if path.is_file() else None


def cached(name: str) -> Path | None:
    """Weights that `aptv2 weights pull` or `convert --as` put into the cache."""
    path = weights_path(name)
    return path if path.is_file() else None


def recipe_of(training: Training, recipes: Path, data: Path, miniature: bool) -> Recipe:
    """What trains the weights: the network's recipe with the training's part of the data.

    A batch that the data cannot fill is made smaller.

    Raises
    ------
    InputError
        Where the recipe or the data cannot be read.
    """
    if miniature:
        changes = [each for each in training.settings() if not each.startswith("init=")]
        seed = zlib.crc32(training.name.encode()) % 1000  # so that not all cells are the same
        recipe = read_recipe(MINIATURE_RECIPE, (*changes, f"init={EMBEDDED_NAME}", f"seed={seed}"))
    else:
        path = recipes / f"{training.network}.yaml"
        if not path.is_file():
            raise InputError(
                f"{path}: there is no such recipe; give the folder with --recipes, which is "
                "recipes/ of the source"
            )
        changes = list(training.settings())
        if (data / _SPLIT_FILES.format("train")).is_file():
            changes += [f"data.pose_{s}={_SPLIT_FILES.format(s)}" for s in ("train", "val")]
        recipe = read_recipe(path, tuple(changes))
    if training.few is None and not miniature:
        return recipe
    animals = int(np.count_nonzero(usable(Sources(recipe, data).stills[0])))
    stages = [stage.model_dump(mode="json") for stage in recipe.stages]
    for stage in stages:
        task = stage["tasks"]["pose"]
        part = task["per_device"] or 1
        task["batch"] = min(task["batch"], animals // part * part or max(animals, 1))
    return Recipe.model_validate(recipe.model_dump(mode="json") | {"stages": stages})


def train_weights(store: Store, training: Training, recipe: Recipe, data: Path) -> Path:
    """Train, or go on where a training stopped; the trained weights' file.

    Raises
    ------
    InputError
        As :func:`aptv2.training.trainer.train` does.
    """
    from aptv2.training.trainer import train  # Lightning takes long to load

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    return train(recipe, data, store.weights(training.name), resume=True, progress=True)
