"""The page in Chromium, headless, driven as a reader would."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_CHROMIUM = next(filter(None, map(shutil.which, _NAMES)), "")
HEAD = '#supervised table:has(caption:text-is("Supervised, ALL"))'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright to drive a browser")
    if not _CHROMIUM:
        pytest.skip("needs Chromium, which is not installed")
    with api.sync_playwright() as playwright:
        # Chromium refuses its sandbox to root, who runs tests in containers.
        rootless = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        chromium = playwright.chromium.launch(executable_path=_CHROMIUM, args=rootless)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, reported: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The opened page, which must not have complained by the end of the test."""
    width = getattr(request, "param", 1280)
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    opened = context.new_page()
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("requestfailed", lambda asked: complaints.append(asked.url[:80]))
    opened.goto((reported / "out" / "index.html").as_uri())
    yield opened
    assert opened.evaluate("window.hacked") is None
    context.close()
    assert complaints == []


def _column(page: Any, number: int) -> list[str]:
    cells = page.locator(f"{HEAD} tbody tr > :nth-child({number})")
    return [cell.get_attribute("data-sort") or cell.inner_text() for cell in cells.all()]


def test_a_click_sorts_and_another_turns(page: Any) -> None:
    assert _column(page, 1) == ["IN1k", "COCO", "AP-10K"]
    button = page.locator(f"{HEAD} thead th:nth-child(4) button")
    head = page.locator(f"{HEAD} thead th:nth-child(4)")
    button.click()
    values = [float(value) for value in _column(page, 4)]
    assert values == sorted(values, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    button.click()
    assert [float(value) for value in _column(page, 4)] == values[::-1]
    assert head.get_attribute("aria-sort") == "ascending"


def test_what_failed_is_sorted_last(page: Any) -> None:
    button = page.locator(f"{HEAD} thead th:nth-child(3) button")
    for _ in range(2):
        button.click()
        names = _column(page, 1)
        assert names[-1] == "COCO"
    button = page.locator(f"{HEAD} thead th:nth-child(1) button")
    button.focus()
    page.keyboard.press("Enter")
    assert _column(page, 1) == ["AP-10K", "COCO", "IN1k"]


def test_details_on_hover(page: Any) -> None:
    tip = page.locator("#tip")
    assert tip.is_hidden()
    page.locator(f"{HEAD} tbody tr:nth-child(2) td:nth-child(4)").hover()
    assert tip.is_visible()
    words = tip.inner_text()
    assert words.startswith("COCO, HRNet-w32\nours ")
    assert "paper 70.1" in words
    page.locator(f"{HEAD} tbody tr:nth-child(2) td:nth-child(3)").hover()
    assert "<script>window.hacked=1</script>" in tip.inner_text()
    page.locator("h1").hover()
    assert tip.is_hidden()
    point = page.locator("#supervised figure:nth-child(2) .tipped").first
    point.scroll_into_view_if_needed()
    page.wait_for_timeout(200)  # Scrolling hides what hovering shows.
    point.hover()
    assert "animals a second" in tip.inner_text()
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1280


def test_details_with_the_keyboard(page: Any) -> None:
    tip = page.locator("#tip")
    page.locator(f"{HEAD} thead th:last-child button").focus()
    page.keyboard.press("Tab")
    assert tip.inner_text().startswith("IN1k, Res-50")
    page.keyboard.press("ArrowRight")
    assert tip.inner_text().startswith("IN1k, Res-101")
    page.keyboard.press("ArrowDown")
    assert tip.inner_text().startswith("COCO, Res-101")
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    chart = page.locator("#supervised figure:nth-child(1) .tipped")
    chart.first.focus()
    page.keyboard.press("ArrowDown")
    assert tip.inner_text() == chart.nth(1).get_attribute("data-tip")


def test_the_gallery_plays(page: Any) -> None:
    video = page.locator("#supervised video").first
    assert video.evaluate("video => video.currentTime") == 0
    page.locator("#supervised figure.clip button").first.click()
    page.wait_for_function("document.querySelector('#supervised video').currentTime > 0.2")
    assert video.evaluate("video => [video.videoWidth, video.error]")[1] is None
    others = "[...document.querySelectorAll('#supervised video')].filter(one => !one.paused).length"
    assert page.evaluate(others) == 1
    page.locator("#supervised button.all").click()
    page.wait_for_function(f"{others} === 4")
    page.locator("#supervised button.all").click()
    page.wait_for_function(f"{others} === 0")
    assert page.locator("#supervised figure.clip button").first.inner_text() == "Play"


@pytest.mark.parametrize("page", [1280, 390], indirect=True)
def test_nothing_is_wider_than_the_screen(page: Any) -> None:
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    # Nor is text cut or too small to read.
    sizes = page.evaluate(
        """[...document.querySelectorAll('svg.chart text')].map(text => {
             const svg = text.closest('svg');
             const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
             return parseFloat(getComputedStyle(text).fontSize) * scale;
           })"""
    )
    assert min(sizes) > 9.5
    cut = page.evaluate(
        """[...document.querySelectorAll('svg.chart text')].filter(text => {
             const inner = text.getBoundingClientRect();
             const outer = text.closest('svg').getBoundingClientRect();
             return inner.left < outer.left - 1 || inner.right > outer.right + 1;
           }).map(text => text.textContent)"""
    )
    assert cut == []
