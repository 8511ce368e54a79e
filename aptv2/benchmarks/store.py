"""Results folders: what each cell gave.

    RESULTS/results.json                    version, and whether it is a miniature
    RESULTS/plans/TRACK.json                what the track's cells hang on (TRACK+BOXES.json)
    RESULTS/cells/TRACK/NAME/result.json    a cell's result, or why there is none
                            /predictions.json   COCO results, which the scores are of
                            /details/       what the report's figures are made of
    RESULTS/weights/NAME/                   the run folder of what was trained here
    RESULTS/boxes/NAME/                     boxes that several cells use
    RESULTS/data/                           of a miniature: its data

Every file is written to a temporary name and moved. `lease.N` in a folder says that a process is
at work in it (:mod:`aptv2.benchmarks.leases`).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from aptv2.benchmarks.cells import Cell, Plan, boxes_ending, official_ending
from aptv2.benchmarks.results import CellSettings
from aptv2.errors import InputError
from aptv2.files import write_json

VERSION = 1
DETAILS = "details"  # folder beside a cell's result
_INDEX, _RESULT = "results.json", "result.json"


class Store:
    """A results folder.

    Parameters
    ----------
    folder
        Made where it is missing.
    miniature
        Whether its results are those of a miniature.

    Raises
    ------
    InputError
        Where it holds something else, results of another version, or of a miniature and of the
        whole benchmark together.
    """

    def __init__(self, folder: Path, miniature: bool) -> None:
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is a file; give a folder for the results.")
        there = {path.name for path in folder.iterdir()} if folder.exists() else set()
        visible = {name for name in there if not name.startswith(".")}
        if not visible:
            write_json(folder / _INDEX, {"version": VERSION, "miniature": miniature})
        elif _INDEX not in visible:
            raise InputError(f"{folder}: holds something else; give a new folder for results.")
        if (before := _index(folder)["miniature"]) != miniature:
            holds = "a miniature's" if before else "the whole benchmark's"
            raise InputError(
                f"{folder}: holds {holds} results; give another folder, or "
                f"{'add' if before else 'leave out'} --miniature."
            )

    def cell(self, cell: Cell) -> Path:
        """The folder of a cell."""
        return self.folder / "cells" / cell.id

    def weights(self, name: str) -> Path:
        """The run folder of a training."""
        return self.folder / "weights" / name

    def boxes(self, name: str) -> Path:
        """The folder of boxes."""
        return self.folder / "boxes" / name

    def keep_plan(self, track: str, plan: Plan) -> None:
        """Write what a track's cells depend on, which the report needs."""
        ending = boxes_ending(plan.boxes) + official_ending(plan.official)
        write_json(self.folder / "plans" / f"{track}{ending}.json", asdict(plan))

    def result(self, cell: Cell) -> dict[str, Any] | None:
        """A cell's result, if there is one.

        Raises
        ------
        InputError
            Where it cannot be read or is of another version.
        """
        path = self.cell(cell) / _RESULT
        return _result(path) if path.exists() else None

    def record(self, cell: Cell, content: CellSettings) -> None:
        """Write a cell's result; undefined numbers become null."""
        metadata = {"version": VERSION, "cell": cell.id, "track": cell.track}
        write_json(self.cell(cell) / _RESULT, metadata | content)


def read_results(results: Path) -> dict[str, dict[str, Any]]:
    """The results of all cells that have one, by cell id; failed ones say why in `error`.

    Raises
    ------
    InputError
        Where it is no results folder, or one of another version, or a result cannot be read.
    """
    _index(results)
    paths = sorted((results / "cells").glob(f"*/*/{_RESULT}"))
    return {result["cell"]: result for result in map(_result, paths)}


def is_miniature(results: Path) -> bool:
    """Whether a results folder holds a miniature.

    Raises
    ------
    InputError
        Where it is no results folder, or one of another version.
    """
    return bool(_index(results)["miniature"])


def _index(folder: Path) -> dict[str, Any]:
    path = folder / _INDEX
    if not path.is_file():
        raise InputError(
            f"{folder}: is no folder of results, it has no {_INDEX}; give one of aptv2 bench."
        )
    return _checked(path, ("miniature",))


def _result(path: Path) -> dict[str, Any]:
    return _checked(path, ("cell", "track", "status"))


def _checked(path: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        content = orjson.loads(path.read_bytes())
        missing = [key for key in ("version", *keys) if key not in content]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it and run again.") from None
    if missing or not isinstance(content, dict):
        raise InputError(f"{path}: has no {', '.join(missing)}; delete it and run again.")
    if content["version"] != VERSION:
        raise InputError(
            f"{path}: written by another version ({content['version']}, this one writes {VERSION});"
            " give another folder."
        )
    return content


def read_plan(path: Path) -> Plan:
    """What a track's cells depend on.

    Raises
    ------
    InputError
        Where the file cannot be read.
    """
    try:
        content = orjson.loads(path.read_bytes())
        return Plan(
            tuple(content["families"]),
            tuple(content["shots"]),
            content["seeds"],
            content["boxes"],
            content.get("official", False),
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: cannot be read ({error}); delete it and run again.") from None
