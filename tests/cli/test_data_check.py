"""`aptv2 data check`: what it prints and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from aptv2.cli.main import app


def check(*arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    result = CliRunner().invoke(app, ["data", "check", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_help_shows_an_example() -> None:
    code, shown, _ = check("--help")
    assert code == 0
    assert "aptv2 data check APTv2" in shown


def test_a_usable_file_exits_with_0(small_release: Path) -> None:
    file = small_release / "annotations/val_annotations_hard.json"
    code, shown, _ = check(file, "--no-images")
    assert code == 0
    assert "usable as it is; images decoded: 0" in " ".join(shown.split())


def test_lost_data_exit_with_1(small_release: Path) -> None:
    (small_release / "data/easy/2dog/v1C1/0000.jpg").unlink()
    code, shown, _ = check(small_release, "--workers", "1")
    assert code == 1
    said = " ".join(shown.split())
    assert "data would be lost; images decoded: 89" in said
    assert "named but absent" in said
    assert "easy/2dog/v1C1/0000.jpg" in said
    assert "0 of APTv2's 105 published totals are the same" in said


def test_json_for_machines(small_release: Path) -> None:
    code, shown, _ = check(small_release, "--json", "--no-images")
    report = json.loads(shown)
    assert (code, report["lost"]) == (1, True)
    assert set(report) == {"lost", "root", "contents", "findings", "totals", "images_checked"}
    assert report["totals"][0] == {
        "what": "images in every split",
        "published": 41_179,
        "found": 90,
    }
    assert {"title", "lost", "count", "files", "examples"} == set(report["findings"][0])


def test_names_that_would_upset_a_terminal(small_release: Path) -> None:
    file = small_release / "annotations/val_annotations.json"
    document = json.loads(file.read_bytes())
    document["images"][0]["file_name"] = "[bold]\ud800\x1b[2J.jpg"
    file.write_text(json.dumps(document))
    code, shown, _ = check(file)
    assert code == 1
    assert "[bold]\N{REPLACEMENT CHARACTER}" in shown
    assert "\x1b[2J" not in shown


def test_bad_input_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "poses.json"
    path.write_text('{"images": [')
    code, shown, said = check(path)
    assert (code, shown) == (2, "")
    assert said.splitlines()[-1].startswith(f"Error: {path} is not valid JSON")
