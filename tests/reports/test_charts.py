from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aptv2.reports.charts import Bar, Point, bar_chart, line_chart, scatter_chart

NAN = float("nan")
Drawn = ElementTree.Element


def drawn(chart: str) -> Drawn:
    """A chart, parsed: it is well formed."""
    return ElementTree.fromstring(chart)


def tipped(chart: Drawn) -> list[Drawn]:
    return [one for one in chart.iter("g") if "data-tip" in one.attrib]


def places(group: Drawn) -> list[tuple[float, float]]:
    """The centres of the markers in a group."""
    return [(float(one.attrib["x"]), float(one.attrib["y"])) for one in group.iter("use")]


def filled(chart: Drawn, colour: str) -> list[np.ndarray]:
    """Corners of the paths of a colour."""
    return [
        np.array(re.findall(r"[ML] (\S+) (\S+)", one.attrib["d"]), float)
        for one in chart.iter("path")
        if f"fill: {colour}" in one.get("style", "")
    ]


def test_bars_are_as_long_as_their_values() -> None:
    bars = [Bar("a", 20, 15, 25, NAN, "tip a"), Bar("<b>", 80, NAN, NAN, 70, "tip & b")]
    chart = drawn(bar_chart(bars, "AP", "paper"))
    widths = [np.ptp(corners[:, 0]) for corners in filled(chart, "#3f7fd9")]
    assert widths[1] / widths[0] == pytest.approx(4, rel=0.01)
    assert [one.attrib["data-tip"] for one in tipped(chart)] == ["tip a", "tip & b"]
    # One diamond in the chart and one in its legend; one whisker with two ends.
    assert len([one for one in chart.iter("use") if "#e07b28" in one.attrib["style"]]) == 2
    ends = [one for one in chart.iter("use") if "stroke: var(--ink)" in one.attrib["style"]]
    whisker = np.ptp([float(one.attrib["x"]) for one in ends])
    assert whisker / widths[0] == pytest.approx(0.5, rel=0.01)
    assert "<b>" in [one.text for one in chart.iter("text")]
    alone = drawn(bar_chart(bars[:1], "AP", "paper"))
    assert "paper" not in [one.text for one in alone.iter("text")]


def test_a_target_covers_the_whole_line_of_a_bar() -> None:
    bars = [Bar("none", 0, NAN, NAN, NAN, "a"), Bar("much", 80, NAN, NAN, NAN, "b")]
    chart = drawn(bar_chart(bars, "AP", "paper"))
    targets = [
        np.array(re.findall(r"[ML] (\S+) (\S+)", path.attrib["d"]), float)
        for group in tipped(chart)
        for path in group.iter("path")
    ]
    longest = max(np.ptp(corners[:, 0]) for corners in filled(chart, "#3f7fd9"))
    assert [np.ptp(line[:, 0]) for line in targets] == pytest.approx([longest] * 2, rel=0.01)
    assert all("opacity: 0;" in path.attrib["style"] + ";" for group in tipped(chart)
               for path in group.iter("path"))  # fmt: skip


def test_points_stand_where_their_numbers_are() -> None:
    points = [Point(x, 3 * x, str(x), "s") for x in (1, 10, 100)]
    for log, ratio in ((True, 1.0), (False, 10.0)):
        chart = drawn(scatter_chart(points, "t", ("x", "y"), log=log))
        marks = [place for group in tipped(chart) for place in places(group)]
        across = [x for x, _ in marks]
        assert (across[2] - across[1]) / (across[1] - across[0]) == pytest.approx(ratio, rel=0.02)
        heights = [y for _, y in marks]
        assert heights == sorted(heights, reverse=True)
        visible = [
            (float(one.attrib["x"]), float(one.attrib["y"]))
            for one in chart.iter("use")
            if "fill: #3f7fd9" in one.attrib["style"]
        ]
        assert set(marks) <= set(visible)


def test_series_differ_without_colour() -> None:
    points = [Point(n, n, "", f"series {n}") for n in range(10)]
    chart = drawn(scatter_chart(points, "t", ("x", "y")))
    outline = {one.attrib["id"]: one.attrib["d"] for one in chart.iter("path") if one.get("id")}
    shapes = {
        outline[one.attrib["href"][1:]]
        for one in chart.iter("use")
        if "stroke: var(--paper)" in one.attrib["style"]
    }
    assert len(shapes) == 10
    lines = {f"line {n}": [Point(0, n, ""), Point(1, n, "")] for n in range(5)}
    chart = drawn(line_chart(lines, "t", ("x", "y")))
    dashes = {
        dash.group(1) if (dash := re.search("stroke-dasharray: ([^;]*)", style)) else "none"
        for one in chart.iter("path")
        if "stroke-width: 1.5" in (style := one.get("style", ""))
    }
    assert len(dashes) == 5


def test_points_without_a_tip_have_no_details() -> None:
    line = {"a": [Point(x, x, "tip" if x % 2 else "") for x in range(6)]}
    assert line_chart(line, "t", ("x", "y")).count("data-tip") == 3


def test_two_charts_of_a_page_share_no_id() -> None:
    charts = [
        scatter_chart([Point(x, 1, "t", "s"), Point(2, 2, "t", "s")], "t", ("x", "y"))
        for x in (0, 1)
    ]
    ids = [re.findall(r' id="([^"]*)"', chart) for chart in charts]
    assert all(ids)
    assert not set(ids[0]) & set(ids[1])
    for chart, own in zip(charts, ids, strict=True):
        assert set(re.findall(r'href="#([^"]*)"', chart)) <= set(own)


def test_ink_and_paper_are_the_page_s() -> None:
    chart = bar_chart([Bar("a", 20, 15, 25, 22, "tip a")], "AP", "paper")
    assert not re.search("#(1b2029|fefefe|5d6674|d8dce4)", chart)
    assert "var(--ink)" in chart


@settings(max_examples=40, deadline=None)  # Each draws a figure.
@given(
    values=st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=8),
    other=st.lists(st.floats(-100, 100), min_size=8, max_size=8),
    log=st.booleans(),
)
def test_whatever_is_drawn_lies_inside(values: list[float], other: list[float], log: bool) -> None:
    points = [Point(x, y, "t", "s") for x, y in zip(values, other, strict=False)]
    chart = drawn(scatter_chart(points, "t", ("x", "y"), log=log))
    size = np.array(chart.attrib["viewBox"].split()[2:], float)
    marks = np.array([place for group in tipped(chart) for place in places(group)])
    assert len(marks) == len(points)
    assert np.all((marks >= 0) & (marks <= size))
    for one in chart.iter("text"):
        assert -1 <= float(one.attrib["x"]) <= size[0] + 1
