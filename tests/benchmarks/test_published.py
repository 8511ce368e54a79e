"""The paper's numbers, cell by cell, as the facts sheet has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aptv2.benchmarks import published
from aptv2.benchmarks.cells import TITLES, Plan, Table
from aptv2.benchmarks.tracks.registry import TRACKS
from aptv2.species import BENCHMARK_FAMILIES

Rows = dict[str, dict[str, float]]


@pytest.fixture(scope="module")
def sheet(shared: Path) -> list[Rows]:
    """Every table of the section on published results: row -> column -> number."""
    text = (shared / "aptv2-facts.md").read_text(encoding="utf-8")
    section = re.search(r"^## 2\..*?(?=^## 3\.)", text, re.MULTILINE | re.DOTALL)
    assert section is not None
    blocks = re.findall(r"(?:^\|.*\n)+", section[0], re.MULTILINE)
    tables = []
    for block in blocks:
        head, _, *rows = [
            [c.strip() for c in line.strip("|").split("|")] for line in block.split("\n")[:-1]
        ]
        tables.append(
            {row[0]: dict(zip(head[1:], map(float, row[1:]), strict=True)) for row in rows}
        )
    assert len(tables) == 5
    return tables


def printed(table: Table) -> Rows:
    """The published numbers of a table of ours."""
    return {
        row: {
            column: number
            for column in table.columns
            if (entry := table.entries.get((row, column))) is not None
            and (number := entry.published) is not None
        }
        for row in table.rows
    }


def tables(track: str) -> list[Table]:
    return TRACKS[track].tables(Plan())


def test_supervised(sheet: list[Rows]) -> None:
    first, *others = tables("supervised")
    assert printed(first) == sheet[0]
    assert sum(map(len, printed(first).values())) == 21
    assert not any(number for other in others for number in printed(other).values())


def test_zero_shot(sheet: list[Rows]) -> None:
    (table,) = tables("zero-shot")
    assert printed(table) == sheet[1]


@pytest.mark.parametrize("place", [0, 1])
def test_leave_one_out(sheet: list[Rows], place: int) -> None:
    ours = printed(tables("leave-one-out")[place])
    for row, numbers in sheet[2 + place].items():
        families = {column: ours[f"w/o {row}"][column] for column in BENCHMARK_FAMILIES}
        assert families == numbers
        seen = [number for family, number in numbers.items() if family != row]
        assert ours[f"w/o {row}"]["mean over seen families"] == pytest.approx(sum(seen) / 5)
    assert ours["fully supervised"] == ours["gap"] == {}


def test_tracking(sheet: list[Rows]) -> None:
    ours = printed(tables("tracking")[0])
    short = {title.replace("HRNet", "HR"): title for title in TITLES.values()}
    for row, numbers in sheet[4].items():
        assert ours[row] == {short.get(name, name): number for name, number in numbers.items()}
    assert ours["true boxes"] == {}
    assert not any(n for table in tables("tracking")[1:] for n in printed(table).values())


def test_the_averages_are_those_of_their_rows() -> None:
    """A slip of the pen in a row would show: the paper's own averages fit to the rounding."""
    for numbers in (*published.ZERO_SHOT.values(), *published.TRACKING.values()):
        others = [number for name, number in numbers.items() if name != published.AVERAGE]
        assert numbers[published.AVERAGE] == pytest.approx(sum(others) / len(others), abs=0.06)
