"""The statistics of a data set as files: numbers, figures and one HTML page that holds them all."""

from __future__ import annotations

import contextlib
import html
from dataclasses import asdict
from pathlib import Path
from string import Template

import orjson

from aptv2.datasets.statistics import QUANTILES, Statistics
from aptv2.files import atomic_write
from aptv2.reports.canvas import inline_svg, render
from aptv2.reports.figures import FIGURES
from aptv2.reports.style import STYLE


def write_statistics(statistics: Statistics, folder: str | Path, title: str) -> list[str]:
    """Write `stats.json`, a PNG and an SVG a figure, and `index.html`.

    The page needs no network and no script; it follows the reader's light or dark screen. A figure
    that the data cannot fill is left out, and the page says why.

    Parameters
    ----------
    statistics
        The numbers.
    folder
        Where the files go; made where it is missing. Files of the same names are replaced, and
        removed where there is nothing to draw any more.
    title
        Heading of the page: the data set's name.

    Returns
    -------
    list of str
        Why figures were left out, a sentence each.

    Raises
    ------
    InputError
        Where a file cannot be written.
    """
    folder = Path(folder)
    numbers = asdict(statistics) | {"quantiles": QUANTILES}
    options = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2
    _write(folder / "stats.json", orjson.dumps(numbers, option=options) + b"\n")
    sections, left_out = [], []
    for kind in FIGURES:
        if reason := kind.missing(statistics):
            left_out.append(f"No figure of {kind.title.lower()}: {reason}")
            body = f'<p class="missing">{html.escape(reason)}</p>'
            for ending in ("png", "svg"):  # An earlier run's figure would not fit the new numbers.
                with contextlib.suppress(OSError):
                    (folder / f"{kind.name}.{ending}").unlink()
        else:
            figure = kind.draw(statistics)
            _write(folder / f"{kind.name}.png", render(figure, "png"))
            svg = render(figure, "svg")
            _write(folder / f"{kind.name}.svg", svg)
            caption = html.escape(kind.caption)
            body = f"{inline_svg(svg, kind.title)}<figcaption>{caption}</figcaption>"
        sections.append(f"<figure><h2>{html.escape(kind.title)}</h2>{body}</figure>")
    page = _PAGE.substitute(
        style=STYLE,
        title=html.escape(title),
        totals=_totals(statistics),
        figures="\n".join(sections),
        species=_species(statistics),
    )
    _write(folder / "index.html", page.encode("utf-8", "replace"))
    return left_out


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _totals(statistics: Statistics) -> str:
    return "".join(
        f"<div><dt>{name.replace('_', ' ')}</dt><dd>{number:,}</dd></div>"
        for name, number in asdict(statistics.totals).items()
        if number
    )


def _species(statistics: Statistics) -> str:
    rows = []
    for one in statistics.species:
        names = f"<th>{html.escape(one.name)}</th><td>{html.escape(one.family)}</td>"
        counts = (one.clips, one.tracks, one.frames, one.instances, one.easy, one.hard)
        rows.append(f"<tr>{names}{''.join(f'<td>{count:,}</td>' for count in counts)}</tr>")
    return "\n".join(rows)


_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
$style
main { columns: 2 26rem; column-gap: 1rem; margin-bottom: 1rem; }
th:first-child, td:nth-child(2), thead th:nth-child(2) { text-align: left; }
</style>
</head>
<body>
<h1>$title</h1>
<dl>$totals</dl>
<main>
$figures
</main>
<div class="table">
<table>
<thead><tr><th>species</th><th>family</th><th>clips</th><th>tracks</th><th>frames</th>
<th>instances</th><th>easy</th><th>hard</th></tr></thead>
<tbody>
$species
</tbody>
</table>
</div>
</body>
</html>
""")
