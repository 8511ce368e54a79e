"""The report's charts and heat maps of one track."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from typing import Any

from aptv2.benchmarks.cells import TITLES, Table
from aptv2.benchmarks.report.tables import heat_map
from aptv2.benchmarks.report.values import Results, number, overall, percent, status
from aptv2.reports.charts import Bar, Point, bar_chart, line_chart, scatter_chart
from aptv2.species import FAMILIES, SPECIES, canonical

_FEWEST = 0.05  # share of the first frame's animals that a mean over time is of at least
_MOST_BARS = 60
_WORDS = TITLES | {name.lower(): name for name in FAMILIES} | {"truth": "true boxes"}


def draw_figures(
    tables: Sequence[Table], cells: Sequence[str], results: Results, miniature: bool
) -> str:
    """Charts and heat maps of a track, or for each a sentence why there is none.

    Parameters
    ----------
    tables
        The track's, whose published numbers are shown beside ours.
    cells
        Ids of its cells, in order.
    results
        By cell id, with their details.
    miniature
        Whether the results are a miniature's: the published numbers are left out then.
    """
    done = {c: results[c] for c in cells if status(results.get(c)) == "done"}
    if not done:
        return '<p class="missing">No cell is done, so there is nothing to draw.</p>'
    charts = [
        _figure(
            "AP of every cell", "With 95 % intervals over clips.", _bars(tables, done, miniature)
        ),
        _figure(
            "AP against speed",
            "Up and to the right is better. Measured in the test, on the machine that ran it.",
            _scatter(
                done, "animals a second", lambda r: (r.get("speed") or {}).get("animals_per_second")
            ),
        ),
        _figure(
            "AP against size",
            "Up and to the left is better.",
            _scatter(done, "parameters, millions", lambda r: _millions(r.get("parameters"))),
        ),
    ]
    for key, title in (("OKS 0.50", "OKS 0.50"), ("mean", "mean over OKS 0.50 to 0.95")):
        charts.append(
            _figure(
                f"Precision and recall, {title}",
                "Means over species; of each kind the cell with the highest AP.",
                _precision(_best(done), key, title),
            )
        )
    if any(result.get("tracking") for result in done.values()):
        charts.append(
            _figure(
                "Pose error over time",
                "100 less the mean OKS, by frames since an animal's first. A line ends where under "
                "5 % of the animals are left.",
                _over_time(_best(done)),
            )
        )
    maps = _keypoints(done, miniature) + _species(done, miniature)
    return f'<div class="charts">{"".join(charts)}</div>{maps}'


def title_of(cell: str) -> str:
    """A cell's name as the paper writes it: `supervised/res50-in1k` -> Res-50, IN1k."""
    name, plus, boxes = cell.partition("/")[2].partition("+")
    words = ", ".join(_WORDS.get(word, word) for word in name.split("-"))
    return words.replace("without, ", "w/o ") + (f" + {boxes}" if plus else "")


def _kind(cell: str) -> str:
    """Group of a cell in a chart of few lines: the first word of its name."""
    return title_of(cell).partition(",")[0]


def _figure(title: str, caption: str, drawn: str) -> str:
    if not drawn.startswith("<svg"):
        drawn, caption = f'<p class="missing">{html.escape(drawn)}</p>', ""
    said = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return f"<figure data-walk><h3>{html.escape(title)}</h3>{drawn}{said}</figure>"


def _interval(result: dict[str, Any]) -> tuple[float, float]:
    low, high = result["scores"]["all"].get("AP_interval") or (None, None)
    return percent(low), percent(high)


def _tip(cell: str, result: dict[str, Any]) -> str:
    low, high = _interval(result)
    tip = f"{title_of(cell)}\nAP {number(overall(result))}"
    return tip if math.isnan(low) else f"{tip}, 95 % interval {number(low)} to {number(high)}"


def _bars(tables: Sequence[Table], done: Results, miniature: bool) -> str:
    published: dict[str, float] = {}
    for entry in (entry for table in tables for entry in table.entries.values()):
        whole = len(entry.parts) == 1 and entry.parts[0].path == ("scores", "all", "AP")
        if whole and entry.published is not None and not miniature:
            published[entry.parts[0].cell] = entry.published
    bars = []
    for cell, result in list(done.items())[:_MOST_BARS]:
        if math.isnan(value := overall(result)):
            continue
        other = published.get(cell, math.nan)
        paper = "" if math.isnan(other) else f"\npaper {number(other)}"
        tip = _tip(cell, result) + paper
        bars.append(Bar(title_of(cell), value, *_interval(result), other, tip))
    return bar_chart(bars, "AP of every cell", "paper") if bars else "No cell has an AP."


def _scatter(done: Results, label: str, measure: Callable[[dict[str, Any]], float | None]) -> str:
    points = []
    for cell, result in done.items():
        x, y = measure(result), overall(result)
        if x is not None and x > 0 and not math.isnan(y):
            tip = f"{_tip(cell, result)}\n{label} {number(x)}"
            points.append(Point(x, y, tip, _kind(cell)))
    if len({point.x for point in points}) < 2:
        return f"Not two cells differ in {label}."
    spread = max(p.x for p in points) / min(p.x for p in points)
    return scatter_chart(points, f"AP against {label}", (label, "AP"), log=spread > 4)


def _best(done: Results) -> Results:
    """Of each kind the cell with the highest AP, in the kinds' order."""
    best: dict[str, str] = {}
    for cell, result in done.items():
        other = best.setdefault(_kind(cell), cell)
        if overall(result) > overall(done[other]) or math.isnan(overall(done[other])):
            best[_kind(cell)] = cell
    return {cell: done[cell] for cell in best.values()}


def _precision(best: Results, key: str, title: str) -> str:
    lines = {}
    for cell, result in best.items():
        curve = (result["details"].get("curves") or {}).get(key)
        if curve and None not in curve:
            lines[_kind(cell)] = [
                Point(
                    place,
                    100 * value,
                    f"{title_of(cell)}\nrecall {place} %, precision {number(100 * value)} %"
                    if place % 10 == 0
                    else "",
                )
                for place, value in enumerate(curve)
            ]
    if not lines:
        return "No cell has precision and recall."
    labels = ("recall, %", "precision, %")
    return line_chart(lines, f"Precision and recall, {title}", labels, ends=(0, 103))


def _over_time(best: Results) -> str:
    lines = {}
    for cell, result in best.items():
        rows = [row for row in result["details"].get("over_time") or () if row[1] is not None]
        kept = [row for row in rows if row[2] >= _FEWEST * rows[0][2]]
        if kept:
            lines[_kind(cell)] = [
                Point(
                    since,
                    100 - 100 * alike,
                    f"{title_of(cell)}\nframe {since:.0f} since the first\nerror "
                    f"{number(100 - 100 * alike)}, {animals:,.0f} animals",
                )
                for since, alike, animals in kept
            ]
    if not lines:
        return "No cell has poses with the time since a track's first frame."
    return line_chart(lines, "Pose error over time", ("frames since the first", "100 − mean OKS"))


def _keypoints(done: Results, miniature: bool) -> str:
    names = {
        title_of(cell): result["details"].get("keypoints") or {} for cell, result in done.items()
    }
    keypoints = dict.fromkeys(keypoint for one in names.values() for keypoint in one.get("all", {}))
    rows = {
        keypoint.replace("_", " "): {
            name: percent(one.get("all", {}).get(keypoint)) for name, one in names.items()
        }
        for keypoint in keypoints
    }
    if not rows:
        return _missing("By keypoint", "No cell has scores by keypoint.")
    note = "A keypoint's mean part in OKS, in percent: 100 is on the spot, 0 far off or missed."
    return heat_map("By keypoint", rows, list(names), "OKS", note, miniature)


def _species(done: Results, miniature: bool) -> str:
    columns = {title_of(cell): result["scores"]["all"] for cell, result in done.items()}
    found = dict.fromkeys(name for one in columns.values() for name in one.get("by_species", {}))
    order = {name: place for place, name in enumerate(SPECIES)}  # By family, as in the paper.
    rows = {
        species: {
            name: percent((one.get("by_species", {}).get(species) or {}).get("AP"))
            for name, one in columns.items()
        }
        for species in sorted(found, key=lambda name: (order.get(canonical(name), 99), name))
    }
    if not rows:
        return _missing("By species", "No cell has scores by species.")
    note = "AP in percent, species by family."
    return heat_map("By species", rows, list(columns), "AP", note, miniature)


def _missing(title: str, sentence: str) -> str:
    return f'<div class="card"><h3>{title}</h3><p class="missing">{html.escape(sentence)}</p></div>'


def _millions(count: int | None) -> float | None:
    return None if count is None else count / 1e6
