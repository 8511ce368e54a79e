"""The report's tables as Markdown, to stand in a README."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aptv2.benchmarks.cells import Table
from aptv2.benchmarks.report.values import MINIATURE, NOTHING, Results, Shown, clean, show, status


def markdown(tables: Sequence[Table], results: Results, miniature: bool) -> str:
    """All tables, and below them the cells that failed and why."""
    lines = ["# APTv2 benchmark", ""]
    if miniature:
        lines += [f"> **{MINIATURE}**", ""]
    lines += [
        "AP in percent: **ours** [95 % interval over clips], below the paper's number and the "
        "difference to it.",
        "",
    ]
    for table in tables:
        lines += _table(table, results, miniature)
    failed = {key: result for key, result in results.items() if status(result) == "failed"}
    if failed:
        lines += ["## Cells that failed", ""]
        lines += [f"- {plain(key)}: {plain(str(failed[key]['error']))}" for key in sorted(failed)]
        lines.append("")
    return "\n".join(lines)


def plain(text: str) -> str:
    """Text from a file as Markdown shows it letter by letter: on one line, nothing a command."""
    text = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]|#~$])", r"\\\1", text)


def _table(table: Table, results: Results, miniature: bool) -> list[str]:
    title = plain(table.title) + (" (miniature)" if miniature else "")
    lines = [f"## {title}", ""]
    if table.note:
        lines += [plain(table.note), ""]
    lines.append(f"| | {' | '.join(map(plain, table.columns))} |")
    lines.append(f"| --- |{' ---: |' * len(table.columns)}")
    for row in table.rows:
        cells = []
        for column in table.columns:
            entry = table.entries.get((row, column))
            cells.append(_cell(show(entry, results, miniature)) if entry else "")
        lines.append(f"| {plain(row)} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(shown: Shown) -> str:
    ours = f"**{shown.ours}**" if shown.ours else f"*{shown.mark}*"
    if shown.spread:
        ours += f" {shown.spread}"
    if shown.interval:
        ours += f" [{shown.interval}]"
    if not shown.published:
        return ours if shown.mark != "undefined" else NOTHING
    paper = f"paper {shown.published}"
    return f"{ours}<br>{paper}, {shown.difference}" if shown.difference else f"{ours}<br>{paper}"
