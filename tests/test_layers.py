"""The import rule of `pyproject.toml`: a module imports only from the layers below its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Hold the package in `folder` to the contract that stands beside it."""
    code = "import importlinter.cli as c; raise SystemExit(c.lint_imports(no_cache=True))"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


def test_package_keeps_the_rule() -> None:
    result = lint(REPO)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("boxes.py", "import aptv2.tables"),
        ("crops.py", "def late():\n    from aptv2.models import zoo"),
        ("boxes.py", "from aptv2 import species"),
        ("stray.py", ""),
    ],
    ids=["upward", "upward inside a function", "sideways", "module without a layer"],
)
def test_a_breach_is_found(module: str, line: str, tmp_path: Path) -> None:
    package = tmp_path / "aptv2"
    shutil.copytree(REPO / "aptv2", package, ignore=shutil.ignore_patterns("assets", "__pycache__"))
    shutil.copy(REPO / "pyproject.toml", tmp_path)
    with (package / module).open("a") as file:
        file.write(f"\n{line}\n")
    result = lint(tmp_path)
    assert result.returncode == 1
    assert "1 broken" in result.stdout
