"""Rerun recordings, read back by Rerun itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("rerun", reason="needs the extra 'rerun'")

from aptv2.app.recording import write_recording
from aptv2.app.results import read_result


def test_a_recording_is_written(result: Path, tmp_path: Path) -> None:
    table, video = read_result(result, None)
    assert video is not None
    path, bare = tmp_path / "walk.rrd", tmp_path / "bare.rrd"
    write_recording(table, path, video)
    write_recording(table, bare)
    assert path.read_bytes()[:3] == bare.read_bytes()[:3] == b"RRF"
    assert path.stat().st_size > bare.stat().st_size
    reported = subprocess.run(
        [Path(sys.executable).with_name("rerun"), "rrd", "verify", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert reported.returncode == 0, reported.stderr
    listed = subprocess.run(
        [Path(sys.executable).with_name("rerun"), "rrd", "print", "-v", path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in ("video/animal_1/box", "video/animal_2/keypoints", "score/animal_5"):
        assert name in listed
