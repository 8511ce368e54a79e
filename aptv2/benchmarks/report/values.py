"""A table's entries in words: ours, the paper's, the difference, and why a number is missing."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from aptv2.benchmarks.cells import Entry
from aptv2.benchmarks.report.entries import figure

Results = dict[str, dict[str, Any]]  # cell id -> its result.json

NOTHING = "–"
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
MINIATURE = (
    "Miniature: small networks, tiny data and hardly any training. These numbers only show that "
    "everything runs; they say nothing about a method and cannot be compared with the paper's."
)


class Shown(NamedTuple):
    """One entry as it is printed; what is not there is empty.

    `value` is ours as a number, to sort by, NaN where there is none. Where ours is missing, `mark`
    is "failed", "not run", or "undefined" where the data does not hold it, and `why` says more.
    """

    value: float
    ours: str
    interval: str
    spread: str
    published: str
    difference: str
    inside: bool
    mark: str
    why: str


def show(entry: Entry, results: Results, miniature: bool) -> Shown:
    """An entry in words. A miniature has no difference to the paper."""
    found = figure(entry, results)
    digits = 0 if entry.parts[0].path[-1] == "id_switches" else 1
    published = math.nan if entry.published is None else entry.published
    known = not math.isnan(found.value)
    inside = found.low <= published <= found.high
    compared = known and not math.isnan(published) and not miniature
    mark = ""
    if not known:
        states = {status(results.get(part.cell)) for part in (*entry.parts, *entry.less)}
        mark = next((state for state in ("failed", "not run") if state in states), "undefined")
    return Shown(
        value=found.value,
        ours=number(found.value, digits) if known else "",
        interval=f"{number(found.low)} to {number(found.high)}" if found.low == found.low else "",
        spread=f"± {number(found.spread)}" if found.spread == found.spread else "",
        published="" if math.isnan(published) else number(published),
        difference=signed(found.value - published) if compared else "",
        inside=inside,
        mark=mark,
        why=clean(found.problem),
    )


def status(result: dict[str, Any] | None) -> str:
    """ "done", "failed", or "not run" where there is no result."""
    return "not run" if result is None else str(result["status"])


def number(value: float | None, digits: int = 1) -> str:
    """A number with so many digits behind the point; a dash for what is not there."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:,.{digits}f}".replace("-", "\u2212")


def clean(text: object) -> str:
    """Text from a file on one line, without characters that turn the reading of what follows."""
    return " ".join("".join(c for c in str(text) if c not in _TURNING).split())


def signed(value: float) -> str:
    """A difference, with a sign unless it rounds to nothing."""
    text = f"{value:+.1f}".replace("-", "\u2212")
    return "0.0" if text[1:] == "0.0" else text


def percent(value: float | None) -> float:
    """A share from a result in percent; NaN where the file has null."""
    return math.nan if value is None else 100 * value


def overall(result: dict[str, Any], name: str = "AP", part: str = "all") -> float:
    """One of a cell's scores in percent; NaN where it has none."""
    return percent(result.get("scores", {}).get(part, {}).get(name))
