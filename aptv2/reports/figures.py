"""Figures of a data set, drawn from its :class:`aptv2.datasets.statistics.Statistics`.

All are narrow, so that they can be read on a phone and stand side by side on a desk.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Wedge
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    MaxNLocator,
    NullLocator,
)

from aptv2.datasets.statistics import OTHER, Histogram, SpeciesCount, Statistics
from aptv2.reports.canvas import TEXT, WIDTH, add_legend, plain_axes, row_axes
from aptv2.reports.style import BLUE, INK, MUTED, ORANGE, PAPER
from aptv2.species import FAMILIES

_SMALL = 7.0  # points
_MOST_ROWS = 60
_COUNT = FuncFormatter(lambda value, _: f"{value:,.0f}")
_PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.3g}%")
_CENTRE, _MIDDLE = 0.17, 0.56  # radii of the sunburst's rings, of 1


class FigureKind(NamedTuple):
    """One figure: its file name, what it shows, and how it is drawn.

    `missing` says in a sentence why it cannot be drawn, and is empty where it can.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[Statistics], Figure]
    missing: Callable[[Statistics], str]


def draw_sunburst(statistics: Statistics) -> Figure:
    """Families in the inner ring and their species in the outer, by instances."""
    figure = Figure(figsize=(WIDTH, WIDTH))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-1.01, 1.01), ylim=(-1.01, 1.01), aspect="equal")
    axes.axis("off")
    total = sum(one.instances for one in statistics.species)
    families: dict[str, list[SpeciesCount]] = {}
    for one in statistics.species:
        families.setdefault(one.family, []).append(one)
    start = 0.0
    for family, members in families.items():
        share = sum(one.instances for one in members) / total
        colour = _family_colour(family)
        _draw_sector(axes, start, share, (_CENTRE, _MIDDLE), colour, family, "#ffffff")
        for rank, one in enumerate(members):
            share = one.instances / total
            tint = _lighten(colour, 0.45 + 0.3 * rank / len(members))
            _draw_sector(axes, start, share, (_MIDDLE, 1), tint, one.name, "#14181f")
            start += share
    axes.text(0, 0, f"{total:,}", ha="center", va="center", size=TEXT, color=INK, weight="bold")
    return figure


def draw_species(statistics: Statistics) -> Figure:
    """Instances of each species; of easy and hard clips where the data has them."""
    shown = sorted(statistics.species, key=lambda one: -one.instances)
    rest = shown[_MOST_ROWS:]
    shown = shown[:_MOST_ROWS]
    names = [one.name for one in shown]
    easy, hard, every = (
        [getattr(one, key) for one in shown] for key in ("easy", "hard", "instances")
    )
    if rest:
        names.append(f"{len(rest)} more")
        for column, key in ((easy, "easy"), (hard, "hard"), (every, "instances")):
            column.append(sum(getattr(one, key) for one in rest))
    figure, axes = row_axes(names)
    row = np.arange(len(names))
    plain = np.array(every) - easy - hard
    bars = [("easy", np.array(easy), BLUE), ("hard", np.array(hard), ORANGE)]
    split = any(values.any() for _, values, _ in bars)
    bars.append(("neither" if split else "instances", plain, MUTED if split else BLUE))
    left = np.zeros(len(names), np.int64)
    for label, values, colour in bars:
        if values.any():
            axes.barh(row, values, 0.72, left=left, color=colour, label=label)
            left += values
    for place, count in zip(row, every, strict=True):
        axes.annotate(
            f"{count:,}", (count, place), (3, 0), textcoords="offset points",
            va="center", size=_SMALL, color=MUTED,
        )  # fmt: skip
    axes.set_xlim(0, 1.16 * max(every))
    axes.xaxis.set_major_formatter(_COUNT)
    axes.set_xlabel("instances")
    if split:
        add_legend(axes)
    return figure


def draw_crowding(statistics: Statistics) -> Figure:
    """Frames and instances against the number of instances in a frame."""
    crowding = statistics.crowding
    figure, axes = plain_axes(3.0)
    for label, values, colour, marker in (
        ("instances", crowding.instances, ORANGE, "s"),
        ("frames", crowding.frames, BLUE, "o"),
    ):
        axes.plot(
            crowding.animals, values, marker, markersize=3.5, color=colour, label=label
        )  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(_COUNT)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("instances in a frame")
    add_legend(axes)
    return figure


def draw_motion(statistics: Statistics) -> Figure:
    """Motion of each keypoint to the next frame: median, half and four fifths of the pairs."""
    motion = statistics.motion
    assert motion is not None
    figure, axes = row_axes(motion.keypoints)
    row = np.arange(len(motion.keypoints))
    low, lower, median, upper, high = motion.quantiles.T
    axes.hlines(row, low, high, color=BLUE, linewidth=1.2, label="10 to 90 %")
    axes.hlines(row, lower, upper, color=BLUE, linewidth=5, alpha=0.55, label="25 to 75 %")
    axes.plot(median, row, "o", color=ORANGE, markersize=4, label="median")
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(_PERCENT)
    axes.set_xlabel("motion to the next frame, share of the animal's size")
    add_legend(axes)
    return figure


def draw_overlap(statistics: Statistics) -> Figure:
    """IoU of an animal's boxes in neighbouring frames."""
    assert statistics.overlap is not None
    figure, axes = plain_axes(2.6)
    _draw_histogram(axes, statistics.overlap)
    axes.set_xlim(0, 1)
    axes.set(xlabel="IoU with the box in the next frame", ylabel="share of pairs")
    return figure


def draw_aspect(statistics: Statistics) -> Figure:
    """Width to height of the boxes, on a logarithmic axis."""
    assert statistics.aspect is not None
    figure, axes = plain_axes(2.6)
    _draw_histogram(axes, statistics.aspect)
    ticks = 2.0 ** np.arange(-3, 4)
    axes.set_xscale("log", base=2)
    axes.set_xlim(ticks[0], ticks[-1])
    axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
    axes.xaxis.set_minor_locator(NullLocator())
    labels = [f"1:{1 / ratio:.0f}" if ratio < 1 else f"{ratio:.0f}:1" for ratio in ticks]
    axes.xaxis.set_major_formatter(FuncFormatter(lambda _, place: labels[place]))
    axes.set(xlabel="width to height of a box", ylabel="share of instances")
    return figure


def _need(part: str, sentence: str) -> Callable[[Statistics], str]:
    return lambda statistics: sentence if getattr(statistics, part) is None else ""


FIGURES = (
    FigureKind(
        "sunburst",
        "Families and species",
        "Inner ring families, outer ring species, by instances.",
        draw_sunburst,
        lambda s: "" if len(s.species) > 1 else "There are not two species to compare.",
    ),
    FigureKind(
        "species",
        "Instances of each species",
        "Easy and hard are kinds of clips, where the data has them.",
        draw_species,
        lambda s: "" if s.species else "There is no animal.",
    ),
    FigureKind(
        "crowding",
        "Crowding",
        "Frames and instances by the number of instances in a frame, on a logarithmic axis.",
        draw_crowding,
        lambda s: "" if len(s.crowding.animals) > 1 else _one_crowd(s),
    ),
    FigureKind(
        "motion",
        "Keypoint motion",
        "From a frame to the next of a track; the animal's size is the square root of its box's "
        "area.",
        draw_motion,
        _need("motion", "No track has a keypoint labelled in two neighbouring frames, with boxes."),
    ),
    FigureKind(
        "overlap",
        "Overlap of neighbouring frames",
        "IoU of an animal's box with its box in the next frame; the line is the median.",
        draw_overlap,
        _need("overlap", "No track has boxes in two neighbouring frames."),
    ),
    FigureKind(
        "aspect",
        "Aspect ratio of boxes",
        "Width to height; the line is the median, and the outermost bars hold what lies beyond.",
        draw_aspect,
        _need("aspect", "There are no boxes."),
    ),
)


def _one_crowd(statistics: Statistics) -> str:
    animals = statistics.crowding.animals
    if not len(animals):
        return "There is no animal."
    return f"Every frame with an animal holds {animals[0]:,}."


def _draw_histogram(axes: Axes, histogram: Histogram) -> None:
    low, high = histogram.edges[:-1], histogram.edges[1:]
    axes.bar(
        low, histogram.counts / histogram.total, high - low, align="edge", color=BLUE,
        edgecolor=PAPER, linewidth=0.6,
    )  # fmt: skip
    median = min(max(histogram.median, low[0]), high[-1])
    axes.axvline(median, color=ORANGE, linewidth=1.4)
    axes.annotate(
        f"median {histogram.median:.2f}", (median, 1), (4, 2), xycoords=axes.get_xaxis_transform(),
        textcoords="offset points", ha="center", size=TEXT, color=INK,
    )  # fmt: skip
    axes.yaxis.set_major_formatter(_PERCENT)


def _draw_sector(
    axes: Axes,
    start: float,
    share: float,
    radii: tuple[float, float],
    colour: str,
    name: str,
    ink: str,
) -> None:
    """One field of the sunburst, clockwise from the top, its name along the radius."""
    inner, outer = radii
    first, last = 90 - 360 * start, 90 - 360 * (start + share)
    axes.add_patch(
        Wedge((0, 0), outer, last, first, width=outer - inner, facecolor=colour,
              edgecolor=PAPER, linewidth=0.7)
    )  # fmt: skip
    points = WIDTH * 72 / 2  # of a radius of 1
    room = np.pi * share * (inner + outer) * points, 0.94 * (outer - inner) * points
    size = min(_SMALL + 0.5, 0.85 * room[0], room[1] / (0.58 * len(name)))
    if size < 0.65 * _SMALL:
        return  # it could not be read
    angle, radius = np.radians((first + last) / 2), (inner + outer) / 2
    turn = np.degrees(angle) % 360
    axes.text(
        radius * np.cos(angle), radius * np.sin(angle), name, size=size, color=ink,
        ha="center", va="center", rotation=turn - 180 if 90 < turn < 270 else turn,
        rotation_mode="anchor", parse_math=False,
    )  # fmt: skip


def _family_colour(family: str) -> str:
    """A hue a family, far from its neighbours' on the ring; grey for the rest."""
    if family == OTHER:
        return "#6f7682"
    place = list(FAMILIES).index(family)
    red, green, blue = colorsys.hls_to_rgb((0.58 + 0.382 * place) % 1, 0.38, 0.5)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _lighten(colour: str, share: float) -> str:
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(part + share * (255 - part)):02x}" for part in parts)
