"""Requests as the page sends them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from aptv2.app.workspace import Workspace


def upload(client: httpx.Client, content: object, name: str = "clip.mp4") -> httpx.Response:
    return client.post(f"/api/clips?name={quote(name)}", content=content)


def alive(client: httpx.Client, workspace: Workspace, clip: Path) -> bool:
    """Whether the server takes a good video, and holds nothing else."""
    reported = upload(client, clip.read_bytes())
    kept = list(workspace.folder.iterdir())
    return reported.status_code == 201 and len(kept) == len(workspace.clips) == 1


def wait(client: httpx.Client, place: str) -> dict[str, Any]:
    """What is reported of a clip once nothing is done on it any more."""
    for _ in range(600):
        reported: dict[str, Any] = client.get(place).json()
        if reported["job"] is None:
            return reported
        time.sleep(0.1)
    raise AssertionError(reported)
