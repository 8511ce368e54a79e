from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aptv2.reports.charts import Bar, Point, bar_chart, line_chart, scatter_chart

NAN = float("nan")


def drawn(chart: str) -> ElementTree.Element:
    """A chart and its legend, parsed: they are well formed."""
    return ElementTree.fromstring(f"<div>{chart}</div>")


def test_bars_are_as_long_as_their_values() -> None:
    bars = [Bar("a", 20, 15, 25, NAN, "tip a"), Bar("<b>", 80, NAN, NAN, 70, "tip & b")]
    chart = drawn(bar_chart(bars, "AP", "paper"))
    widths = [float(one.attrib["width"]) for one in chart.iter("rect")]
    assert widths[1] / widths[0] == pytest.approx(4, rel=0.01)
    told = [one.attrib["data-tip"] for one in chart.iter("g") if "data-tip" in one.attrib]
    assert told == ["tip a", "tip & b"]
    assert len([one for one in chart.iter("path") if one.get("class") == "other"]) == 1
    assert len([one for one in chart.iter("path") if one.get("class") == "whisker"]) == 1
    assert "<b>" in [one.text for one in chart.iter("text")]
    assert bar_chart(bars[:1], "AP", "paper").count("legend") == 0


def test_points_stand_where_their_numbers_are() -> None:
    points = [Point(x, 3 * x, str(x), "s") for x in (1, 10, 100)]
    for log, ratio in ((True, 1.0), (False, 10.0)):
        chart = drawn(scatter_chart(points, "t", ("x", "y"), log=log))
        marks = [one for one in chart.iter("circle") if one.attrib["cx"] != "6.0"]
        places = [float(one.attrib["cx"]) for one in marks]
        assert (places[2] - places[1]) / (places[1] - places[0]) == pytest.approx(ratio, rel=0.02)
        heights = [float(one.attrib["cy"]) for one in marks]
        assert heights == sorted(heights, reverse=True)


def test_series_differ_without_colour() -> None:
    points = [Point(n, n, "", f"series {n}") for n in range(10)]
    chart = scatter_chart(points, "t", ("x", "y"))
    shapes = re.findall(
        r'class="marker" fill="[^"]*"><(?:path d="M[0-9. ]*([^"]*)|(circle))', chart
    )
    assert len(set(shapes)) == 10
    lines = {f"line {n}": [Point(0, n, ""), Point(1, n, "")] for n in range(5)}
    dashes = re.findall(r'dasharray="([^"]*)"', line_chart(lines, "t", ("x", "y")))
    assert len(set(dashes)) == 5


def test_points_without_a_tip_are_not_told() -> None:
    line = {"a": [Point(x, x, "tip" if x % 2 else "") for x in range(6)]}
    assert line_chart(line, "t", ("x", "y")).count("data-tip") == 3


@given(
    values=st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=8),
    other=st.lists(st.floats(-100, 100), min_size=8, max_size=8),
    log=st.booleans(),
)
def test_whatever_is_drawn_lies_inside(values: list[float], other: list[float], log: bool) -> None:
    points = [Point(x, y, "t", "s") for x, y in zip(values, other, strict=False)]
    chart = drawn(scatter_chart(points, "t", ("x", "y"), log=log))
    width, height = map(float, chart[0].attrib["viewBox"].split()[2:])
    for name, limit in (("cx", width), ("cy", height)):
        places = [float(one.attrib[name]) for one in chart.iter("circle")]
        assert np.all((np.array(places) >= 0) & (np.array(places) <= limit))
    for one in chart[0].iter("text"):
        assert -1 <= float(one.attrib["x"]) <= width + 1
