"""A short slice of `perf/fuzz.py`: damaged inputs are read, or refused in one sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[1] / "perf" / "fuzz.py"


@pytest.mark.skipif(sys.platform != "linux", reason="bounds on memory and time are Linux's")
@pytest.mark.parametrize("name", ["annotations", "video", "text", "weights", "page"])
def test_no_fault_in_a_slice(name: str) -> None:
    if name == "page":
        pytest.importorskip("starlette", reason="needs the extra 'app'")
        pytest.importorskip("httpx", reason="needs httpx")
    command = [sys.executable, str(FUZZ), "--classes", name, "--tries", "60", "--seed", "7"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"| {name} | 60 |" in done.stdout
