"""The training recipes that come with the package, found by name.

This module reads no more of a recipe than its list shows, so that a wrong name is refused at
once; :mod:`aptv2.training.recipes` reads recipes whole and strictly.
"""

from __future__ import annotations

import difflib
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import yaml

from aptv2.errors import InputError

_FOLDER = Path(str(files(__name__)))
_SUFFIXES = (".yaml", ".yml")


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
        A name, such as `finetune`; or the path of a YAML file, which has a suffix or a folder.

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
    by_name = path.suffix not in _SUFFIXES and path.name == str(recipe)
    found = _FOLDER / f"{recipe}.yaml" if by_name else path
    if found.exists():
        return found
    what = f"there is no recipe '{recipe}'" if by_name else f"{path}: there is no such file"
    near = difflib.get_close_matches(path.stem, recipe_names(), n=1)
    hint = f"the nearest recipe in the package is '{near[0]}', and " if near else ""
    raise InputError(f"{what}; {hint}aptv2 train --list shows all.")


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
