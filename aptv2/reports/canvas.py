"""Axes in the pages' look, and matplotlib figures as files and as parts of a page."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aptv2.reports.style import GRID, INK, MUTED, PAPER, VARIABLES

WIDTH = 4.4  # inches: legible on a phone, and two stand side by side on a desk
ROW = 0.19  # inches for a line of a bar chart
TEXT = 9.0  # points
_DPI = 200
_LINK = "{http://www.w3.org/1999/xlink}href"


def plain_axes(height: float) -> tuple[Figure, Axes]:
    """Empty axes with a horizontal grid; `height` is in inches."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_facecolor(PAPER)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(GRID)
    axes.tick_params(colors=MUTED, labelsize=TEXT, length=0)
    axes.xaxis.label.set(color=INK, size=TEXT)
    axes.yaxis.label.set(color=INK, size=TEXT)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def row_axes(names: Sequence[str]) -> tuple[Figure, Axes]:
    """Axes with one line per name, the first on top."""
    figure, axes = plain_axes(0.9 + ROW * len(names))
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_yticks(range(len(names)), [shorten(name, 28) for name in names], parse_math=False)
    axes.tick_params(axis="y", labelcolor=INK)
    axes.set_ylim(len(names) - 0.4, -0.6)
    return figure, axes


def add_legend(axes: Axes) -> None:
    """Add the legend of the labelled artists above the axes."""
    axes.legend(
        frameon=False, fontsize=TEXT, labelcolor=INK, loc="lower left", bbox_to_anchor=(0, 1),
        ncols=3, borderaxespad=0, handlelength=1.8, columnspacing=1.2,
    )  # fmt: skip


def shorten(name: str, length: int) -> str:
    """A name of at most `length` letters."""
    return name if len(name) <= length else name[: length - 1] + "…"


def render(figure: Figure, kind: str) -> bytes:
    """A figure as a PNG or SVG file, the same bytes for the same numbers."""
    buffer = io.BytesIO()
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "aptv2"}),
        warnings.catch_warnings(),
    ):
        # A name in letters that the font lacks: the numbers and the page have it all the same.
        warnings.filterwarnings("ignore", "Glyph .* missing")
        undated = {"Date": None} if kind == "svg" else None
        figure.savefig(buffer, format=kind, dpi=_DPI, facecolor=PAPER, metadata=undated)
    return buffer.getvalue()


def inline_svg(svg: bytes, title: str, tips: Mapping[str, str] | None = None) -> str:
    """A rendered SVG as part of an HTML page, in the page's ink and paper.

    Parameters
    ----------
    svg
        What :func:`render` gave.
    title
        What a screen reader says of the whole figure.
    tips
        Details by the `gid` of an artist. They become `data-tip`, which the page's script shows,
        and `aria-label`.
    """
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            # Its style sheet would hold for the whole page.
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)
    used: set[str] = set()
    tipped: dict[str, ElementTree.Element] = {}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if target := element.attrib.pop(_LINK, None):
            element.set("href", target)
            used.add(target.removeprefix("#"))
        if clip := element.get("clip-path"):
            used.add(clip[len("url(#") : -1])
        if style := element.get("style"):
            for colour, variable in VARIABLES.items():
                style = style.replace(colour, f"var(--{variable})")
            element.set("style", style)
        if tips and (name := element.get("id", "")) in tips:
            tipped[name] = element
            element.attrib |= {"class": "tipped", "tabindex": "-1", "role": "img"}
            element.attrib |= {"data-tip": tips[name], "aria-label": tips[name]}
    # The view box keeps the proportions; the size is the page's to choose.
    kept = {key: root.attrib[key] for key in ("viewBox",)}
    root.attrib.clear()
    role = "group" if tipped else "img"
    root.attrib |= {"class": "chart", "role": role, "aria-label": title} | kept
    # Several figures of a page must not share ids.
    own = hashlib.blake2s(ElementTree.tostring(root), digest_size=5).hexdigest()
    for element in root.iter():
        if (name := element.attrib.pop("id", "")) in used:
            element.set("id", f"{own}-{name}")
        if target := element.get("href"):
            element.set("href", f"#{own}-{target[1:]}")
        if clip := element.get("clip-path"):
            element.set("clip-path", f"url(#{own}-{clip[len('url(#') :]}")
    return ElementTree.tostring(root, encoding="unicode")
