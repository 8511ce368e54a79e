"""Small charts as SVG for an HTML page: bars, points and lines, whose details show on hover.

A chart is text, 440 units wide, which a phone shows at about its own size. Colours of ink and grid
are the page's variables, so that charts follow its light or dark look. What a point, bar or
line says lies in its `data-tip`, for the page's script to show, and in its `aria-label`. Series
differ in shape or dash as well as in colour.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

COLOURS = (
    "#3f7fd9", "#e07b28", "#2b9c72", "#c94f8c", "#8a63d2", "#a88400", "#2391a5", "#cf4a45",
    "#7d8694", "#6b8e23",
)  # fmt: skip
_DASHES = ("", "6 3", "2 2", "8 3 2 3", "4 2")
_WIDTH, _LEFT, _RIGHT, _TOP = 440.0, 46.0, 14.0, 10.0
_HEIGHT, _BELOW = 250.0, 40.0  # of the plane and of the axis under it
_LETTER = 7.8  # width of a letter of the 13-unit type, about
_BAR = 19.0  # height of a bar's line


class Point(NamedTuple):
    """A place in a chart and what it says; `series` chooses colour and shape."""

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
        From top to bottom.
    title
        What a screen reader says of the whole chart.
    other
        Name of the compared values.
    """
    margin = min(215.0, 16 + _LETTER * max(len(_short(bar.label)) for bar in bars))
    bottom = _TOP + _BAR * len(bars)
    values = [v for bar in bars for v in (bar.value, bar.high, bar.other) if not math.isnan(v)]
    ticks = _ticks(0, max(values, default=1))
    place = _scale(0, max(*values, ticks[-1]), margin, _WIDTH - 48)
    parts = []
    for tick in ticks:
        x = place(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom:.1f}"/>')
        parts.append(_text(x, bottom + 15, _number(tick), "middle", "muted"))
    for row, bar in enumerate(bars):
        y = _TOP + _BAR * (row + 0.5)
        parts.append(_text(margin - 6, y + 4, _short(bar.label), "end"))
        end = place(bar.value)
        shape = (
            f'<rect x="{margin:.1f}" y="{y - 6:.1f}" width="{max(0.5, end - margin):.1f}" '
            f'height="12" rx="2" fill="{COLOURS[0]}"/>'
        )
        beyond = end
        if not math.isnan(bar.low):
            low, high = place(bar.low), place(bar.high)
            beyond = max(beyond, high)
            shape += (
                f'<path class="whisker" d="M{low:.1f} {y:.1f}H{high:.1f}'
                f'M{low:.1f} {y - 3:.1f}v6M{high:.1f} {y - 3:.1f}v6"/>'
            )
        if not math.isnan(bar.other):
            x = place(bar.other)
            beyond = max(beyond, x + 5)
            shape += f'<path class="other" d="{_diamond(x, y)}" fill="{COLOURS[1]}"/>'
        shape += _text(beyond + 5, y + 4, _number(bar.value, 1), "start", "muted")
        parts.append(_tipped(shape, bar.tip))
    key = ""
    if any(not math.isnan(bar.other) for bar in bars):
        key = _legend([(other, f'<path d="{_diamond(6, 6)}" fill="{COLOURS[1]}"/>')])
    return _svg("".join(parts), bottom + 24, title) + key


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
    warp = math.log10 if log else float
    (across, up), parts = _plane(
        [warp(point.x) for point in points], [point.y for point in points], labels, log
    )
    names = list(dict.fromkeys(point.series for point in points))
    for point in points:
        number = names.index(point.series)
        marker = _marker(number, across(warp(point.x)), up(point.y))
        parts += _tipped(marker, point.tip)
    legend = [(name, _marker(number, 6, 6)) for number, name in enumerate(names)]
    return _svg(parts, _TOP + _HEIGHT + _BELOW, title) + _legend(legend)


def line_chart(
    lines: Mapping[str, Sequence[Point]],
    title: str,
    labels: tuple[str, str],
    ends: tuple[float, float] | None = None,
) -> str:
    """Lines, by name; each has a colour and a dash of its own, and tells of its points.

    Parameters
    ----------
    lines
        Name -> its points from left to right. Points with an empty tip are drawn and not told.
    title
        What a screen reader says of the whole chart.
    labels
        Of the two axes.
    ends
        Of the y axis; left out, those of the points.
    """
    every = [point for line in lines.values() for point in line]
    (across, up), parts = _plane([p.x for p in every], [p.y for p in every], labels, False, ends)
    for number, line in enumerate(lines.values()):
        path = " ".join(f"{across(point.x):.1f},{up(point.y):.1f}" for point in line)
        parts += f'<polyline class="line" points="{path}" {_stroke(number)}/>'
    for number, line in enumerate(lines.values()):
        for point in line:
            if point.tip:
                x, y = across(point.x), up(point.y)
                dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_colour(number)}"/>'
                # Easier to hit than it looks.
                dot += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="9" fill="transparent"/>'
                parts += _tipped(dot, point.tip)
    legend = [
        (name, f'<path class="line" d="M0 6H22" {_stroke(number)}/>')
        for number, name in enumerate(lines)
    ]
    return _svg(parts, _TOP + _HEIGHT + _BELOW, title) + _legend(legend)


def _plane(
    across: Sequence[float],
    up: Sequence[float],
    labels: tuple[str, str],
    log: bool,
    ends: tuple[float, float] | None = None,
) -> tuple[tuple[Callable[[float], float], Callable[[float], float]], str]:
    """Scales of both axes, and their grid, numbers and names."""
    bottom = _TOP + _HEIGHT
    low, high = min(across), max(across)
    room = 0.06 * (high - low) or 0.3
    low, high = (low - room, high + room) if log else (min(0, low), high + room)
    floor, ceiling = min(up), max(up)
    spare = 0.08 * (ceiling - floor) or 1.0
    floor, ceiling = ends or (floor - spare if floor > 0 else floor, ceiling + spare / 2)
    rows = _ticks(floor, ceiling)
    x_of = _scale(low, high, _LEFT, _WIDTH - _RIGHT)
    y_of = _scale(floor, ceiling, bottom, _TOP)
    parts = []
    for tick in rows:
        y = y_of(tick)
        parts.append(f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 6, y + 4, _number(tick), "end", "muted"))
    for tick in _log_ticks(low, high) if log else _ticks(low, high):
        x = x_of(math.log10(tick) if log else tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {bottom}v4"/>')
        parts.append(_text(x, bottom + 17, _number(tick), "middle", "muted"))
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(_text(middle, bottom + 35, labels[0], "middle"))
    y = (_TOP + bottom) / 2
    parts.append(
        f'<text x="12" y="{y}" text-anchor="middle" transform="rotate(-90 12 {y})">'
        f"{html.escape(labels[1])}</text>"
    )
    return (x_of, y_of), "".join(parts)


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _ticks(low: float, high: float) -> list[float]:
    """Some round numbers that lie between, six or fewer of them or two at least."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span))
    step = next(power * one for one in (0.1, 0.2, 0.5, 1, 2) if span / (power * one) <= 6)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, or powers alone, between powers `low` and `high` of ten."""
    digits = (1, 2, 5) if high - low < 2.2 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [digit * 10.0**power for power in powers for digit in digits]
    return [tick for tick in ticks if low <= math.log10(tick) <= high]


def _number(value: float, digits: int | None = None) -> str:
    if digits is not None:
        return "–" if math.isnan(value) else f"{value:.{digits}f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _short(label: str) -> str:
    return label if len(label) <= 26 else label[:25] + "…"


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f"<text {place}{style}>{html.escape(text)}</text>"


def _tipped(shape: str, tip: str) -> str:
    said = html.escape(tip)
    labels = f'data-tip="{said}" aria-label="{said}"'
    return f'<g class="tipped" tabindex="-1" role="img" {labels}>{shape}</g>'


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _stroke(number: int) -> str:
    return f'stroke="{_colour(number)}" stroke-dasharray="{_DASHES[number % len(_DASHES)]}"'


def _diamond(x: float, y: float) -> str:
    return f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"


def _marker(number: int, x: float, y: float) -> str:
    """One of ten shapes around a place."""
    shapes = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"/>',
        *(
            f'<path d="M{x:.1f} {y:.1f}{rest}"/>'
            for rest in (
                "m-4.5 -4.5h9v9h-9z",
                "m0 -6l6 6l-6 6l-6 -6z",
                "m0 -6l5.5 10h-11z",
                "m0 6l5.5 -10h-11z",
                "m-6 -2h4v-4h4v4h4v4h-4v4h-4v-4h-4z",
                "m-6 -3l3 -3l3 3l3 -3l3 3l-3 3l3 3l-3 3l-3 -3l-3 3l-3 -3l3 -3z",
                "m-6 0l3 -5.2h6l3 5.2l-3 5.2h-6z",
                "m-3 -6h6v12h-6z",
                "m-6 -3h12v6h-12z",
            )
        ),
    )
    return f'<g class="marker" fill="{_colour(number)}">{shapes[number % len(shapes)]}</g>'


def _legend(items: Sequence[tuple[str, str]]) -> str:
    """A list under a chart; its signs are of the chart's own size."""
    entries = "".join(
        f'<li><svg width="22" height="12" viewBox="0 0 22 12" aria-hidden="true">{sign}</svg>'
        f"{html.escape(name)}</li>"
        for name, sign in items
    )
    return f'<ul class="legend">{entries}</ul>'


def _svg(content: str, height: float, title: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH:.0f} {height:.0f}" role="group" '
        f'aria-label="{html.escape(title)}">{content}</svg>'
    )
