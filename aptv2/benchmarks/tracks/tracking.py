"""Pose on tracked boxes: three trackers, each with eight pose networks, beside true boxes.

The paper does not say which of the supervised networks it takes. Those that started from COCO's
weights fit: their AP falls by 1.9 to 2.2 in every column, while two of those that started from
ImageNet's would gain.
"""

from __future__ import annotations

from aptv2.benchmarks import published
from aptv2.benchmarks.cells import PARTS, TITLES, Cell, Entry, Part, Plan, Table, Training, ap
from aptv2.benchmarks.published import AVERAGE
from aptv2.benchmarks.tracks import supervised

NAME = "tracking"
INIT = "coco"
TRACKERS = tuple(published.TRACKING)
NETWORKS = (*published.SUPERVISED, "vitpose_l")
TRUE_BOXES = "true boxes"
MEASURES = {"AO": "AO", "HOTA": "HOTA", "IDF1": "IDF1", "id_switches": "identity switches"}


def training(tracker: str) -> Training:
    """A tracker as its recipe trains it."""
    return Training(f"aptv2-{tracker}", tracker, "in1k")


def _cell(tracker: str | None, network: str, plan: Plan) -> Cell:
    variant = f"{tracker or 'truth'}-{network}"
    learnt = supervised.training(network, INIT)
    return Cell(NAME, variant, learnt, tracker=tracker, official=plan.official)


def cells(plan: Plan) -> list[Cell]:
    """Those on true boxes first, then tracker by tracker, so that its boxes serve all eight."""
    return [_cell(tracker, network, plan) for tracker in (None, *TRACKERS) for network in NETWORKS]


def tables(plan: Plan) -> list[Table]:
    """AP of all, easy and hard clips, and how well each tracker follows."""
    return [
        *(_poses(part, plan) for part in PARTS),
        *(_following(part, plan) for part in PARTS),
    ]


def _poses(part: str, plan: Plan) -> Table:
    entries = {}
    for tracker in (None, *TRACKERS):
        row = TITLES[tracker] if tracker else TRUE_BOXES
        printed = published.TRACKING.get(tracker or "", {}) if part == "all" else {}
        parts = [ap(_cell(tracker, network, plan), part) for network in NETWORKS]
        for network, one in zip(NETWORKS, parts, strict=True):
            entries[row, TITLES[network]] = Entry((one,), printed.get(network))
        entries[row, AVERAGE] = Entry(tuple(parts), printed.get(AVERAGE))
    return Table(
        NAME,
        f"Pose on tracked boxes, {PARTS[part]}",
        (TRUE_BOXES, *(TITLES[tracker] for tracker in TRACKERS)),
        (*(TITLES[network] for network in NETWORKS), AVERAGE),
        entries,
        "The trackers are reconstructions: the paper's weights are published, its code is not.",
    )


def _following(part: str, plan: Plan) -> Table:
    # Every cell of a tracker holds the same scores of following; the first serves.
    entries = {
        (TITLES[tracker], title): Entry(
            (Part(_cell(tracker, NETWORKS[0], plan).id, ("tracking", part, measure)),)
        )
        for tracker in TRACKERS
        for measure, title in MEASURES.items()
    }
    return Table(
        NAME,
        f"Following, {PARTS[part]}",
        tuple(TITLES[tracker] for tracker in TRACKERS),
        tuple(MEASURES.values()),
        entries,
        "AO, HOTA and IDF1 in percent.",
    )
