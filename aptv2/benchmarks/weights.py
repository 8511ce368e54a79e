"""The source of a cell's weights: a folder, an earlier training here, the cache, or a training.

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
from aptv2.benchmarks.few import for_few_animals
from aptv2.benchmarks.miniature import TRAIN
from aptv2.benchmarks.store import Store
from aptv2.errors import InputError
from aptv2.models.registry import DEFAULT
from aptv2.recipes import find_recipe
from aptv2.training.data.pose import usable
from aptv2.training.data.sources import Sources
from aptv2.training.networks import EMBEDDED_NAME
from aptv2.training.recipes import Recipe, read_recipe
from aptv2.training.runs import BEST
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
        names = " and ".join(path.name for path in found)
        raise InputError(f"{folder}: holds {names}; keep one of them.")
    return found[0] if found else None


def trained(store: Store, training: Training, miniature: bool) -> Path | None:
    """The weights of an earlier training in the results folder; None before it ends."""
    network = DEFAULT if miniature else training.network
    path = store.weights(training.run) / f"{network}.safetensors"
    return best_of(path) if path.is_file() else None


def best_of(last: Path) -> Path:
    """The weights with the highest AP on val of a finished run, else its last ones.

    The official configurations save the checkpoint with the best AP, and it is what they test.

    Parameters
    ----------
    last
        The weights that the run ended with, in its run folder.
    """
    stages = sorted(last.parent.glob(f"[0-9]*-*/{BEST}"), key=_stage_number)
    return stages[-1] if stages else last


def _stage_number(path: Path) -> int:
    return int(path.parent.name.partition("-")[0])


def cached(name: str) -> Path | None:
    """Weights that `aptv2 weights pull` or `convert --as` put into the cache."""
    path = weights_path(name)
    return path if path.is_file() else None


def recipe_of(
    training: Training,
    recipes: Path,
    data: Path,
    miniature: bool,
    split: str | None = None,
    val: Path | None = None,
) -> Recipe:
    """What trains the weights: the network's recipe with the training's part of the data.

    Few animals get a schedule of their own (:mod:`aptv2.benchmarks.few`). A miniature's batch is
    made smaller where its data cannot fill it.

    Parameters
    ----------
    training
        What is trained.
    recipes
        Folder of the networks' recipes.
    data
        The data set.
    miniature
        Whether lite is trained for one short epoch in place of the network.
    split
        The authors' own split file, by its name in the release (:mod:`aptv2.benchmarks.official`).
    val
        The annotations that a miniature validates on, where `split` is of the whole release.

    Raises
    ------
    InputError
        Where the recipe or the data cannot be read.
    """
    if not miniature:
        recipe = network_recipe(training, recipes, data, split)
        if training.few is None:
            return recipe
        return for_few_animals(recipe, _animals(recipe, data))
    settings = training.settings(split)
    changes = [each for each in settings if not each.startswith(("init=", "seed="))]
    if split is not None:
        changes += [f"data.few={TRAIN}", f"data.pose_val={val}"]
    seed = zlib.crc32(training.name.encode()) % 1000  # so that not all cells are the same
    recipe = read_recipe(MINIATURE_RECIPE, (*changes, f"init={EMBEDDED_NAME}", f"seed={seed}"))
    (stage,) = recipe.stages
    task = stage.tasks["pose"]
    smaller = task.model_copy(update={"batch": min(task.batch, max(1, _animals(recipe, data)))})
    stage = stage.model_copy(update={"tasks": {"pose": smaller}})
    return recipe.model_copy(update={"stages": [stage]})


def network_recipe(
    training: Training, recipes: Path, data: Path | None = None, split: str | None = None
) -> Recipe:
    """The network's recipe with the settings of a training, which `split` may give its animals.

    Where `data` holds AP-10K's own split files, they are what it trains and validates on.

    Raises
    ------
    InputError
        Where the recipe cannot be read.
    """
    own = recipes / f"{training.network}.yaml"
    path = own if own.is_file() else find_recipe(training.network)
    changes = list(training.settings(split))
    if data is not None and (data / _SPLIT_FILES.format("train")).is_file():
        changes += [f"data.pose_{s}={_SPLIT_FILES.format(s)}" for s in ("train", "val")]
    return read_recipe(path, tuple(changes))


def _animals(recipe: Recipe, data: Path) -> int:
    """Number of animals that a recipe learns poses from."""
    return int(np.count_nonzero(usable(Sources(recipe, data).annotated)))


def train_weights(store: Store, training: Training, recipe: Recipe, data: Path) -> Path:
    """Train, or resume a training that stopped; the file of its best weights.

    Raises
    ------
    InputError
        As :func:`aptv2.training.trainer.train` does.
    """
    from aptv2.training.trainer import train  # Lightning takes long to load

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    return best_of(train(recipe, data, store.weights(training.run), resume=True, progress=True))
