"""The rule that a run is only resumed with the settings that it was started with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aptv2.errors import InputError


class OtherRunError(InputError):
    """The run in a folder was started with other weights, data or settings."""


def check_same_settings(
    folder: Path, started: Mapping[str, Any], now: Mapping[str, Any], quoted: bool = True
) -> None:
    """Refuse to resume a run with other settings.

    Parameters
    ----------
    folder
        Holds what the run has done so far.
    started, now
        Settings that the numbers depend on, by the names that the user knows: those that the run
        was started with, and those that it would be resumed with.
    quoted
        Whether values are quoted; hashes say nothing to a reader.

    Raises
    ------
    OtherRunError
        Where a setting differs, or only one of the two has it.
    """
    for name in {**started, **now}:
        before, after = started.get(name), now.get(name)
        if before != after:
            difference = f"{name} {before}, not {after}" if quoted else f"other {name}"
            raise OtherRunError(
                f"{folder}: the run was started with {difference}; resume it with the same "
                "settings, or give another folder."
            )
