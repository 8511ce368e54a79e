"""Code, recipes and docs use the field's words, not the ones that this project once had."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
# An old word, as a pattern, and the word of the field.
OLD = {
    r"joints": "keypoints",
    r"body_(rate|lr)": "backbone_lr",
    r"tell|tells|told|telling": "say, report, distinguish",
    r"owed?": "pending",
    r"rivals?": "distractors",
    r"claim(s|ed|ing)?": "lease",
    r"number type": "dtype",
    r"(gone|went|goes?|going) on with": "resume",
    r"(those|tracks|results) that are here": "found locally",
    r"stands? twice": "appears twice",
    r"films?": "video",
    r"kin": "same_species",
    r"firsts": "first_rows",
    r"strangers?": "unknown, other",
    r"glued": "overlapping",
    r"begun": "started",
    r"average: (null|0\.\d+)": "ema_decay",
    r"clip: (null|[\d.]+)": "gradient_clip_norm",
    r"about\.json": "metadata.json",
}
# Places where an old word means something else.
ALLOWED = {
    "CHANGELOG.md",  # says what was renamed
    "LICENSE",
}
TEXT = {".py", ".yaml", ".md", ".js", ".html", ".css", ".toml", ".yml", ".sh", ""}


def tracked() -> list[Path]:
    """Files under version control that people read."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPO, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("needs a git checkout")
    names = [name for name in listed.stdout.split("\0") if name]
    return [
        REPO / name
        for name in names
        if Path(name).suffix in TEXT
        and not name.startswith("tests/")  # their names are sentences of their own
        and name not in ALLOWED
        and (REPO / name).is_file()
    ]


@pytest.mark.parametrize("old", OLD)
def test_no_old_word_is_left(old: str) -> None:
    # Words may be parts of names: `told_by`, `_claims`.
    pattern = re.compile(rf"(?<![a-z])(?:{old})(?![a-z])", re.IGNORECASE)
    found = [
        f"{path.relative_to(REPO)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, f"use {OLD[old]}:\n" + "\n".join(found[:20])


def test_the_patterns_find_the_words() -> None:
    examples = {"joints", "body_rate", "told", "owed", "rival", "claims", "number type", "films"}
    for example in examples:
        hits = [old for old in OLD if re.search(rf"(?<![a-z])(?:{old})(?![a-z])", example)]
        assert len(hits) == 1, example
