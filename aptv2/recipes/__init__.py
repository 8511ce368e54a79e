"""The training recipes that come with the package, found by name.

This module reads no more of a recipe than its list shows, so that a wrong name is refused at
once; :mod:`aptv2.training.recipes` reads recipes whole and strictly.
"""

from __future__ import annotations

import difflib
import re
import warnings
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import yaml

from aptv2.errors import InputError

_FOLDER = Path(str(files(__name__)))
_SUFFIXES = (".yaml", ".yml")
_CONFIG = ".py"  # of mmpose 0.x, which the APTv2 release trains by
# The data set in a config's name says little: the release's own are called `..._ap10k_256x256.py`.
_CONFIG_NAME = re.compile(r"(\w+?)_(ap10k|aptv2|apt36k|animalpose)_\d+x\d+", re.IGNORECASE)
_LONG_SIZES = {"small": "s", "base": "b", "large": "l", "huge": "h"}


class RecipeSummary(NamedTuple):
    """One row of the list of recipes."""

    name: str  # what `aptv2 train` takes
    tasks: tuple[str, ...]
    description: str  # one sentence


def recipe_names() -> list[str]:
    """Names of the recipes in the package, sorted."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def find_recipe(recipe: str | Path) -> Path:
    """The file of a recipe.

    Parameters
    ----------
    recipe
        A name, such as `finetune`; or the path of a YAML file, which has a suffix or a folder. Or
        the path of a config of the APTv2 release, whose name gives the recipe: the config itself
        is not read, and a warning says so.

    Returns
    -------
    Path
        An existing file, or what else lies at the given path.

    Raises
    ------
    InputError
        There is no such recipe; it gives the nearest name.

    Examples
    --------
    >>> find_recipe("finetune").name
    'finetune.yaml'
    """
    path = Path(recipe)
    if path.suffix == _CONFIG:
        return _of_config(path)
    by_name = path.suffix not in _SUFFIXES and path.name == str(recipe)
    found = _FOLDER / f"{recipe}.yaml" if by_name else path
    if found.exists():
        return found
    what = f"there is no recipe '{recipe}'" if by_name else f"{path}: there is no such file"
    near = difflib.get_close_matches(path.stem, recipe_names(), n=1)
    hint = f"the nearest recipe in the package is '{near[0]}', and " if near else ""
    raise InputError(f"{what}; {hint}aptv2 train --list shows all.")


def is_recipe(recipe: str) -> bool:
    """True for what :func:`find_recipe` takes, False for the name of a network without recipe."""
    return recipe.endswith((*_SUFFIXES, _CONFIG)) or recipe in recipe_names()


@cache  # a command looks its recipe up several times, and says this once
def _of_config(path: Path) -> Path:
    """The recipe in the package of the network that a config's name begins with."""
    named = _CONFIG_NAME.fullmatch(path.stem)
    parts = named[1].lower().split("_") if named else []
    parts = [_LONG_SIZES.get(part, part) for part in parts]
    if parts and parts[0] == "vit":
        parts[0] = "vitpose"
    name = "_".join(parts)
    if name not in recipe_names():
        raise InputError(
            f"{path}: no recipe in the package is that of this config, and the config itself is "
            "not read; aptv2 train --list shows all recipes."
        )
    warnings.warn(
        f"{path}: the recipe '{name}' of this package is taken by the config's name; the config "
        "itself is not read. docs/official-configs.md compares the two.",
        stacklevel=3,
    )
    return _FOLDER / f"{name}.yaml"


def list_recipes() -> list[RecipeSummary]:
    """The recipes in the package, by name.

    Notes
    -----
    The description is the comment on a recipe's first line.
    """
    return [_summary(name) for name in recipe_names()]


def _summary(name: str) -> RecipeSummary:
    text = find_recipe(name).read_text(encoding="utf-8")
    stages = yaml.safe_load(text)["stages"]
    # Stages repeat tasks; a dict keeps the order of their first appearance.
    tasks = dict.fromkeys(task for stage in stages for task in stage["tasks"])
    description = text.partition("\n")[0].removeprefix("#").strip()
    return RecipeSummary(name, tuple(tasks), description)
