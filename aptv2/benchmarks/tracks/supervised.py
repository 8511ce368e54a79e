"""Supervised pose estimation: seven networks, each trained from three sets of weights."""

from __future__ import annotations

from aptv2.benchmarks import published
from aptv2.benchmarks.cells import PARTS, TITLES, Cell, Entry, Plan, Table, Training, ap

NAME = "supervised"
INITS = ("in1k", "coco", "ap10k")


def training(network: str, init: str) -> Training:
    """A network trained on all of APTv2's train split."""
    return Training(f"aptv2-{network}-{init}", network, init)


def _cell(network: str, init: str, plan: Plan) -> Cell:
    return Cell(NAME, f"{network}-{init}", training(network, init), plan.boxes)


def cells(plan: Plan) -> list[Cell]:
    """The 21 cells."""
    return [_cell(network, init, plan) for init in INITS for network in published.SUPERVISED]


def tables(plan: Plan) -> list[Table]:
    """AP of all of val, which the paper prints, and of its easy and hard clips."""
    return [_table(plan, part) for part in PARTS]


def _table(plan: Plan, part: str) -> Table:
    return Table(
        NAME,
        f"Supervised, {PARTS[part]}",
        tuple(TITLES[init] for init in INITS),
        tuple(TITLES[network] for network in published.SUPERVISED),
        {
            (TITLES[init], TITLES[network]): Entry(
                (ap(_cell(network, init, plan), part),), numbers[init] if part == "all" else None
            )
            for network, numbers in published.SUPERVISED.items()
            for init in INITS
        },
        "Rows: the weights that training started from.",
    )
