"""The server: uploads, hostile ones too, editing, exports and who is let in."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np
import pytest

pytest.importorskip("starlette", reason="needs the extra 'app'")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from aptv2.app import child, requests  # noqa: E402
from aptv2.app.clips import pose_array  # noqa: E402
from aptv2.app.server import PAGE  # noqa: E402
from aptv2.app.workspace import SPARE, TooLargeError, Workspace, safe_name  # noqa: E402
from aptv2.datasets import read_annotations  # noqa: E402
from aptv2.drawing import overlay  # noqa: E402
from aptv2.errors import InputError  # noqa: E402
from aptv2.export import write_coco  # noqa: E402
from aptv2.reports import style  # noqa: E402
from aptv2.tables import PoseTable  # noqa: E402
from aptv2.video.reader import open_video  # noqa: E402


def crash(path: Path, report: object) -> None:
    """Ends its process as a broken decoder does."""
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    workspace = Workspace(max_bytes=10**6)
    yield workspace
    workspace.close()


@pytest.fixture
def client(server: Callable[..., str], workspace: Workspace) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server(workspace), timeout=30, trust_env=False) as client:
        yield client


def upload(client: httpx.Client, content: object, name: str = "clip.mp4") -> httpx.Response:
    return client.post(f"/api/clips?name={quote(name)}", content=content)


def alive(client: httpx.Client, workspace: Workspace, clip: Path) -> bool:
    """Whether the server takes a good video, and holds nothing else."""
    reported = upload(client, clip.read_bytes())
    kept = list(workspace.folder.iterdir())
    return reported.status_code == 201 and len(kept) == len(workspace.clips) == 1


def test_an_upload_is_shown_and_removed(
    client: httpx.Client, workspace: Workspace, make_clip: Callable[..., Path]
) -> None:
    reported = upload(client, make_clip(frames=12).read_bytes(), "my walk.mp4").json()
    assert (reported["name"], reported["width"], reported["height"]) == ("my walk", 64, 48)
    place = f"/api/clips/{reported['id']}"
    assert client.get(f"{place}/first.jpg").content[:2] == b"\xff\xd8"
    while not client.get(place).json()["playable"]:
        pass
    part = client.get(f"{place}/video.mp4", headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert client.delete(place).status_code == 204
    assert client.get(place).status_code == 404
    workspace.close()
    assert not workspace.folder.exists()


def test_a_text_file_called_mp4_is_refused(
    client: httpx.Client, workspace: Workspace, make_clip: Callable[..., Path]
) -> None:
    reported = upload(client, b"Dear diary")
    assert reported.status_code == 400
    sentence = "clip.mp4: is not a video that can be read; convert it to MP4."
    assert reported.json() == {"error": sentence}
    assert alive(client, workspace, make_clip())


def test_huge_frames_are_refused(
    client: httpx.Client, workspace: Workspace, make_clip: Callable[..., Path]
) -> None:
    wide = make_clip("wide.avi", 2, size=(20000, 32), codec="mjpeg", pixels="yuvj420p")
    reported = upload(client, wide.read_bytes(), "wide.avi")
    assert reported.status_code == 400
    assert "wide.avi: frames of 20000 x 32 pixels are too large" in reported.json()["error"]
    assert alive(client, workspace, make_clip())


@pytest.mark.parametrize(
    ("codec", "pixels", "code"), [("rawvideo", "yuv420p", 400), ("mjpeg", "yuvj420p", 201)]
)
def test_a_lie_about_the_size_fills_no_memory(
    codec: str,
    pixels: str,
    code: int,
    client: httpx.Client,
    make_clip: Callable[..., Path],
) -> None:
    clip = make_clip("clip.avi", 4, codec=codec, pixels=pixels)
    size = (64).to_bytes(4, "little") + (48).to_bytes(4, "little")
    content = clip.read_bytes()
    assert size in content
    content = content.replace(size, (60000).to_bytes(4, "little") * 2)
    reported = upload(client, content, "clip.avi")
    assert reported.status_code == code
    if code == 201:  # JPEG frames tell their own size, which is what counts.
        assert (reported.json()["width"], reported.json()["height"]) == (64, 48)


def test_too_many_bytes_are_refused_before_they_are_sent(
    client: httpx.Client, workspace: Workspace, make_clip: Callable[..., Path]
) -> None:
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            b"POST /api/clips?name=a.mp4 HTTP/1.1\r\n"
            + f"Host: {address.netloc}\r\nContent-Length: 5000000000\r\n\r\n".encode()
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert alive(client, workspace, make_clip())


def test_bytes_are_counted_where_their_number_is_not_told(
    client: httpx.Client, workspace: Workspace, make_clip: Callable[..., Path]
) -> None:
    reported = upload(client, (bytes(100_000) for _ in range(11)))
    assert reported.status_code == 413
    assert "clip.mp4 is too large: the limit is 0.001 GB" in reported.json()["error"]
    assert alive(client, workspace, make_clip())


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\clip.MP4", "clip.mp4"),
        ("..", "video"),
        ("", "video"),
        (".mp4", "mp4"),
        ("a\0b\n.mp4", "a_b_.mp4"),
        ("x" * 300 + ".mov", "x" * 80 + ".mov"),
        ("Löwe 3 (zoo).avi", "Löwe 3 (zoo).avi"),
        ("<img onerror=x>.mp4", "_img onerror_x_.mp4"),
    ],
)
def test_names_are_made_harmless(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_a_name_does_not_lead_out_of_the_folder(
    client: httpx.Client, workspace: Workspace, make_clip: Callable[..., Path]
) -> None:
    assert upload(client, make_clip().read_bytes(), "../../../tmp/evil.mp4").status_code == 201
    (clip,) = workspace.clips.values()
    assert clip.video is not None
    assert clip.video.path.resolve().is_relative_to(workspace.folder.resolve())


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


def wait(client: httpx.Client, place: str) -> dict[str, Any]:
    """What is reported of a clip once nothing is done on it any more."""
    for _ in range(600):
        reported: dict[str, Any] = client.get(place).json()
        if reported["job"] is None:
            return reported
        time.sleep(0.1)
    raise AssertionError(reported)


def test_uploads_are_removed_after_a_while_and_results_stay(
    client: httpx.Client, workspace: Workspace, result: Path, make_clip: Callable[..., Path]
) -> None:
    opened = workspace.open_result(result)
    reported = upload(client, make_clip(frames=3).read_bytes()).json()
    place = f"/api/clips/{reported['id']}"
    wait(client, place)
    folder = workspace.clips[reported["id"]].folder
    workspace.remove_old()
    assert client.get(place).status_code == 200
    workspace.keep_seconds = 0.0
    workspace.remove_old()
    assert client.get(place).status_code == 404
    assert list(workspace.clips) == [opened.id]
    for _ in range(100):
        if not folder.exists():
            break
        time.sleep(0.05)
    assert not folder.exists()


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


def test_names_of_uploads_meet_none_of_ours(
    client: httpx.Client, workspace: Workspace, make_clip: Callable[..., Path]
) -> None:
    """`proxy.mp4` used to be written over by its own copy, `boxes.csv` by its results."""
    for name in ("proxy.mp4", "boxes.mp4"):
        content = make_clip(frames=3, size=(1600, 48)).read_bytes()
        reported = upload(client, content, name).json()
        place = f"/api/clips/{reported['id']}"
        assert wait(client, place)["playable"]
        clip = workspace.clips[reported["id"]]
        assert clip.video is not None
        assert clip.video.path.read_bytes() == content
        box = {"frame": 0, "x": 4, "y": 4, "width": 40, "height": 30}
        client.post(f"{place}/track", json={"boxes": [box]})
        done = wait(client, place)
        assert done["error"] == ""
        assert clip.table.frames.sizes[0].tolist() == [1600, 48]


def test_a_decoder_that_crashes_ends_no_server(
    client: httpx.Client, make_clip: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_open", crash)
    reported = upload(client, make_clip().read_bytes())
    assert (reported.status_code, reported.json()["error"]) == (
        400,
        "clip.mp4: crashes the decoder; convert it to MP4.",
    )
    assert client.get("/api/settings").status_code == 200


def test_a_silent_client_is_let_go(
    client: httpx.Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "_PATIENCE", 0.3)
    address = urlsplit(str(client.base_url))
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = f"Host: {address.netloc}\r\nContent-Length: 5000\r\n\r\nabc"
        connection.sendall(f"POST /api/clips?name=a.mp4 HTTP/1.1\r\n{head}".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 408")
    assert not list(workspace.folder.iterdir())


def test_uploads_under_way_reserve_the_disk_together(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = SPARE + 1_000_000
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    workspace._promised[Path("other")] = 600_000
    workspace._check_room("a.mp4", 400_000)
    with pytest.raises(TooLargeError, match=r"a\.mp4 does not fit on the disk"):
        workspace._check_room("a.mp4", 400_001)


def test_folders_of_servers_that_were_killed_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gone = subprocess.run(
        [
            sys.executable,
            "-c",
            "from aptv2.app.workspace import Workspace; import os;"
            "w = Workspace(); print(w.folder); os._exit(9)",
        ],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert Path(gone).is_dir()
    assert Path(gone).is_relative_to(tmp_path)
    first = Workspace()
    assert not Path(gone).parent.exists()
    second = Workspace()
    assert first.folder.is_dir()
    for each in (first, second):
        each.close()
    assert not list(tmp_path.iterdir())


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
