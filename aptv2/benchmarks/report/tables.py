"""The report's tables in HTML: the paper's, every cell's numbers, and heat maps.

Everything that comes from a file is escaped here. Details of an entry lie in its `data-tip`, which
the page shows on hover and focus.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from typing import Any

from aptv2.benchmarks.cells import Table
from aptv2.benchmarks.report.values import (
    NOTHING,
    Results,
    Shown,
    clean,
    number,
    overall,
    percent,
    show,
    status,
)

_MINIATURE = ' <strong class="badge">miniature: not comparable with the paper</strong>'
_SIGNS = {"failed": "✕ failed", "not run": "○ not run", "undefined": NOTHING, "done": "✓ done"}
_MEASURES = ("AP50", "AP75", "APM", "APL", "AR")
_FOLLOWING = {"AO": "AO", "HOTA": "HOTA", "IDF1": "IDF1", "MOTA": "MOTA", "id_switches": "switches"}
_SETTINGS = ("network", "weights", "data", "split", "animals", "frames", "predictions",
             "settings", "fingerprints", "seconds", "memory", "by")  # fmt: skip


def paper_table(table: Table, results: Results, miniature: bool) -> str:
    """A table of the paper: in each place ours, and the paper's and the difference below."""
    entries = [show(entry, results, miniature) for entry in table.entries.values()]
    if all(entry.mark == "undefined" for entry in entries):
        title, reason = html.escape(table.title), html.escape(entries[0].why if entries else "")
        return (
            f'<div class="card"><h3>{title}</h3><p class="missing">The data that was tested on '
            f"does not hold these numbers ({reason}).</p></div>"
        )
    head = _head("", table.columns)
    body = []
    for row in table.rows:
        cells = []
        for column in table.columns:
            entry = table.entries.get((row, column))
            if entry is None:
                cells.append("<td></td>")
                continue
            shown = show(entry, results, miniature)
            where = ", ".join(sorted({part.cell for part in (*entry.parts, *entry.less)}))
            cells.append(_entry(shown, f"{row}, {column}", where, miniature))
        body.append(f'<tr><th scope="row">{html.escape(row)}</th>{"".join(cells)}</tr>')
    note = f'<p class="note">{html.escape(table.note)}</p>' if table.note else ""
    return _framed(table.title, head, body, miniature, note)


def cell_table(track: str, cells: Sequence[str], results: Results, miniature: bool) -> str:
    """Every cell of a track, done or not, with all of its numbers."""
    following = any((results.get(cell) or {}).get("tracking") for cell in cells)
    parts = [p for p in ("easy", "hard") if any(_has(results.get(cell), p) for cell in cells)]
    columns = ["state", "AP", "95 %", *(part.upper() for part in parts), *_MEASURES]
    columns += [
        *(_FOLLOWING.values() if following else ()),
        "animals/s",
        "parameters, M",
        "minutes",
    ]
    body = []
    for cell in cells:
        result, state = results.get(cell), status(results.get(cell))
        tip = f"{cell}: {state}"
        if state == "failed" and result:
            tip += f"\n{clean(result['error'])}"
        name = html.escape(clean(cell.partition("/")[2]))
        kind, said = state.replace(" ", "-"), html.escape(tip)
        row = f'<td class="{kind}" data-tip="{said}">{_SIGNS[state]}</td>'
        row += _numbers(result or {}, parts, following) if state == "done" else ""
        if state != "done":
            row += f"<td>{NOTHING}</td>" * (len(columns) - 1)
        body.append(f'<tr><th scope="row">{name}</th>{row}</tr>')
    title = f"Every cell of {track}"
    framed = _framed(title, _head("cell", columns), body, miniature, "")
    return f"<details><summary>{title} ({len(cells)})</summary>{framed}</details>"


def heat_map(
    title: str,
    rows: dict[str, dict[str, float]],
    columns: Sequence[str],
    unit: str,
    note: str,
    miniature: bool,
) -> str:
    """Numbers on a ground that is the deeper the higher they are.

    Parameters
    ----------
    title, note
        Above and below.
    rows
        Row -> column -> value in percent; what is missing or NaN stays blank.
    columns
        In order.
    unit
        What the numbers are.
    miniature
        Whether they are a miniature's, which the title then says.
    """
    known = [v for row in rows.values() for v in row.values() if not math.isnan(v)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    body = []
    for name, row in rows.items():
        cells = []
        for column in columns:
            value = row.get(column, math.nan)
            if math.isnan(value):
                cells.append(f'<td data-sort="">{NOTHING}</td>')
                continue
            depth = round(100 * (value - low) / ((high - low) or 1))
            tip = html.escape(f"{clean(name)}, {column}\n{unit} {number(value)}")
            cells.append(
                f'<td style="--depth:{depth}" data-sort="{value:.4f}" data-tip="{tip}">'
                f"{number(value, 0)}</td>"
            )
        body.append(f'<tr><th scope="row">{html.escape(clean(name))}</th>{"".join(cells)}</tr>')
    scale = (
        f'<p class="note">{html.escape(note)} <span class="scale">{number(low, 0)}'
        f'<span class="ramp" aria-hidden="true"></span>{number(high, 0)}</span></p>'
    )
    return _framed(title, _head("", columns), body, miniature, scale, "heat")


def settings_list(cells: Sequence[str], results: Results) -> str:
    """Settings that each cell ran with, from its result."""
    items = []
    for cell in cells:
        if result := results.get(cell):
            text = json.dumps(
                {key: result.get(key) for key in _SETTINGS}, indent=1, ensure_ascii=False
            )
            items.append(f"<h4>{html.escape(cell)}</h4><pre>{html.escape(text)}</pre>")
    if not items:
        return ""
    return f"<details><summary>Settings and fingerprints</summary>{''.join(items)}</details>"


def _framed(
    title: str, head: str, body: list[str], miniature: bool, note: str, kind: str = "numbers"
) -> str:
    """A table that scrolls in a frame of its own and can be walked through with the arrow keys."""
    said = html.escape(title)
    badge = _MINIATURE if miniature else ""
    return (
        f'<div class="card"><h3>{said}{badge}</h3>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{said}, scrolls sideways">'
        f'<table class="{kind}" data-walk><caption class="hidden">{said}</caption>'
        f"<thead>{head}</thead><tbody>{''.join(body)}</tbody></table></div>{note}</div>"
    )


def _head(corner: str, columns: Sequence[str]) -> str:
    cells = "".join(
        f'<th scope="col"><button type="button" class="sort"><span>{html.escape(column)}</span>'
        "</button></th>"
        for column in (corner or "name", *columns)
    )
    return f"<tr>{cells}</tr>"


def _entry(shown: Shown, place: str, where: str, miniature: bool) -> str:
    tip, lines = [place], []
    if shown.ours:
        value = f'<span class="ours">{shown.ours}</span>'
        tip.append(f"ours {shown.ours}")
        if shown.spread:
            tip.append(f"standard deviation of these cells {shown.spread}")
            lines.append(shown.spread)
        if shown.interval:
            tip.append(f"95 % interval over clips {shown.interval}")
    else:
        value = f'<span class="{shown.mark.replace(" ", "-")}">{_SIGNS[shown.mark]}</span>'
        tip.append(shown.why or "not defined by the data")
    if shown.published:
        tip.append(f"paper {shown.published}")
        paper = shown.published
        if shown.difference:
            value += f' <span class="difference">{shown.difference}</span>'
            inside = "inside" if shown.inside else "outside"
            ending = f", the paper's is {inside} our interval" if shown.interval else ""
            tip.append(f"difference {shown.difference}{ending}")
        elif miniature:
            tip.append("no difference is given: a miniature is not comparable")
        lines.append(f"paper {paper}")
    tip.append(where)
    below = "".join(f"<small>{line}</small>" for line in lines)
    if shown.interval:
        below = f"<small>{shown.interval.replace(' to ', '–')}</small>" + below
    order = "" if math.isnan(shown.value) else f"{shown.value:.6f}"
    said = html.escape("\n".join(tip))
    return f'<td data-sort="{order}" data-tip="{said}">{value}{below}</td>'


def _numbers(result: dict[str, Any], parts: Sequence[str], following: bool) -> str:
    scores = result["scores"]["all"]
    low, high = scores.get("AP_interval") or (None, None)
    between = NOTHING if low is None else f"{number(percent(low))}–{number(percent(high))}"
    values: list[tuple[float, str]] = [(percent(scores["AP"]), number(percent(scores["AP"])))]
    values.append((percent(low), between))
    values += [(v := overall(result, part=part), number(v)) for part in parts]
    values += [(v := overall(result, name), number(v)) for name in _MEASURES]
    if following:
        measured = (result.get("tracking") or {}).get("all", {})
        for name in _FOLLOWING:
            share = measured.get(name)
            if name == "id_switches":
                values.append((math.nan if share is None else share, number(share, 0)))
            else:
                values.append((v := percent(share), number(v)))
    speed = (result.get("speed") or {}).get("animals_per_second")
    size = result.get("parameters")
    millions = math.nan if size is None else size / 1e6
    seconds = [value for value in (result.get("seconds") or {}).values() if value is not None]
    minutes = sum(seconds) / 60 if seconds else math.nan
    values += [(math.nan if speed is None else speed, number(speed))]
    values += [(millions, number(millions)), (minutes, number(minutes))]
    return "".join(
        f'<td data-sort="{"" if math.isnan(value) else f"{value:.6f}"}">{text}</td>'
        for value, text in values
    )


def _has(result: dict[str, Any] | None, part: str) -> bool:
    return bool(result) and part in (result or {}).get("scores", {})
