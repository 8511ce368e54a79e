"""What a command imports before it has something to do: a wrong argument is refused at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HEAVY = {"torch", "torchvision", "timm", "lightning", "transformers", "scipy", "cv2", "matplotlib"}
SECONDS = 10.0  # of processor time: 0.3 to 0.6 when the machine is quiet, ten times that when not
CODE = """
import json, sys, time
from aptv2.cli.main import app
code = 0
try:
    app(sys.argv[1:])
except SystemExit as end:
    code = end.code
loaded = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"code": code, "seconds": time.process_time(), "loaded": loaded}))
"""


def start(*arguments: str, folder: Path) -> tuple[dict[str, Any], str]:
    """What a command in a new process loaded and took, and what it said on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--help"], 0, ""),
        (["track", "--help"], 0, ""),
        (["train", "--list"], 0, ""),
        (["track", "missing.mp4", "-o", "out"], 2, "missing.mp4: no such file or folder"),
        (["track", "text.mp4", "-o", "out"], 2, "text.mp4: is not a video that can be read"),
        (["track", "text.mp4", "-o", "out", "--export", "dlx"], 2, "did you mean dlc?"),
        (["track", "text.mp4"], 2, "--output"),
        (["track", "text.mp4", "-o", "out", "--colour"], 2, "No such option"),
        (["train", "finetun"], 2, "there is no recipe 'finetun'"),
        (["train", "lite", "sed=1"], 2, "the nearest known key is 'seed'"),
        (["train"], 2, "give a recipe"),
    ],
)
def test_nothing_heavy_is_imported(
    arguments: list[str], code: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    result, stderr = start(*arguments, folder=tmp_path)
    assert result["code"] == code
    assert said in stderr
    assert not HEAVY & set(result["loaded"])
    assert result["seconds"] < SECONDS


def test_a_module_that_is_loaded_is_seen(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    result, _ = start("track", "missing.mp4", "-o", "out", folder=tmp_path)
    assert {"av", "numpy"} <= set(result["loaded"])
