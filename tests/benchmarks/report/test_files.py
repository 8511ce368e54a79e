from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aptv2 import InputError
from aptv2.benchmarks.report import gallery, write_report
from aptv2.benchmarks.report.entries import tables
from aptv2.benchmarks.report.markdown import plain
from aptv2.benchmarks.report.values import clean, number, signed

MakeResults = Callable[..., Path]


@pytest.fixture(scope="module")
def page(reported: Path) -> str:
    return (reported / "out" / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(reported: Path) -> str:
    return (reported / "out" / "report.md").read_text(encoding="utf-8")


class _Tags(HTMLParser):
    """Names of all elements of a page, their attributes, and whether they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> _Tags:
    tags = _Tags()
    tags.feed(page)
    return tags


def tips(page: str) -> list[str]:
    """All that is told on hover."""
    return [html.unescape(tip) for tip in re.findall(r'data-tip="([^"]*)"', page)]


def entry(page: str, place: str) -> str:
    """What the first place of that row and column in a table tells."""
    return next(tip for tip in tips(page) if tip.startswith(place))


def test_every_published_number_is_shown(reported: Path, page: str, text: str) -> None:
    published = [
        (table, row, column, one.published)
        for table in tables(reported / "results")
        for (row, column), one in table.entries.items()
        if one.published is not None
    ]
    assert len(published) >= 21 + 21 + 72 + 27
    told = tips(page)
    for _, row, column, value in published:
        here = [tip for tip in told if tip.startswith(f"{row}, {column}\n")]
        assert any(f"\npaper {value:.1f}\n" in f"{tip}\n" for tip in here), (row, column)
    assert len(re.findall(r"<br>paper [0-9.]+", text)) == len(published)


def test_ours_the_papers_and_the_difference(reported: Path, page: str, text: str) -> None:
    path = reported / "results/cells/supervised/hrnet_w32-coco/result.json"
    scores = json.loads(path.read_text())["scores"]["all"]
    ours = 100 * scores["AP"]
    low, high = (100 * end for end in scores["AP_interval"])
    tip = entry(page, "COCO, HRNet-w32\n")
    assert f"ours {ours:.1f}\n" in tip
    assert f"95 % interval over clips {low:.1f} to {high:.1f}" in tip
    assert f"difference {signed(ours - 70.1)}" in tip
    assert ("inside our interval" in tip) == (low <= 70.1 <= high)
    assert f"**{ours:.1f}** [{low:.1f} to {high:.1f}]<br>paper 70.1, {signed(ours - 70.1)}" in text


def test_failed_and_missing_cells_say_why(page: str, text: str) -> None:
    assert "holds <script>" in entry(page, "COCO, Res-101\n")
    assert "was not run yet" in entry(page, "AP-10K, ViTPose-B\n")
    assert "1 of 21 cells" in page
    assert "*failed*<br>paper 68.1" in text
    assert "*not run*<br>paper 72.4" in text
    assert "supervised/res101-coco: res101.pth: holds &lt;script&gt;" in text


def test_the_page_stands_alone_and_is_well_formed(page: str) -> None:
    tags = parsed(page)
    assert not tags.open
    names = [name for name, _ in tags.tags]
    assert names.count("script") == 1
    assert "img" not in names
    assert names.count("section") == 5
    for name, attributes in tags.tags:
        assert not any(key.startswith("on") for key in attributes), (name, attributes)
        for key in ("src", "href"):
            assert (attributes.get(key) or "#").startswith(("#", "data:")), attributes
    assert not re.search(r"url\((?!#)|@import|https?://", page)
    ids = [attributes["id"] for _, attributes in tags.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    # Tables have captions and heads; pictures and videos have words.
    assert names.count("caption") == names.count("table")
    assert all(a.get("scope") for name, a in tags.tags if name == "th")
    assert all(a.get("aria-label") for name, a in tags.tags if name == "video")
    assert all(a.get("aria-label") or a.get("aria-hidden") for n, a in tags.tags if n == "svg")


def test_names_from_files_are_only_names(page: str, text: str) -> None:
    assert "onerror" in page  # It is shown,
    assert "<img" not in page + text  # but is no element,
    assert "\u202e" not in page + text  # and does not turn what follows.
    assert "</script><" not in page.replace("</script>\n</body>", "")
    assert plain("a|b *c* <d> `e` [f](g)\n# h") == (
        "a\\|b \\*c\\* &lt;d&gt; \\`e\\` \\[f\\](g) \\# h"
    )
    assert clean("a\u202eb\n c") == "ab c"


def test_markdown_rows_have_as_many_cells_as_heads(text: str) -> None:
    blocks = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(blocks) == 3 + 1 + 2 + 1 + 6
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1


def test_a_miniature_says_so_and_compares_nothing(
    make_results: MakeResults, tmp_path: Path
) -> None:
    results = make_results(tmp_path, miniature=True, tracks=("supervised", "tracking"), clips=False)
    write_report(results, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    body = page.split("</style>")[1]
    assert body.index('class="banner"') < body.index("<section")
    shown = tables(results)
    assert body.count('class="badge"') == len(shown) + 2 * 3  # and every track's cells and maps
    assert text.index("Miniature") < text.index("##")
    assert text.count("(miniature)") == len(shown)
    assert 'class="difference"' not in body
    assert "not comparable" in entry(page, "COCO, HRNet-w32\n")
    assert "paper 70.1" in entry(page, "COCO, HRNet-w32\n")
    assert not re.search(r"paper [0-9.]+, ", text)
    assert "Miniature" not in (page.split("<section", 2)[2].split("<script")[1])
    assert "This track was not started." in body
    # No diamonds of the paper in the bars.
    assert 'class="other"' not in body


def test_what_the_data_does_not_hold_is_not_called_not_run(
    make_results: MakeResults, tmp_path: Path
) -> None:
    results = make_results(tmp_path, tracks=("supervised",), clips=False)
    for path in results.glob("cells/supervised/*/result.json"):
        content = json.loads(path.read_text())
        del content["scores"]["easy"]
        if path.parent.name != "res50-in1k":
            del content["scores"]["hard"]
        path.write_text(json.dumps(content))
    write_report(results, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count("does not hold these numbers (supervised/") == 1
    assert 'class="not-run"' not in page
    assert "gives no hard AP" in page


def test_videos_stay_within_their_bound(reported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = sum(
        path.stat().st_size
        for track in ("supervised/res50-in1k", "tracking/truth-res50")
        for path in (reported / "results/cells" / track / "details/clips").iterdir()
    )
    page = (reported / "out" / "index.html").read_text(encoding="utf-8")
    data = re.findall(r"data:video/mp4;base64,([^\"]*)", page)
    assert len(data) == 8
    assert sum(map(len, data)) == pytest.approx(4 / 3 * size, rel=0.01)
    budget = gallery.Budget(1000)
    assert budget.take(600)
    assert not budget.take(600)
    assert budget.take(400)
    assert not gallery.Budget(10**9).take(10**7)


def test_the_same_results_give_the_same_page(reported: Path, page: str, tmp_path: Path) -> None:
    write_report(reported / "results", tmp_path)
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == page


def test_what_is_no_results_folder(make_results: MakeResults, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder of results"):
        write_report(tmp_path, tmp_path / "out")
    results = make_results(tmp_path, tracks=("zero-shot",), clips=False)
    damaged = results / "cells/zero-shot/vitpose_b/details/details.json"
    damaged.write_text("{")
    with pytest.raises(InputError, match=r"details\.json cannot be read"):
        write_report(results, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    damaged.unlink()
    write_report(results, tmp_path / "out")
    with pytest.raises(InputError, match="holds no results yet"):
        write_report(make_results(tmp_path / "none", tracks=()), tmp_path / "out")


@pytest.mark.parametrize(
    ("value", "expected"), [(0.04, "0.0"), (-0.04, "0.0"), (1.25, "+1.2"), (-3, "−3.0")]
)
def test_differences_have_a_sign(value: float, expected: str) -> None:
    assert signed(value) == expected
    assert number(None) == "–"
    assert number(-1234.5, 0) == "−1,234"
