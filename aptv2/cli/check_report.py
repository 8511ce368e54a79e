"""The report of `aptv2 data check` on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aptv2.datasets.check import Contents, Finding, Report, Total


def print_report(report: Report) -> None:
    """Print what there is, the published totals that differ, the dirt, and a last sentence."""
    console = Console()
    console.print(_contents(report.contents))
    if report.findings:
        console.print(_findings(report.findings))
    if differing := [total for total in report.totals if total.found != total.published]:
        console.print(_totals(differing))
    verdict = "[red]data would be lost[/]" if report.lost else "[green]usable as it is[/]"
    console.print(f"{_plain(report.root)}: {verdict}; images decoded: {report.images_checked:,}.")
    if report.totals:
        same = len(report.totals) - len(differing)
        console.print(f"{same} of APTv2's {len(report.totals)} published totals are the same.")


def _contents(contents: list[Contents]) -> Table:
    table = Table(title="What is there")
    table.add_column("file", no_wrap=True)
    columns = ("images", "with animals", "clips", "tracks", "animals", "no keypoints", "species")
    for name in columns:
        table.add_column(name, justify="right")
    for file in contents:
        numbers = (
            *(file.images, file.frames, file.clips, file.tracks, file.animals),
            *(file.without_keypoints, len(file.species)),
        )
        table.add_row(_plain(file.name), *(f"{number:,}" for number in numbers))
    return table


def _findings(findings: list[Finding]) -> Table:
    table = Table(title="What is wrong", show_lines=True)
    table.add_column("count", justify="right")
    table.add_column("data lost")
    table.add_column("what, and the first of it")
    for finding in findings:
        lost = "[red]yes[/]" if finding.lost else "no"
        text = "\n  ".join(map(_plain, (finding.title, *finding.examples)))
        table.add_row(f"{finding.count:,}", lost, text)
    return table


def _totals(totals: list[Total]) -> Table:
    table = Table(title="Other than published")
    table.add_column("total")
    table.add_column("published", justify="right")
    table.add_column("found", justify="right")
    for total in totals:
        found = "no file" if total.found is None else f"{total.found:,}"
        table.add_row(total.what, f"{total.published:,}", found, style="red" * total.short)
    return table


def _plain(text: str) -> str:
    """Text without what a terminal would act on: names from a file may hold anything."""
    unknown = "\N{REPLACEMENT CHARACTER}"
    return escape("".join(letter if letter.isprintable() else unknown for letter in text))
