"""Uploads, hostile ones too: what is taken, what is refused, and when they are removed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

pytest.importorskip("starlette", reason="needs the extra 'app'")
httpx = pytest.importorskip("httpx", reason="needs httpx")

from browsing import alive, upload, wait  # noqa: E402

from aptv2.app import child, requests  # noqa: E402
from aptv2.app.workspace import SPARE, TooLargeError, Workspace, safe_name  # noqa: E402


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


def crash(path: Path, report: object) -> None:
    """Ends its process as a broken decoder does."""
    os.kill(os.getpid(), signal.SIGSEGV)


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
