"""Splits of a table: 7:1:2 by clip, easy and hard, one family left out, few examples.

Every function takes a :class:`PoseTable` and gives tables with some of its animals; the frames all
stay, as in APTv2's own files, whose splits list every image. Animals of one clip never come to
stand in two splits: frames of a clip are nearly the same picture. An image that belongs to no clip
is a clip of its own.

Choices hang on a seed and on each clip's name, not on a generator or on the order of the file, so
they are the same on every machine and with every version of NumPy.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from aptv2.errors import InputError
from aptv2.species import FAMILIES, family
from aptv2.tables import PoseTable

Subset = Literal["all", "easy", "hard"]
DIFFICULTIES: tuple[Literal["easy", "hard"], ...] = ("easy", "hard")


def clips_of(table: PoseTable) -> np.ndarray:
    """int64 (F,): a number from 0 for the clip of each frame; a frame of no clip has its own."""
    alone = table.frames.clips == -1
    keys = np.where(alone, np.arange(len(alone)), table.frames.clips)
    return np.unique(np.stack([alone, keys]), axis=1, return_inverse=True)[1].reshape(-1)


def difficulty_of(table: PoseTable) -> np.ndarray:
    """str (F,): "easy" or "hard" after the folder that a frame lies in, "" where it is neither."""
    folders = [name.replace("\\", "/").lower().split("/")[:-1] for name in table.frames.names]
    return np.array([next((f for f in path if f in DIFFICULTIES), "") for path in folders], "U4")


def subset(table: PoseTable, which: Subset) -> PoseTable:
    """The animals of easy or of hard clips, or all.

    Raises
    ------
    InputError
        Where easy or hard ones are asked for and the file names do not distinguish them.
    """
    if which == "all":
        return table
    found = difficulty_of(table)
    if len(found) and not found.any():
        raise InputError(
            f'{table.root or "this table"} has no folders "easy" and "hard", which APTv2 has; '
            "take all animals."
        )
    return table[found[table.frame] == which]


def split_by_clip(
    table: PoseTable, shares: Sequence[int] = (7, 1, 2), seed: int = 0
) -> tuple[PoseTable, ...]:
    """Parts of a table, by default train, val and test, with whole clips in each.

    Parameters
    ----------
    table
        The animals to split.
    shares
        Size of each part, counted in clips of every species.
    seed
        Another seed gives other parts.

    Notes
    -----
    The split that APT-36K's users make: 7:1:2 by video within a species. The species of a clip is
    that of most of its animals. Of a species with few clips the first parts get the larger share:
    a single clip goes to train.
    """
    clips = clips_of(table)[table.frame]
    part = np.zeros(len(table), np.int64)
    bounds = np.cumsum(shares)
    for chosen in _shuffled(table, seed).values():
        place = np.full(clips.max() + 1, -1)
        place[chosen] = np.arange(len(chosen))
        # Rounded in whole numbers, so that no machine rounds otherwise.
        ends = (2 * len(chosen) * bounds + bounds[-1]) // (2 * bounds[-1])
        here = place[clips] >= 0
        part[here] = np.searchsorted(ends, place[clips[here]], side="right")
    return tuple(table[part == number] for number in range(len(shares)))


def of_family(table: PoseTable, name: str) -> PoseTable:
    """The animals of one family: what a model that never saw it is tested on.

    Raises
    ------
    InputError
        Where there is no such family.
    """
    return table[_in_family(table, name)]


def without_family(table: PoseTable, name: str) -> PoseTable:
    """The animals of all clips that do not show a family: training data that leaves it out.

    With easy data alone: `subset(without_family(table, name), "easy")`. The families that the
    benchmark leaves out are `aptv2.species.BENCHMARK_FAMILIES`.

    Raises
    ------
    InputError
        Where there is no such family.
    """
    clips = clips_of(table)[table.frame]
    return table[~np.isin(clips, clips[_in_family(table, name)])]


def few_clips(table: PoseTable, count: int, seed: int = 0) -> PoseTable:
    """The animals of `count` clips a species, or of all where there are fewer.

    With one seed, a smaller choice is part of a larger one.
    """
    chosen = [clips[:count] for clips in _shuffled(table, seed).values()]
    return table[np.isin(clips_of(table)[table.frame], np.concatenate([[], *chosen]))]


def few_animals(table: PoseTable, count: int, seed: int = 0) -> PoseTable:
    """`count` animals a species, or all where there are fewer, drawn from all of its clips.

    With one seed, a smaller choice is part of a larger one. Take them from training data alone:
    the rest of their clips stays unused.
    """
    kept = np.zeros(len(table), bool)
    for species in np.unique(table.species).tolist():
        rows = np.flatnonzero(table.species == species).tolist()
        kept[_by_hash(rows, map(str, table.ids[rows].tolist()), seed)[:count]] = True
    return table[kept]


def _shuffled(table: PoseTable, seed: int) -> dict[int, list[int]]:
    """Species -> its clips in an order of the seed's."""
    numbers = clips_of(table)
    names = [""] * (int(numbers.max(initial=-1)) + 1)
    frames = table.frames
    for row, number in enumerate(numbers.tolist()):
        names[number] = str(frames.clips[row]) if frames.clips[row] != -1 else frames.names[row]
        names[number] = names[number] or f"image {frames.ids[row]}"
    pairs, counts = np.unique(
        np.stack([numbers[table.frame], table.species]), axis=1, return_counts=True
    )
    of_clip: dict[int, int] = {}
    for pair in np.argsort(counts, kind="stable").tolist():
        clip, species = pairs[:, pair].tolist()
        of_clip[clip] = species  # The most frequent comes last.
    by_species: dict[int, list[int]] = {}
    for clip, species in sorted(of_clip.items()):
        by_species.setdefault(species, []).append(clip)
    return {
        species: _by_hash(clips, [names[clip] for clip in clips], seed)
        for species, clips in sorted(by_species.items())
    }


def _by_hash(items: list[int], names: Iterable[str], seed: int) -> list[int]:
    """The items in the order of what their names and the seed hash to."""

    def digest(name: str) -> bytes:
        return hashlib.sha256(f"{seed}/{name}".encode("utf-8", "surrogatepass")).digest()

    return [item for _, item in sorted(zip(map(digest, names), items, strict=True))]


def _in_family(table: PoseTable, name: str) -> np.ndarray:
    """bool (N,): whether an animal is of a family."""
    if name not in FAMILIES:
        near = difflib.get_close_matches(name, FAMILIES, n=1, cutoff=0)[0]
        raise InputError(f"'{name}' is no family of APTv2; did you mean {near}?")
    members = [key for key, species in table.categories.items() if family(species) == name]
    return np.isin(table.species, members)
