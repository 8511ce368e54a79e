"""One family left out: HRNet-w32 trained without it, on all clips or on the easy ones alone."""

from __future__ import annotations

from typing import Literal

from aptv2.benchmarks import published
from aptv2.benchmarks.cells import Cell, Entry, Plan, Table, Training, family_ap
from aptv2.benchmarks.tracks import supervised

NAME = "leave-one-out"
NETWORK, INIT = "hrnet_w32", "in1k"  # the paper does not say what training started from
SEEN, GAP, FULL = "mean over seen families", "gap", "fully supervised"

_Subset = Literal["all", "easy"]
SUBSETS: tuple[_Subset, ...] = ("all", "easy")


def training(subset: _Subset, family: str | None, official: bool = False) -> Training:
    """HRNet-w32 trained without a family, or with all of them; on the authors' split or ours."""
    if family is None and subset == "all":
        return supervised.training(NETWORK, INIT)
    parts = [
        "aptv2",
        *(["easy"] if subset == "easy" else []),
        *([f"without-{family.lower()}"] if family else []),
        NETWORK,
    ]
    return Training(
        "-".join(parts),
        NETWORK,
        INIT,
        subset=subset,
        leave_out=family,
        official=official and family is not None,
    )


def _cell(subset: _Subset, family: str | None, plan: Plan) -> Cell:
    data = {"all": "both", "easy": "easy"}[subset]
    ending = "all" if family is None else f"without-{family.lower()}"
    learnt = training(subset, family, plan.official)
    return Cell(NAME, f"{data}-{ending}", learnt, plan.boxes, official=plan.official)


def cells(plan: Plan) -> list[Cell]:
    """For each kind of training data a cell a family and one with all; each fills a row."""
    return [_cell(subset, family, plan) for subset in SUBSETS for family in (*plan.families, None)]


def tables(plan: Plan) -> list[Table]:
    """AP by family; below, the fully supervised network and what a left-out family costs."""
    return [_table(plan, subset) for subset in SUBSETS]


def _table(plan: Plan, subset: _Subset) -> Table:
    families = plan.families
    numbers = published.LEAVE_ONE_OUT[subset]
    full = _cell(subset, None, plan)
    entries = {}
    for left_out in families:
        cell = _cell(subset, left_out, plan)
        row, printed = f"w/o {left_out}", numbers.get(left_out, {})
        for family in families:
            entries[row, family] = Entry((family_ap(cell, family),), printed.get(family))
        seen = [family for family in families if family != left_out]
        entries[row, SEEN] = Entry(
            tuple(family_ap(cell, family) for family in seen),
            sum(printed[family] for family in seen) / len(seen)
            if printed and set(seen) <= printed.keys()
            else None,
        )
        entries[FULL, left_out] = Entry((family_ap(full, left_out),))
        entries[GAP, left_out] = Entry(
            (family_ap(full, left_out),), less=(family_ap(cell, left_out),)
        )
    entries[FULL, SEEN] = Entry(tuple(family_ap(full, family) for family in families))
    entries[GAP, SEEN] = Entry(
        entries[FULL, SEEN].parts,
        less=tuple(family_ap(_cell(subset, family, plan), family) for family in families),
    )
    return Table(
        NAME,
        "Leave one family out, " + ("easy and hard" if subset == "all" else "easy training data"),
        (*(f"w/o {family}" for family in families), FULL, GAP),
        (*families, SEEN),
        entries,
        f"Gap: {FULL} less the network that never saw the family; last, its mean over the "
        "families. The paper's means over seen families are computed from its table.",
    )
