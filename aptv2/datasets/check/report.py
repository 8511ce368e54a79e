"""Results of a check as data: findings, the contents of each file, and the published totals."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

EXAMPLES = 3  # a finding


class Kind(NamedTuple):
    """A kind of dirt, and whether animals, images or splits are lost to it."""

    title: str
    lost: bool


@dataclass(frozen=True)
class Finding:
    """One kind of dirt: how often, in which files, and the first of it."""

    title: str
    lost: bool
    count: int
    files: tuple[str, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Contents:
    """Contents of one annotation file; `images` are those listed, `frames` those with animals."""

    name: str
    images: int
    frames: int
    clips: int
    tracks: int
    animals: int
    without_keypoints: int
    species: dict[str, int]


@dataclass(frozen=True)
class Total:
    """A published number beside the one that was found; None where the file is missing."""

    what: str
    published: int
    found: int | None

    @property
    def short(self) -> bool:
        """True if something is missing."""
        return self.found is None or self.found < self.published


@dataclass(frozen=True)
class Report:
    """The outcome of a check.

    Parameters
    ----------
    root
        What was checked.
    contents
        What each annotation file holds.
    findings
        Every kind of dirt that is there; what loses data comes first, then by count.
    totals
        Beside APTv2's published numbers; empty where the data are not called APTv2.
    images_checked
        Images that were decoded.
    """

    root: str
    contents: list[Contents] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    totals: list[Total] = field(default_factory=list)
    images_checked: int = 0

    @property
    def lost(self) -> bool:
        """True if data would be lost: some finding loses data, or a total falls short."""
        return any(finding.lost for finding in self.findings) or any(t.short for t in self.totals)

    def to_json(self) -> str:
        """The report as JSON."""
        return json.dumps({"lost": self.lost, **asdict(self)}, indent=2)


class Findings:
    """Collects dirt. The same thing said by two files, as by val and its easy part, counts once."""

    def __init__(self) -> None:
        self._places: dict[Kind, dict[str, None]] = {}
        self._files: dict[Kind, dict[str, None]] = {}

    def add(self, kind: Kind, places: Iterable[str], file: str = "") -> None:
        """Note the places (a record, an image, a clip) where a kind of dirt is."""
        found = dict.fromkeys(places)
        if found:
            self._places.setdefault(kind, {}).update(found)
            self._files.setdefault(kind, {}).update({file: None} if file else {})

    def sorted(self) -> list[Finding]:
        """All of them; what loses data comes first, then by count."""
        found = [
            Finding(
                kind.title,
                kind.lost,
                len(places),
                tuple(self._files[kind]),
                tuple(list(places)[:EXAMPLES]),
            )
            for kind, places in self._places.items()
        ]
        return sorted(found, key=lambda finding: (not finding.lost, -finding.count))
