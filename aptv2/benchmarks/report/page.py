"""The report's files: one page that needs nothing else, and Markdown for a README."""

from __future__ import annotations

import html
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

import orjson

from aptv2.benchmarks.cells import Table
from aptv2.benchmarks.report.details import FILE
from aptv2.benchmarks.report.entries import tables
from aptv2.benchmarks.report.figures import draw_figures
from aptv2.benchmarks.report.gallery import Budget, draw_gallery
from aptv2.benchmarks.report.markdown import markdown
from aptv2.benchmarks.report.tables import cell_table, paper_table, settings_list
from aptv2.benchmarks.report.values import MINIATURE, Results, clean, status
from aptv2.benchmarks.store import is_miniature, read_results
from aptv2.benchmarks.tracks.registry import TRACKS
from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.reports.style import STYLE

PAGE, TEXT = "index.html", "report.md"

_ABOUT = {
    "supervised": "Seven networks, each trained on APTv2 from three sets of weights.",
    "zero-shot": "Networks trained on AP-10K alone, tested on six families of APTv2.",
    "leave-one-out": "HRNet-w32 trained without one family, tested on all six.",
    "low-data": "Networks fine-tuned on a few animals a species.",
    "tracking": "Poses on the boxes of trackers that start from each animal's first box.",
}


def write_report(results: Path, output: Path) -> None:
    """Write `index.html` and `report.md` from a results folder, which may be incomplete.

    Parameters
    ----------
    results
        The results folder. Nothing else is read: the data may be elsewhere.
    output
        Folder for the two files; made where it is missing.

    Raises
    ------
    InputError
        Where it is no results folder, one of another version, or a file cannot be read or written.
    """
    miniature = is_miniature(results)
    found = _with_details(results, read_results(results))
    shown = tables(results)
    if not shown:
        raise InputError(f"{results} holds no results yet; run `aptv2 bench` with it first.")
    _write(output / TEXT, markdown(shown, found, miniature))
    _write(output / PAGE, _page(shown, found, results, miniature))


def _with_details(folder: Path, results: Results) -> Results:
    """Results with what lies in each cell's details under `details`."""
    return {
        cell: result | {"details": _details(folder / "cells" / cell / "details" / FILE)}
        for cell, result in results.items()
    }


def _details(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        content = orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); delete its cell's folder.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} is not an object; delete its cell's folder.")
    return content


def _page(shown: Sequence[Table], results: Results, folder: Path, miniature: bool) -> str:
    budget = Budget()
    sections, links, states = [], [], []
    for track in TRACKS:
        own = [table for table in shown if table.track == track]
        cells = _cells(own, track, results)
        done = sum(status(results.get(cell)) == "done" for cell in cells)
        states += [status(results.get(cell)) for cell in cells]
        links.append(
            f'<a href="#{track}">{_title(track)} <small>{done}/{len(cells)}</small></a>'
            if own
            else ""
        )
        sections.append(_section(track, own, cells, results, folder, miniature, budget))
    counts = {name: states.count(name) for name in ("done", "failed", "not run")}
    tiles = "".join(f"<div><dt>cells {k}</dt><dd>{v:,}</dd></div>" for k, v in counts.items())
    return Template(_asset("page.html")).substitute(
        title="APTv2 benchmark" + (" (miniature)" if miniature else ""),
        style=STYLE + _asset("page.css"),
        script=_asset("page.js"),
        banner=f'<p class="banner" role="note"><strong>{MINIATURE}</strong></p>'
        if miniature
        else "",
        tiles=tiles,
        links="".join(links),
        sections="".join(sections),
    )


def _section(
    track: str,
    own: Sequence[Table],
    cells: Sequence[str],
    results: Results,
    folder: Path,
    miniature: bool,
    budget: Budget,
) -> str:
    head = f'<section id="{track}"><header><h2>{_title(track)}</h2><p>{_ABOUT[track]}</p></header>'
    if not own:
        return f'{head}<p class="missing">This track was not started.</p></section>'
    return "".join(
        [
            head,
            _problems(cells, results),
            *(paper_table(table, results, miniature) for table in own),
            draw_figures(own, cells, results, miniature),
            cell_table(track, cells, results, miniature),
            draw_gallery(cells, results, folder, budget),
            settings_list(cells, results),
            "</section>",
        ]
    )


def _problems(cells: Sequence[str], results: Results) -> str:
    failed = [cell for cell in cells if status(results.get(cell)) == "failed"]
    waiting = sum(status(results.get(cell)) == "not run" for cell in cells)
    items = [
        f'<li><span class="failed">✕ {html.escape(cell)}</span>: '
        f"{html.escape(clean(results[cell]['error']))}</li>"
        for cell in failed
    ]
    if waiting:
        items.append(f'<li><span class="not-run">○ {waiting} of {len(cells)} cells</span> '
                     "were not run yet.</li>")  # fmt: skip
    return f'<ul class="problems">{"".join(items)}</ul>' if items else ""


def _cells(own: Sequence[Table], track: str, results: Results) -> list[str]:
    """Ids of a track's cells: those that its tables ask for, then others that have a result."""
    asked = (
        part.cell
        for table in own
        for entry in table.entries.values()
        for part in (*entry.parts, *entry.less)
    )
    others = (cell for cell in results if cell.partition("/")[0] == track)
    return list(dict.fromkeys((*asked, *others)))


def _title(track: str) -> str:
    return track.replace("-", " ").capitalize()


def _asset(name: str) -> str:
    return files("aptv2.benchmarks.report").joinpath(name).read_text(encoding="utf-8")


def _write(path: Path, content: str) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.encode("utf-8", "replace"))
