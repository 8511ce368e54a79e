"""A server on a free port, its client, and a table of a few tracks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from aptv2.tables import Frames, PoseTable

if TYPE_CHECKING:
    import httpx

    from aptv2.app.workspace import Workspace


@pytest.fixture
def make_table() -> Callable[..., PoseTable]:
    """Makes a table of tracks, given each one's frames."""

    def make(frames: int = 10, **tracks: range) -> PoseTable:
        chosen = tracks or {"_1": range(frames), "_2": range(0, 4), "_5": range(5, 9)}
        rows = [(frame, int(name[1:])) for name, where in chosen.items() for frame in where]
        rows.sort()
        count = len(rows)
        frame, numbers = np.array(rows, np.int64).reshape(-1, 2).T
        rng = np.random.default_rng(0)
        return PoseTable.make(
            Frames.make(
                frames,
                sizes=np.tile([64, 48], (frames, 1)),
                indices=np.arange(frames),
                times=np.arange(frames) / 25,
            ),
            frame,
            boxes=rng.uniform(1, 20, (count, 4)),
            keypoints=rng.uniform(0.1, 1, (count, 17, 3)),
            scores=rng.uniform(0.5, 1, count),
            tracks=numbers,
        )

    return make


@pytest.fixture
def server() -> Iterator[Callable[..., str]]:
    """Starts servers of a workspace and gives their addresses."""
    uvicorn = pytest.importorskip("uvicorn", reason="needs the extra 'app'")
    from aptv2.app.server import create_app
    from aptv2.app.workspace import Workspace

    started = []

    def start(workspace: Workspace | None = None) -> str:
        app = create_app(workspace or Workspace())
        running = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
        thread = threading.Thread(target=running.run)
        thread.start()
        started.append((running, thread))
        while not running.started:
            assert thread.is_alive()
            time.sleep(0.02)
        port = running.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    yield start
    for running, thread in started:
        running.should_exit = True
        thread.join(30)


@pytest.fixture
def result(make_table: Callable[..., PoseTable], make_clip: Callable[..., Path]) -> Path:
    """Tracks beside their video, whose frames show their numbers."""
    from dataclasses import replace

    from aptv2.export import write_coco

    video = make_clip("walk.mp4", 10)
    path = video.with_name("walk.tracks.json")
    write_coco(replace(make_table(), root=video), path)
    return path


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """A workspace that takes uploads of up to a megabyte."""
    pytest.importorskip("starlette", reason="needs the extra 'app'")
    from aptv2.app.workspace import Workspace

    workspace = Workspace(max_bytes=10**6)
    yield workspace
    workspace.close()


@pytest.fixture
def client(server: Callable[..., str], workspace: Workspace) -> Iterator[httpx.Client]:
    """A browser of a server of `workspace`."""
    httpx = pytest.importorskip("httpx", reason="needs httpx")
    with httpx.Client(base_url=server(workspace), timeout=30, trust_env=False) as client:
        yield client
