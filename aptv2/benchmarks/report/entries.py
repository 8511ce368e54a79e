"""The paper's tables filled with results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aptv2.benchmarks.cells import Entry, Part, Table
from aptv2.benchmarks.results import FAILED
from aptv2.benchmarks.store import is_miniature, read_plan
from aptv2.benchmarks.tracks.registry import TRACKS


@dataclass(frozen=True)
class Figure:
    """A number of a table as our results have it.

    Parameters
    ----------
    value
        In percent, but for counts; NaN where it is not there.
    low, high
        Ends of the 95 % interval; NaN where there is none.
    spread
        Standard deviation over seeds; NaN where there are not several.
    problem
        Why there is no value, "" where there is one.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    spread: float = math.nan
    problem: str = ""


def tables(results: Path) -> list[Table]:
    """The tables of all tracks that were started in a results folder.

    Raises
    ------
    InputError
        Where it is no results folder, or one of another version.
    """
    is_miniature(results)  # refuses what is no results folder
    found: list[Table] = []
    for track in TRACKS:
        plans = [results / "plans" / f"{track}.json"]
        plans += sorted((results / "plans").glob(f"{track}+*.json"))
        for path in plans:
            if path.exists():
                found += TRACKS[track].tables(read_plan(path))
    return found


def figure(entry: Entry, results: dict[str, dict[str, Any]]) -> Figure:
    """What a table's entry is in some results (:func:`read_results`)."""
    values: list[float] = []
    taken: list[float] = []
    for part, numbers in [(p, values) for p in entry.parts] + [(p, taken) for p in entry.less]:
        result = results.get(part.cell)
        if result is None:
            return Figure(math.nan, problem=f"{part.cell} was not run yet")
        if result["status"] == FAILED:
            return Figure(math.nan, problem=f"{part.cell}: {result['error']}")
        number = _look_up(result, part)
        if number is None:
            return Figure(math.nan, problem=f"{part.cell} gives no {' '.join(part.path[-2:])}")
        numbers.append(number if part.path[-1] == "id_switches" else 100 * number)
    mean = sum(values) / len(values)
    if taken:
        return Figure(mean - sum(taken) / len(taken))
    if entry.seeds and len(values) > 1:
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))
        return Figure(mean, spread=spread)
    if len(values) == 1 and (part := entry.parts[0]).path[-1] == "AP":
        ends = _look_up(results[part.cell], Part(part.cell, (*part.path[:-1], "AP_interval")))
        low, high = ends or (None, None)
        if low is not None and high is not None:
            return Figure(mean, 100 * low, 100 * high)
    return Figure(mean)


def _look_up(result: dict[str, Any], part: Part) -> Any:
    value: Any = result
    for key in part.path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
