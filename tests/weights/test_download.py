"""Downloads from a server on this machine that misbehaves in every way it can."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aptv2.errors import InputError
from aptv2.weights import download as module
from aptv2.weights.download import download

CONTENT = bytes(range(256)) * 9_000  # more than two pieces
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Keeps what it was asked, and behaves as its `mood` says."""

    mood = ""
    etag = '"one"'

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/net.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None: ...

    def do_GET(self) -> None:
        server, mood = self.server, self.server.mood
        server.asked.append((self.path, dict(self.headers)))
        if mood == "missing":
            return self.send_error(404)
        if mood.startswith("to ") and self.path == "/net.pth":
            self.send_response(302)
            self.send_header("Location", mood.removeprefix("to "))
            self.send_header("X-Linked-ETag", f'"{SHA}"')
            self.send_header("Content-Length", "0")
            return self.end_headers()
        start = 0
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and mood != "no ranges" and self.headers.get("If-Range") == server.etag:
            start = int(wanted[1])
            if start >= len(CONTENT):
                return self.send_error(416)
        backbone = CONTENT[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        if mood == "huge":
            self.send_header("Content-Length", str(10**15))
        elif mood != "no length":
            self.send_header("Content-Length", str(len(backbone)))
        self.send_header("ETag", server.etag)
        self.end_headers()
        self.wfile.write(backbone[: len(backbone) // 2] if mood == "cut" else backbone)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new" / "net.pth"


def files(path: Path) -> set[str]:
    return {file.name for file in path.parent.iterdir()}


@pytest.mark.parametrize("checksum", [SHA, SHA[:8]])
def test_a_whole_file(server: Server, path: Path, checksum: str) -> None:
    steps: list[tuple[int, int | None]] = []
    found = download(server.url, path, {"we": checksum}, lambda *step: steps.append(step))
    assert found == SHA
    assert path.read_bytes() == CONTENT
    assert files(path) == {"net.pth"}
    assert steps == sorted(steps)
    assert steps[-1] == (len(CONTENT), len(CONTENT))


def test_nobody_knows_the_checksum(server: Server, path: Path) -> None:
    with pytest.warns(UserWarning, match=f"nobody says .*; it is {SHA}"):
        download(server.url, path)


def test_a_transfer_that_breaks_off_goes_on(server: Server, path: Path) -> None:
    server.mood = "cut"
    half = len(CONTENT) // 2
    with pytest.raises(InputError, match=f"broke off after {half} of {len(CONTENT)} bytes; run"):
        download(server.url, path, {"we": SHA})
    assert not path.exists()
    with pytest.raises(InputError, match=f"broke off after {half + half // 2} of"):
        download(server.url, path, {"we": SHA})
    server.mood = ""
    download(server.url, path, {"we": SHA})
    assert path.read_bytes() == CONTENT
    assert files(path) == {"net.pth"}
    ranges = [headers.get("Range") for _, headers in server.asked]
    assert ranges == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]


@pytest.mark.parametrize("change", ["no ranges", "another version", "longer than the file"])
def test_a_beginning_that_is_of_no_use_is_fetched_again(
    server: Server, path: Path, change: str
) -> None:
    server.mood = "cut"
    with pytest.raises(InputError):
        download(server.url, path, {"we": SHA})
    server.mood = change
    part = path.with_name("net.pth.part")
    part.write_bytes(b"x" * part.stat().st_size)
    if change == "another version":
        server.etag = '"two"'
    if change == "longer than the file":
        part.write_bytes(b"x" * (len(CONTENT) + 5))
    download(server.url, path, {"we": SHA})
    assert path.read_bytes() == CONTENT


def test_a_wrong_checksum(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"good")
    with pytest.raises(
        InputError, match=rf"begins with {SHA[:8]}, but its publisher says 0123abcd; .* not kept"
    ):
        download(server.url, path, {"its publisher": "0123abcd"})
    assert path.read_bytes() == b"good"
    assert not path.with_name("net.pth.part").exists()


class TestHostile:
    @pytest.mark.parametrize(
        "target", ["http://192.0.2.1/net.pth", "file:///etc/hostname", "ftp://192.0.2.1/x"]
    )
    def test_redirects_away_from_https(self, server: Server, path: Path, target: str) -> None:
        server.mood = f"to {target}"
        with pytest.raises(InputError, match=re.escape(target)) as caught:
            download(server.url, path, {"we": SHA})
        assert "not followed" in str(caught.value) or "not allowed" in str(caught.value)
        assert not path.exists()

    def test_redirects_in_a_circle(self, server: Server, path: Path) -> None:
        server.mood = "to /net.pth"
        with pytest.raises(InputError, match="answers 302") as caught:
            download(server.url, path, {"we": SHA})
        assert "\n" not in str(caught.value)
        assert len(server.asked) < 12

    def test_a_length_beyond_reason(self, server: Server, path: Path) -> None:
        server.mood = "huge"
        with pytest.raises(InputError, match="1000000000000000 bytes, more than any weights"):
            download(server.url, path, {"we": SHA})
        assert files(path) == set()

    def test_a_stream_without_end(
        self, server: Server, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "LARGEST", 1_500_000)
        server.mood = "no length"
        with pytest.raises(InputError, match="sends more than 1500000 bytes; stopped"):
            download(server.url, path, {"we": SHA})
        assert not path.exists()

    def test_an_address_without_encryption(self, path: Path) -> None:
        with pytest.raises(InputError, match=r"http://192\.0\.2\.1/x: is no https address"):
            download("http://192.0.2.1/x", path)


def test_a_redirect_within_bounds_and_the_checksum_of_the_hub(server: Server, path: Path) -> None:
    """The hub states the checksum where it sends us on: no warning, and it is compared."""
    server.mood = "to /elsewhere.pth"
    assert download(server.url, path) == SHA
    assert [asked for asked, _ in server.asked] == ["/net.pth", "/elsewhere.pth"]


def test_not_found(server: Server, path: Path) -> None:
    server.mood = "missing"
    with pytest.raises(InputError, match=r"net\.pth: the server answers 404 \(Not Found\)"):
        download(server.url, path)


def test_no_network(server: Server, path: Path) -> None:
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match=rf"{url}: cannot be reached \(.*refused.*\); check the"):
        download(url, path)


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"net\.pth cannot be written"):
        download(server.url, tmp_path / "file" / "net.pth")
