"""The page in a browser: a real clip from upload to a corrected table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.images import read_image

CHROMIUM = Path("/usr/bin/chromium")
FRAMES = 12

pytest.importorskip("starlette", reason="needs the extra 'app'")
playwright = pytest.importorskip("playwright.sync_api", reason="needs Playwright for Python")
if not CHROMIUM.is_file():
    pytest.skip(f"needs {CHROMIUM}", allow_module_level=True)

from aptv2.app.workspace import Workspace  # noqa: E402
from aptv2.inference import track_video  # noqa: E402
from aptv2.inference.progress import Report  # noqa: E402
from aptv2.video.reader import open_video  # noqa: E402


@pytest.fixture
def page() -> Iterator[Any]:
    """An empty page at 1280 pixels; it fails the test where the page's own code does."""
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        elsewhere: list[str] = []
        page.on("request", lambda request: elsewhere.append(request.url))
        yield page
        browser.close()
        assert not errors
        assert all(url.startswith(("http://127.0.0.1:", "blob:")) for url in elsewhere)


# The bars of the picture's lower edge are the frame's number in bits; no box hides them there.
READ = """() => {
    const canvas = document.getElementById("picture");
    const {width, height} = canvas;
    const line = canvas.getContext("2d").getImageData(0, height - 4, width, 1).data;
    let number = 0;
    for (let bit = 0; bit < 8; bit++) {
        number += (line[4 * Math.floor(((bit + 0.5) * width) / 8)] > 128) << bit;
    }
    return [number, Number(document.getElementById("scrub").value)];
}"""
"""What the picture says of its frame, and what the page says."""


def until(page: Any, script: str, wanted: object) -> None:
    """Wait until a script gives a value. Playwright's own waiting is forbidden by the page."""
    for _ in range(200):
        if (value := page.evaluate(script)) == wanted:
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{script} gives {value}, not {wanted}")


@pytest.mark.slow
def test_from_an_upload_to_a_corrected_table(
    page: Any,
    server: Callable[..., str],
    shared: Path,
    make_clip: Callable[..., Path],
    tmp_path: Path,
) -> None:
    files = sorted((shared / "data/davis/got10k_layout/val/cows").glob("*.jpg"))[:FRAMES]
    clip = make_clip("cows.mp4", map(read_image, files), size=(640, 360))
    page.goto(server())
    page.set_input_files("#file", clip)
    page.wait_for_selector("#player:visible")
    area = page.locator("#picture").bounding_box()
    scale = area["width"] / 640
    page.mouse.move(area["x"] + 163 * scale, area["y"] + 94 * scale)
    page.mouse.down()
    page.mouse.move(area["x"] + 466 * scale, area["y"] + 297 * scale, steps=3)
    page.mouse.up()
    sides = page.locator("#boxes input").evaluate_all("all => all.map(one => one.value)")
    np.testing.assert_allclose([float(side) for side in sides], [163, 94, 303, 203], atol=1)
    page.click("#go")
    page.wait_for_selector("#legend:visible", timeout=120_000)
    page.click("#play")
    until(page, "Number(document.getElementById('scrub').value)", FRAMES - 1)
    page.click("#lanes button")
    page.fill("#name-value", "7")
    page.click("#rename button")
    page.wait_for_selector("#edits:visible")
    with page.expect_download() as download:
        page.click("#download-csv")
    rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))

    boxes = tmp_path / "boxes.csv"
    boxes.write_text(f"frame,x,y,width,height\n0,{','.join(sides)}\n")
    track_video(clip, tmp_path / "out", boxes=boxes, overlay=False)
    expected = list(csv.reader((tmp_path / "out" / "cows.csv").open()))
    track = expected[0].index("track_id")
    assert {row[track] for row in expected[1:]} == {"1"}
    assert rows == [
        [*row[:track], "7", *row[track + 1 :]] if number else row
        for number, row in enumerate(expected)
    ]


def test_the_frame_and_its_number_never_part(
    page: Any, server: Callable[..., str], result: Path
) -> None:
    workspace = Workspace()
    clip = workspace.open_result(result)
    page.goto(server(workspace))
    page.wait_for_selector("#legend:visible")
    page.keyboard.press("Home")
    for frame in (3, 9, 0, 7, 8, 1):
        page.fill("#scrub", str(frame))
        until(page, READ, [frame, frame])
    page.click("#forward")
    until(page, READ, [2, 2])
    assert clip.count == 10


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_reaches_over_the_edge(
    width: int, page: Any, server: Callable[..., str], result: Path
) -> None:
    workspace = Workspace()
    workspace.open_result(result)
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(server(workspace))
    page.wait_for_selector("#legend:visible")
    page.click("#lanes button")
    page.wait_for_selector("#selected:visible")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_frame_and_its_number_stay_together_while_it_plays(
    page: Any, server: Callable[..., str], result: Path
) -> None:
    workspace = Workspace()
    workspace.open_result(result)
    page.goto(server(workspace))
    page.wait_for_selector("#legend:visible")
    page.select_option("#speed", "0.25")
    page.click("#play")
    seen = []
    while not seen or seen[-1][1] < 9:
        seen.append(page.evaluate(READ))
    assert all(picture == number for picture, number in seen)
    assert len({number for _, number in seen}) > 3


def test_the_keyboard_moves_and_plays(page: Any, server: Callable[..., str], result: Path) -> None:
    workspace = Workspace()
    workspace.open_result(result)
    page.goto(server(workspace))
    page.wait_for_selector("#player:visible")
    page.focus("#picture")
    keys = [("ArrowRight", 1), ("End", 9), ("ArrowLeft", 8), ("Shift+ArrowLeft", 0), ("End", 9)]
    for key, frame in [*keys, ("Home", 0)]:
        page.keyboard.press(key)
        until(page, READ, [frame, frame])
    page.keyboard.press("Space")
    until(page, READ, [9, 9])
    page.click("#lanes button")
    page.wait_for_selector("#selected:visible")
    page.focus("#picture")
    page.keyboard.press("Escape")
    page.wait_for_selector("#selected", state="hidden")


def test_an_animal_is_named_and_the_files_say_so(
    page: Any, server: Callable[..., str], result: Path, tmp_path: Path
) -> None:
    workspace = Workspace()
    workspace.open_result(result)
    page.goto(server(workspace))
    page.wait_for_selector("#legend:visible")
    page.click("#lanes button >> nth=1")
    page.fill("#name-value", "Bella")
    page.click("#rename button")
    until(page, "document.getElementById('selected-title').textContent", "Bella")
    assert "Bella" in page.text_content("#lanes")
    with page.expect_download() as download:
        page.click("#download-dlc-csv")
    assert "Bella" in Path(download.value.path()).read_text("utf-8").splitlines()[1].split(",")
    with page.expect_download() as download:
        page.click("#download-video")
    assert download.value.suggested_filename == "walk.pose.mp4"
    download.value.save_as(tmp_path / "posed.mp4")
    assert sum(1 for _ in open_video(tmp_path / "posed.mp4")) == 10


def test_tracks_are_shown_without_their_video(
    page: Any, server: Callable[..., str], result: Path
) -> None:
    result.with_name("walk.mp4").unlink()
    workspace = Workspace()
    workspace.open_result(result)
    page.goto(server(workspace))
    page.wait_for_selector("#legend:visible")
    assert "not beside its tracks" in page.text_content("#note")
    assert page.locator("#lanes button").count() == 3
    assert page.locator("#download-video").is_hidden()
    page.focus("#picture")
    page.keyboard.press("End")
    until(page, "Number(document.getElementById('scrub').value)", 9)


@pytest.mark.slow
def test_a_cancelled_run_goes_on_where_it_stopped_and_runs_again(
    page: Any, server: Callable[..., str], make_clip: Callable[..., Path]
) -> None:
    workspace = Workspace()
    page.goto(server(workspace))
    page.set_input_files("#file", make_clip("long.mp4", 300))
    page.wait_for_selector("#player:visible")
    (clip,) = workspace.clips.values()
    page.click("#go")
    while clip.jobs[-1].done < 20:
        page.wait_for_timeout(20)
    page.click("#cancel")
    page.wait_for_selector("#ask:visible")
    assert "Cancelled" in page.text_content("#note")
    stopped = clip.jobs[-1].done
    assert (clip.jobs[-1].state, stopped < 300) == ("cancelled", True)
    first: list[int] = []
    track = clip.track

    def watched(options: dict[str, Any], report: Report) -> None:
        def both(done: int, total: int | None) -> None:
            first.append(done)
            report(done, total)

        track(options, both)

    clip.track = watched  # type: ignore[method-assign]
    page.click("#go")
    page.wait_for_selector("#downloads:visible", timeout=60_000)
    assert first[0] >= stopped
    assert len(clip.table.frames) == 300
    page.click("#again")
    page.wait_for_selector("#ask:visible")
    page.click("#keep")
    page.wait_for_selector("#downloads:visible")
