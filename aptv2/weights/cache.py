"""Where weights are kept on this machine, and how they are found by name."""

from __future__ import annotations

import os
import re
from pathlib import Path

from platformdirs import user_cache_path

from aptv2.errors import InputError
from aptv2.weights.registry import animal_weights, entries

_HUB_NAME = re.compile(r"(?![.])[\w.-]+/(?![.])[\w.-]+", re.ASCII)
_FILES = {".safetensors", ".pth", ".pt", ".ckpt", ".bin"}


def cache_folder() -> Path:
    """The folder of all that was pulled: $APTV2_CACHE, else where this user's caches are."""
    chosen = os.environ.get("APTV2_CACHE")
    return Path(chosen) if chosen else user_cache_path("aptv2")


def weights_path(name: str) -> Path:
    """Where the weights of a name of the registry are once they are here."""
    return cache_folder() / f"{name}.safetensors"


def hub_folder(name: str) -> Path:
    """Where a model OWNER/REPO of the Hugging Face hub is once it is here."""
    return cache_folder() / "hub" / name.replace("/", "--")


def is_hub_name(source: str | Path) -> bool:
    """Whether something reads as OWNER/REPO and is no file or folder."""
    path = Path(source)
    named = _HUB_NAME.fullmatch(str(source)) is not None and path.suffix not in _FILES
    return named and not path.exists()


def find_weights(name: str) -> Path | None:
    """Weights that are on this machine.

    Parameters
    ----------
    name
        A name of the registry, or of a network; of a network's weights those with the highest
        published AP on animals are taken. COCO's, whose keypoints are human, never are.

    Returns
    -------
    Path or None
        A file of this package; None where nothing was pulled or converted yet.
    """
    names = [name] if name in entries() else [each.name for each in animal_weights(name)]
    return next((path for each in names if (path := weights_path(each)).is_file()), None)


def how_to_get(network: str, title: str) -> str:
    """One sentence on how to get weights of a network, given its name and title."""
    known = animal_weights(network)
    best = next((each for each in known if each.data == "APTv2"), None)
    direct = next((each for each in known if each.url), None)
    ways = []
    if direct:
        ways.append(f"aptv2 weights pull {direct.name} (trained on {direct.data})")
    if best:
        ways.append(f"aptv2 weights pull {best.name} (official, by hand)")
    ways.append("give a file, or 'random'")
    return f"no weights of {title} are here yet: {', or '.join(ways)}"


def locate(source: str | Path) -> Path:
    """The file or folder that weights are in.

    Parameters
    ----------
    source
        A path, a name of the registry, or OWNER/REPO of the Hugging Face hub.

    Raises
    ------
    InputError
        Where a name is known and its weights were not pulled yet.
    """
    path = Path(source)
    name = str(source)
    if path.exists():
        return path
    if name in entries():
        path = weights_path(name)
    elif is_hub_name(source):
        path = hub_folder(name)
    else:
        return path
    if not path.exists():
        raise InputError(
            f"{name}: no such file here, and the weights of that name were not fetched yet: "
            f"aptv2 weights pull {name}"
        )
    return path
