"""What is known of published weights; the data are in `registry.yaml` beside this file."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from aptv2.errors import InputError
from aptv2.yaml_files import parse_yaml

DATA_PAGE = "https://1drv.ms/f/s!AimBgYV7JjTlgckmLjVg2Z7B3DZXeQ?e=cHUoj9"
"""The official link to APTv2's images and annotations; only a browser can follow it."""

_FILE = Path(__file__).with_name("registry.yaml")


@dataclass(frozen=True)
class Entry:
    """One set of weights. The fields are explained in `registry.yaml`.

    Attributes
    ----------
    name
        What `aptv2 weights pull` calls it.
    ap
        Published AP in percent, of what `ap_of` says; None where none is known.
    licence
        As the publisher states it; empty where none is stated.
    size
        Megabytes of the file that `pull` and `convert` write, and of the embedded one.
    embedded
        True for weights that are part of this package.
    sha256
        Hexadecimal checksum of the file or its beginning; empty where it is not known.
    """

    name: str
    network: str
    data: str
    kind: str = "pose"
    start: str = "-"
    size: float | None = None
    embedded: bool = False
    ap: float | None = None
    ap_of: str = "val"
    expert: str | None = None
    url: str = ""
    page: str = ""
    sha256: str = ""
    licence: str = ""

    @property
    def host(self) -> str:
        """Where the file is."""
        return urlsplit(self.url or self.page).hostname or ""


def entries() -> dict[str, Entry]:
    """All weights by name that can be fetched or converted."""
    return {name: each for name, each in listed().items() if not each.embedded}


@lru_cache(maxsize=1)
def listed() -> dict[str, Entry]:
    """All known weights by name: those of this package, then those to be fetched."""
    rows = parse_yaml(_FILE.read_bytes(), _FILE)
    return {name: Entry(name=name, **row) for name, row in rows.items()}


def entry(name: str) -> Entry:
    """The weights of a name.

    Raises
    ------
    InputError
        Where there are none; it names the nearest.
    """
    known = entries()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else "see aptv2 weights list"
        raise InputError(f"there are no weights called '{name}'; {hint}")
    return known[name]


def animal_weights(network: str) -> list[Entry]:
    """Weights of a network that find the 17 keypoints of all animals, the best first.

    Those trained on APTv2 by their published AP, then those trained on AP-10K. Trackers know no
    keypoints: of them all there are.
    """
    known = [each for each in entries().values() if each.network == network]
    trackers = [each for each in known if each.kind == "tracker"]
    trained = [each for each in known if each.data == "APTv2"]
    related = [each for each in known if each.data == "AP-10K"]
    trained.sort(key=lambda each: -(each.ap or 0))
    return trackers + trained + sorted(related, key=lambda each: not each.url)
