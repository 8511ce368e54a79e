"""What lies around a DeepLabCut table: the project's label files and settings, and the video."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aptv2.datasets.names import entries, subfolders
from aptv2.datasets.records import read_bytes
from aptv2.errors import InputError
from aptv2.yaml_files import MOST_BYTES, parse_yaml

_VIDEO_SUFFIXES = {
    ".mp4",
    ".avi",
    ".mov",
    ".mkv",
    ".mpg",
    ".mpeg",
    ".m4v",
    ".webm",
    ".wmv",
    ".mts",
    ".dv",
}


def label_files(folder: Path) -> list[Path]:
    """The label files of a project, of its `labeled-data` or of the folder of a video; one a video.

    Raises
    ------
    InputError
        Where two people labelled a video and `config.yaml` names neither.
    """
    videos = folder / "labeled-data"
    for places in ([folder], subfolders(folder), subfolders(videos) if videos.is_dir() else []):
        found: list[Path] = []
        for place in places:
            by_scorer: dict[str, Path] = {}
            for name in entries(place):
                if match := re.fullmatch(r"CollectedData_(.*)\.(csv|h5)", name):
                    by_scorer.setdefault(match[1], place / name)  # `.csv` comes before `.h5`.
            if by_scorer:
                found.append(_of_one_scorer(place, by_scorer))
        if found:
            return found
    return []


def _of_one_scorer(place: Path, by_scorer: dict[str, Path]) -> Path:
    """One of the files of a video: that of the scorer whom `config.yaml` names."""
    if len(by_scorer) == 1:
        return next(iter(by_scorer.values()))
    chosen = next(
        (name for above in list(place.resolve().parents)[:2] if (name := _scorer(above))), ""
    )
    names = ", ".join(by_scorer)
    if chosen not in by_scorer:
        raise InputError(
            f"{place} holds the labels of several scorers ({names}); give the file of one, or "
            'name one in config.yaml as "scorer".'
        )
    warnings.warn(
        f"{place} holds the labels of several scorers ({names}); those of {chosen}, whom "
        "config.yaml names, are read.",
        stacklevel=2,
    )
    return by_scorer[chosen]


def _scorer(project: Path) -> str:
    return str(_config(project).get("scorer") or "")


def _config(project: Path | None) -> dict[str, Any]:
    """The settings in a project's `config.yaml`; none where there is none."""
    config = project / "config.yaml" if project else None
    if config is None or not config.is_file():
        return {}
    settings = parse_yaml(read_bytes(config, MOST_BYTES + 1), config)
    return settings if isinstance(settings, dict) else {}


def limbs_of(root: Path | None, names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """The limbs that `config.yaml` names, as pairs of places in `names`.

    Its examples name keypoints that no animal has; those are passed over.
    """
    limbs = _config(root).get("skeleton")
    pairs = [limb for limb in limbs if isinstance(limb, list)] if isinstance(limbs, list) else []
    return tuple(
        (names.index(pair[0]), names.index(pair[1]))
        for pair in pairs
        if len(pair) == 2 and all(end in names for end in pair)
    )


def video_of(path: Path) -> Path | None:
    """The video beside predictions, whose name begins theirs and may itself hold "DLC"."""
    stems = [path.name[: match.start()] for match in re.finditer("DLC", path.name)]
    videos = {
        Path(name).stem: path.with_name(name)
        for name in entries(path.parent)
        if Path(name).suffix.lower() in _VIDEO_SUFFIXES
    }
    return next((videos[stem] for stem in reversed(stems) if stem in videos), None)
