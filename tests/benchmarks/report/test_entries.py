"""What a table's entry says of the results that it is made of."""

from __future__ import annotations

import math
from typing import Any

import pytest

from aptv2.benchmarks.cells import Entry, Plan
from aptv2.benchmarks.report.entries import figure
from aptv2.benchmarks.tracks.registry import TRACKS


def entry(track: str, row: str, column: str) -> Entry:
    return TRACKS[track].tables(Plan())[0].entries[row, column]


def results(of: Entry) -> dict[str, dict[str, Any]]:
    """Results whose AP are 0.5, 0.6, 0.7, ..."""
    return {
        part.cell: {"status": "done", "error": None, "scores": {"all": {"AP": 0.5 + place / 10}}}
        for place, part in enumerate(of.parts)
    }


def test_seeds_have_a_spread() -> None:
    seeds = entry("low-data", "ViTPose-B", "k = 5")
    shown = figure(seeds, results(seeds))
    assert shown.value == pytest.approx(60)
    assert shown.spread == pytest.approx(10)


def test_different_networks_have_none() -> None:
    average = entry("tracking", "ViTTrack", "average")
    shown = figure(average, results(average))
    assert len(average.parts) == 8
    assert shown.value == pytest.approx(85)
    assert math.isnan(shown.spread)


def test_a_mean_lacks_what_one_part_lacks() -> None:
    seeds = entry("low-data", "ViTPose-B", "k = 5")
    found = results(seeds)
    found["low-data/vitpose_b-k5-seed1"]["scores"] = {}
    shown = figure(seeds, found)
    assert math.isnan(shown.value)
    assert shown.problem == "low-data/vitpose_b-k5-seed1 gives no all AP"
