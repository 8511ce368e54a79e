"""Names of a package that are imported when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package whose names come from its modules (PEP 562).

    So that one name can be used without the libraries that the others need: a wrong argument of a
    command is refused before torch, which takes seconds to load, is imported.

    Parameters
    ----------
    package
        The package's `__name__`.
    homes
        Name -> full name of the module that defines it.

    Examples
    --------
    >>> __getattr__, __dir__ = lazy_names(__name__, {"load": "json"})
    >>> __getattr__("load").__module__
    'json'
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        return getattr(import_module(homes[name]), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *homes})

    return get, names
