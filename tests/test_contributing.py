"""The page for contributors names files that exist and can be imported."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path

import pytest
import yaml

REPO = Path(__file__).resolve().parents[1]
PAGE = (REPO / "docs" / "contributing.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")][2:]
NAMED = sorted(set(re.findall(r"`((?:aptv2|tests|perf|docs)/[^`]*)`", PAGE)))


def test_the_table_has_a_row_for_every_kind_of_change() -> None:
    assert len(ROWS) >= 15
    for row in ROWS:
        _, addition, places, tests, _ = row.split("|")
        assert addition.strip().startswith(("a ", "an ", "published "))
        assert re.search(r"`aptv2/[^`]+`", places), row
        assert re.search(r"`tests/[^`]+\.py`", tests), row


@pytest.mark.parametrize("name", NAMED)
def test_what_the_page_names_is_there(name: str) -> None:
    path = REPO / name
    assert path.exists(), name
    if path.is_dir():
        assert any(path.iterdir())
    elif name.startswith("aptv2/") and path.suffix == ".py":
        if name.startswith("aptv2/app/"):
            pytest.importorskip("starlette", reason="needs the extra 'app'")
        importlib.import_module(
            name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        )
    elif path.suffix == ".yaml":
        assert yaml.safe_load(path.read_text(encoding="utf-8"))
    else:
        assert path.read_text(encoding="utf-8").strip()


def test_names_in_backticks_of_the_table_are_in_their_files() -> None:
    for constant, name in re.findall(r"`([A-Z]{3,})` in `(aptv2/[^`]+)`", PAGE):
        assert re.search(rf"^{constant}\b", (REPO / name).read_text("utf-8"), re.M), name


def test_the_citation_names_the_paper() -> None:
    citation = yaml.safe_load((REPO / "CITATION.cff").read_text(encoding="utf-8"))
    paper = citation["preferred-citation"]
    assert [author["family-names"] for author in paper["authors"]] == [
        "Yang",
        "Deng",
        "Xu",
        "Zhang",
    ]
    assert "2312.15612" in json.dumps(paper)
    assert (REPO / "CHANGELOG.md").read_text(encoding="utf-8").startswith("# Changelog")
