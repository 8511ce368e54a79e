"""Charts of an HTML page whose bars and points show details on hover: bars, points and lines.

They are drawn by matplotlib. What shows the details is an invisible artist over each bar or point,
larger than what it covers, so that a finger hits it. Series differ in shape or dash as well as in
colour.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from aptv2.reports.canvas import ROW, add_legend, inline_svg, plain_axes, render, row_axes
from aptv2.reports.style import BLUE, INK, MUTED, ORANGE, PAPER, SERIES

_HEIGHT = 3.0  # inches of a chart that is not of bars
_MARKERS = "osD^vPXhdp"
_DASHES = ("-", (0, (4, 2)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.5, 1.5)), (0, (2.5, 1.5)))
_TARGET = 14.0  # points: size of what can be hit
_NUMBER = FuncFormatter(lambda value, _: f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}")


class Point(NamedTuple):
    """A place in a chart and its details; `series` chooses colour and shape."""

    x: float
    y: float
    tip: str
    series: str = ""


class Bar(NamedTuple):
    """A line of a bar chart: value, ends of its interval and a value to compare with, or NaN."""

    label: str
    value: float
    low: float
    high: float
    other: float
    tip: str


def bar_chart(bars: Sequence[Bar], title: str, other: str) -> str:
    """Horizontal bars from 0, their intervals as whiskers, the compared values as diamonds.

    Parameters
    ----------
    bars
        From top to bottom; at least one.
    title
        What a screen reader says of the whole chart.
    other
        Name of the compared values.
    """
    figure, axes = row_axes([bar.label for bar in bars])
    rows = range(len(bars))
    axes.barh(rows, [bar.value for bar in bars], 0.64, color=BLUE, clip_on=False, gid="bars")
    whiskers = [(row, bar.low, bar.high) for row, bar in enumerate(bars) if not math.isnan(bar.low)]
    for row, low, high in whiskers:
        axes.plot([low, high], [row, row], "-|", color=INK, lw=1, ms=5, clip_on=False)
    compared = [(row, bar.other) for row, bar in enumerate(bars) if not math.isnan(bar.other)]
    if compared:
        places, values = zip(*compared, strict=True)
        axes.plot(
            values, places, "D", color=ORANGE, ms=5.5, mec=PAPER, mew=0.7, label=other,
            clip_on=False,
        )  # fmt: skip
        add_legend(axes)
    ends = [max(v for v in bar[1:5] if not math.isnan(v)) for bar in bars]
    longest = max(*ends, 1e-9)
    for row, (bar, end) in enumerate(zip(bars, ends, strict=True)):
        axes.annotate(
            f"{bar.value:.1f}", (end, row), (5, 0), textcoords="offset points", va="center",
            size=9, color=MUTED,
        )  # fmt: skip
        axes.plot([0, longest], [row, row], lw=0.85 * 72 * ROW, alpha=0, gid=_gid(row),
                  color=INK, solid_capstyle="butt", clip_on=False)  # fmt: skip
    axes.set_xlim(0, 1.14 * longest)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(_NUMBER)
    return _page_part(figure, title, [bar.tip for bar in bars])


def scatter_chart(
    points: Sequence[Point], title: str, labels: tuple[str, str], *, log: bool = False
) -> str:
    """Points in a plane; every series has a shape and a colour of its own.

    Parameters
    ----------
    points
        At least one; x above 0 where `log` is set.
    title
        What a screen reader says of the whole chart.
    labels
        Of the two axes.
    log
        Whether the x axis is logarithmic.
    """
    figure, axes = plain_axes(_HEIGHT)
    series: dict[str, list[Point]] = {}
    for point in points:
        series.setdefault(point.series, []).append(point)
    for number, (name, members) in enumerate(series.items()):
        axes.plot(
            [point.x for point in members], [point.y for point in members], clip_on=False,
            linestyle="none", marker=_MARKERS[number % len(_MARKERS)], ms=7, mec=PAPER, mew=0.7,
            color=SERIES[number % len(SERIES)], label=name,
        )  # fmt: skip
    _add_targets(axes, points)
    _set_ends(axes, points, None, log)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    add_legend(axes)
    return _page_part(figure, title, [point.tip for point in points])


def line_chart(
    lines: Mapping[str, Sequence[Point]],
    title: str,
    labels: tuple[str, str],
    ends: tuple[float, float] | None = None,
) -> str:
    """Lines, by name; each has a colour and a dash of its own, and details at some of its points.

    Parameters
    ----------
    lines
        Name -> its points from left to right. Points with an empty tip have no details.
    title
        What a screen reader says of the whole chart.
    labels
        Of the two axes.
    ends
        Of the y axis; left out, those of the points.
    """
    figure, axes = plain_axes(_HEIGHT)
    for number, (name, line) in enumerate(lines.items()):
        axes.plot(
            [point.x for point in line], [point.y for point in line], clip_on=False, lw=1.5,
            color=SERIES[number % len(SERIES)], linestyle=_DASHES[number % len(_DASHES)],
            marker="o", ms=3.5, markevery=[n for n, point in enumerate(line) if point.tip],
            label=name,
        )  # fmt: skip
    every = [point for line in lines.values() for point in line]
    detailed = [point for point in every if point.tip]
    _add_targets(axes, detailed)
    _set_ends(axes, every, ends, False)
    axes.set(xlabel=labels[0], ylabel=labels[1])
    add_legend(axes)
    return _page_part(figure, title, [point.tip for point in detailed])


def _gid(number: int) -> str:
    return f"tip{number}"


def _add_targets(axes: Axes, points: Sequence[Point]) -> None:
    for number, point in enumerate(points):
        axes.plot(point.x, point.y, "o", color=INK, ms=_TARGET, mew=0, alpha=0, gid=_gid(number),
                  clip_on=False)  # fmt: skip


def _set_ends(
    axes: Axes, points: Sequence[Point], ends: tuple[float, float] | None, log: bool
) -> None:
    """Limits and numbers of both axes."""
    low, high = min(p.x for p in points), max(p.x for p in points)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    if log:
        axes.set_xscale("log")
        room = (high / low) ** 0.06 if high > low else 2.0
        axes.set_xlim(low / room, high * room)
        digits = (1, 2, 5) if high / low < 100 else (1,)
        axes.xaxis.set_major_locator(LogLocator(subs=digits))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.set_xlim(min(0, low), high + (0.06 * (high - min(0, low)) or 0.3))
    axes.xaxis.set_major_formatter(_NUMBER)
    axes.yaxis.set_major_formatter(_NUMBER)
    floor, ceiling = min(p.y for p in points), max(p.y for p in points)
    spare = 0.08 * (ceiling - floor) or 1.0
    axes.set_ylim(ends or (floor - spare if floor > 0 else floor, ceiling + spare / 2))


def _page_part(figure: Figure, title: str, tips: Sequence[str]) -> str:
    details = {_gid(number): tip for number, tip in enumerate(tips)}
    return inline_svg(render(figure, "svg"), title, details)
