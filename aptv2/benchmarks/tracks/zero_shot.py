"""Zero-shot: networks trained on AP-10K alone, tested on families of APTv2's val split."""

from __future__ import annotations

from aptv2.benchmarks import published
from aptv2.benchmarks.cells import TITLES, Cell, Entry, Plan, Table, Training, family_ap
from aptv2.benchmarks.published import AVERAGE

NAME = "zero-shot"


def _cell(network: str, plan: Plan) -> Cell:
    training = Training(f"aptv2-zero-shot-{network}", network, "in1k", data="ap10k")
    return Cell(NAME, network, training, plan.boxes)


def cells(plan: Plan) -> list[Cell]:
    """One a network; it fills a row of the table."""
    return [_cell(network, plan) for network in published.ZERO_SHOT]


def tables(plan: Plan) -> list[Table]:
    """AP by family, and the mean over them."""
    entries = {}
    for network, numbers in published.ZERO_SHOT.items():
        cell = _cell(network, plan)
        parts = tuple(family_ap(cell, family) for family in plan.families)
        for family, part in zip(plan.families, parts, strict=True):
            entries[TITLES[network], family] = Entry((part,), numbers.get(family))
        entries[TITLES[network], AVERAGE] = Entry(parts, numbers.get(AVERAGE))
    rows = tuple(TITLES[network] for network in published.ZERO_SHOT)
    note = "Trained on AP-10K alone."
    return [Table(NAME, "Zero-shot", rows, (*plan.families, AVERAGE), entries, note)]
