"""The report of `aptv2 test` on a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aptv2.evaluation.results import KeypointNumbers
from aptv2.testing.reports import PoseReport, TrackedPoseReport, TrackerReport

_COLUMNS = ("AP50", "AP75", "APM", "APL", "AR")
_TRACKING = {
    "AO": "AO",
    "SR50": "SR50",
    "SR75": "SR75",
    "lost": "lost",
    "HOTA": "HOTA",
    "IDF1": "IDF1",
    "MOTA": "MOTA",
    "joint_MOTA": "joint MOTA",
    "id_switches": "switches",
}
_BOXES = ("AO", "SR50", "SR75", "success", "precision", "normalised_precision")
_LIFTED = "AP_all_detections"


def print_report(report: PoseReport) -> None:
    """Print AP of all, easy and hard animals, then of all by family and by species, in percent.

    AP with every detection of a frame is shown where a frame holds more than COCO's limit of them.
    """
    whole = report.scores["all"]
    columns = [*_COLUMNS, *([_LIFTED] if whole.frames_over_limit else [])]
    overall: dict[str, KeypointNumbers] = {}
    for name, scores in report.scores.items():
        overall |= {name.upper(): scores, f"{name.upper()}, pooled": scores.pooled}
    console = Console()
    title = f"{report.animals:,} animals in {report.frames:,} frames"
    console.print(_table(f"{title}: means over species, and pooled", overall, columns))
    console.print(_table("By family", whole.by_family, columns))
    console.print(_table("By species", whole.by_species, columns))


def print_tracked_report(report: TrackedPoseReport) -> None:
    """Print AP on tracked and on annotated boxes, and the scores of the tracks, in percent."""
    columns = list(_COLUMNS)
    console = Console()
    for name, tracked in report.scores.items():
        rows = {
            "tracked boxes": tracked,
            "annotated boxes": report.true_boxes[name],
            "tracked, as reported": report.reported[name],
        }
        console.print(_table(f"{name.upper()}: AP, mean over species", rows, columns))
    table = Table(title=f"Tracks of {report.tracking['all'].animals:,} animals")
    table.add_column()
    for heading in _TRACKING.values():
        table.add_column(heading, justify="right")
    for name, scores in report.tracking.items():
        cells = (scores.get(key, math.nan) for key in _TRACKING)
        shown = (str(cell) if isinstance(cell, int) else _percent(cell) for cell in cells)
        table.add_row(name.upper(), *shown)
    console.print(table)


def print_box_report(report: TrackerReport) -> None:
    """Print the scores of animals that were each followed on their own, in percent."""
    title = f"{report.animals:,} clips, {report.frames:,} frames that count"
    table = Table(title=f"{title}, {report.fps:.1f} frames a second")
    for name in _BOXES:
        table.add_column(name.replace("normalised_", "norm. "), justify="right")
    table.add_row(*(_percent(report[name]) for name in _BOXES))
    Console().print(table)


def _table(title: str, rows: Mapping[str, KeypointNumbers], columns: list[str]) -> Table:
    table = Table(title=title)
    table.add_column()
    for name in ("AP", "95 %", *columns):
        table.add_column("AP, no limit" if name == _LIFTED else name, justify="right")
    for name, scores in rows.items():
        low, high = scores.AP_interval or (math.nan, math.nan)
        interval = "-" if math.isnan(low) else f"{_percent(low)}-{_percent(high)}"
        rest = [_percent(scores[key]) for key in columns]
        table.add_row(escape(name), _percent(scores.AP), interval, *rest)
    return table


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"
