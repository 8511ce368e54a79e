"""The server: editing, exports and who is let in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra 'app'")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from browsing import upload, wait  # noqa: E402

from aptv2.app.clips import pose_array  # noqa: E402
from aptv2.app.server import PAGE  # noqa: E402
from aptv2.app.workspace import Workspace  # noqa: E402
from aptv2.datasets import read_annotations  # noqa: E402
from aptv2.drawing import overlay  # noqa: E402
from aptv2.errors import InputError  # noqa: E402
from aptv2.export import write_coco  # noqa: E402
from aptv2.reports import style  # noqa: E402
from aptv2.tables import PoseTable  # noqa: E402
from aptv2.video.reader import open_video  # noqa: E402


@pytest.mark.parametrize("path", ["/static/", "/static/../server.py", "/static/%2e%2e/server.py"])
def test_nothing_else_is_served(path: str, client: httpx.Client) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "192.0.2.1"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_other_sites_are_refused(headers: dict[str, str], client: httpx.Client) -> None:
    assert client.get("/api/settings", headers=headers).status_code == 403
    assert client.post("/api/clips", headers=headers).status_code == 403


def test_the_page_draws_as_the_overlay_video_does(client: httpx.Client) -> None:
    look = client.get("/api/settings").json()["look"]
    assert look["minScore"] == overlay.MIN_SCORE
    assert look["tracks"] == list(overlay.TRACK_COLOURS)
    assert (look["outline"], look["noTrack"]) == (overlay.OUTLINE, overlay.NO_TRACK)
    assert set(look["tagInk"].values()) == {overlay.OUTLINE, overlay.WHITE}
    assert f"--ink: {style.INK}" in client.get("/static/theme.css").text
    # None of it is written a second time in the page's own code.
    for path in sorted(PAGE.glob("*.js")):
        assert not re.findall(r"#[0-9a-f]{6}\b|#[0-9a-f]{3}\b", path.read_text("utf-8")), path.name
    assert "--ink:" not in (PAGE / "page.css").read_text("utf-8")


def test_beyond_this_machine_a_token_is_asked_for(workspace: Workspace) -> None:
    from starlette.testclient import TestClient

    from aptv2.app.server import create_app

    app = create_app(workspace, "0.0.0.0", "secret")
    client = TestClient(app, base_url="http://192.0.2.1", follow_redirects=False)
    assert client.get("/api/settings").status_code == 403
    assert client.get("/?token=guess").status_code == 403
    assert client.get("/?token=secret").headers["location"] == "/"
    assert client.get("/api/settings").status_code == 200
    assert client.get("/api/settings", headers={"host": "evil.example"}).status_code == 403


def test_edits_are_saved_beside_the_original_and_undone(
    client: httpx.Client, workspace: Workspace, result: Path
) -> None:
    clip = workspace.open_result(result)
    original = result.read_bytes()
    table = read_annotations(result)
    place = f"/api/clips/{clip.id}"
    rows = np.frombuffer(client.get(f"{place}/poses").content, "<f4").reshape(len(table), -1)
    np.testing.assert_array_equal(rows, pose_array(table))
    merged = client.post(f"{place}/edits", json={"kind": "merge", "track": 2, "value": 5}).json()
    assert merged["result"]["tracks"] == [1, 2]
    saved = result.with_name(merged["result"]["saved"])
    assert set(read_annotations(saved).tracks) == {1, 2}
    exported = client.get(f"{place}/export/tracks")
    assert exported.content == saved.read_bytes()
    assert client.post(f"{place}/undo").json()["result"]["tracks"] == [1, 2, 5]
    np.testing.assert_array_equal(read_annotations(saved).tracks, table.tracks)
    refused = client.post(f"{place}/undo")
    assert (refused.status_code, refused.json()["error"]) == (400, "There is no edit to undo.")
    assert result.read_bytes() == original


@pytest.mark.parametrize("content", [b"", b"[]", b'{"kind": "merge"}', b"\xff", b'{"track": 1e99}'])
def test_senseless_requests_are_one_sentence(
    content: bytes, client: httpx.Client, workspace: Workspace, result: Path
) -> None:
    place = f"/api/clips/{workspace.open_result(result).id}"
    for route in ("edits", "track"):
        reported = client.post(f"{place}/{route}", content=content)
        assert reported.status_code == 400
        assert json.loads(reported.content)["error"]


def test_the_tracks_of_an_opened_result_are_not_written_over(
    client: httpx.Client, workspace: Workspace, result: Path
) -> None:
    before = result.read_bytes()
    reported = client.post(f"/api/clips/{workspace.open_result(result).id}/track", json={})
    assert (reported.status_code, "to track it again" in reported.json()["error"]) == (400, True)
    assert result.read_bytes() == before


def test_boxes_are_found_in_a_frame(
    client: httpx.Client, workspace: Workspace, make_clip: Callable[..., Path]
) -> None:
    reported = upload(client, make_clip(frames=3).read_bytes()).json()
    place = f"/api/clips/{reported['id']}/find"
    assert isinstance(client.post(place, json={"frame": 2}).json(), list)
    refused = client.post(place, json={"frame": 3})
    assert (refused.status_code, refused.json()["error"]) == (
        400,
        "clip.mp4 has no frame 3; choose an earlier one.",
    )
    assert client.post(place, json={"frame": -1}).status_code == 400


def test_the_video_is_drawn_with_its_edits(
    client: httpx.Client, workspace: Workspace, result: Path, tmp_path: Path
) -> None:
    place = f"/api/clips/{workspace.open_result(result).id}"
    assert client.get(f"{place}/pose.mp4").status_code == 404
    assert client.post(f"{place}/draw").status_code == 202
    assert wait(client, place)["result"]["drawn"]
    (tmp_path / "posed.mp4").write_bytes(client.get(f"{place}/pose.mp4").content)
    assert sum(1 for _ in open_video(tmp_path / "posed.mp4")) == 10
    named = {"kind": "name", "track": 2, "name": "Bella"}
    reported = client.post(f"{place}/edits", json=named).json()["result"]
    assert (reported["drawn"], reported["names"]) == (False, {"2": "Bella"})
    assert read_annotations(result.with_name(reported["saved"])).names == {2: "Bella"}


def test_more_work_than_can_wait_is_refused(
    client: httpx.Client, workspace: Workspace, make_clip: Callable[..., Path]
) -> None:
    reported = upload(client, make_clip(frames=3).read_bytes()).json()
    place = f"/api/clips/{reported['id']}"
    wait(client, place)
    workspace.jobs.most = 0
    for route, sent in (("find", {"frame": 0}), ("track", {})):
        refused = client.post(f"{place}/{route}", json=sent)
        assert (refused.status_code, "tasks are waiting" in refused.json()["error"]) == (503, True)
    assert upload(client, make_clip(frames=3).read_bytes()).status_code == 503
    assert len(list(workspace.folder.iterdir())) == 1


def test_this_machine_asks_for_a_token_too(workspace: Workspace) -> None:
    from starlette.testclient import TestClient

    from aptv2.app.server import create_app

    app = create_app(workspace, "127.0.0.1", "secret")
    client = TestClient(app, base_url="http://127.0.0.1:8888", follow_redirects=False)
    assert client.get("/").status_code == 403
    assert client.delete("/api/clips/x").status_code == 403
    given = client.get("/?token=secret")
    assert (given.status_code, given.headers["location"]) == (303, "/")
    # Browsers send a cookie to all ports: each server's has its own name.
    assert given.headers["set-cookie"].startswith("aptv2_token_8888=secret; HttpOnly")
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"host": "192.0.2.1"}).status_code == 403


def test_frames_beyond_all_bounds_are_not_drawn(
    workspace: Workspace, make_table: Callable[..., PoseTable], tmp_path: Path
) -> None:
    table = make_table()
    frames = replace(table.frames, indices=np.arange(10) + 4 * 10**15)
    write_coco(replace(table, frames=frames), path := tmp_path / "far.tracks.json")
    with pytest.raises(InputError, match="a frame 4000000000000009, too many to show without"):
        workspace.open_result(path)
