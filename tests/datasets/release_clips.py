"""The clips of APTv2 releases: those of one of full size, and a few.

The numbers are those of the paper and of an audit of the released files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

TRAIN_INSTANCES = {
    "deer": 2225,
    "dog": 2742,
    "cat": 2468,
    "horse": 2564,
    "rabbit": 2437,
    "pig": 1889,
    "chimpanzee": 1703,
    "monkey": 1817,
    "orangutan": 2167,
    "gorilla": 1803,
    "spider monkey": 1617,
    "noisy night monkey": 1595,
    "zebra": 2327,
    "elephant": 1803,
    "hippo": 1203,
    "raccoon": 1750,
    "rhino": 1430,
    "giraffe": 1791,
    "tiger": 1823,
    "lion": 2699,
    "panda": 1569,
    "cheetah": 2091,
    "black bear": 1665,
    "polar bear": 1608,
    "antelope": 2097,
    "fox": 1895,
    "buffalo": 1871,
    "cow": 1870,
    "wolf": 1623,
    "sheep": 1887,
}
VAL_INSTANCES = {
    "deer": 646,
    "dog": 386,
    "cat": 285,
    "horse": 340,
    "rabbit": 300,
    "pig": 326,
    "chimpanzee": 407,
    "monkey": 414,
    "orangutan": 180,
    "gorilla": 386,
    "spider monkey": 302,
    "noisy night monkey": 278,
    "zebra": 262,
    "elephant": 682,
    "hippo": 180,
    "raccoon": 369,
    "rhino": 225,
    "giraffe": 540,
    "tiger": 270,
    "lion": 710,
    "panda": 292,
    "cheetah": 328,
    "black bear": 285,
    "polar bear": 413,
    "antelope": 574,
    "fox": 481,
    "buffalo": 390,
    "cow": 421,
    "wolf": 260,
    "sheep": 383,
}
TEST_INSTANCES = {
    "deer": 484,
    "dog": 628,
    "cat": 641,
    "horse": 614,
    "rabbit": 888,
    "pig": 605,
    "chimpanzee": 340,
    "monkey": 512,
    "orangutan": 608,
    "gorilla": 481,
    "spider monkey": 475,
    "noisy night monkey": 372,
    "zebra": 650,
    "elephant": 450,
    "hippo": 357,
    "raccoon": 487,
    "rhino": 371,
    "giraffe": 598,
    "tiger": 399,
    "lion": 525,
    "panda": 405,
    "cheetah": 489,
    "black bear": 423,
    "polar bear": 468,
    "antelope": 406,
    "fox": 405,
    "buffalo": 707,
    "cow": 617,
    "wolf": 415,
    "sheep": 447,
}
SPECIES = tuple(TRAIN_INSTANCES)  # in the order of the released folders and categories
FAMILIES = {
    "Canidae": {"dog", "fox", "wolf"},
    "Felidae": {"cat", "tiger", "lion", "cheetah"},
    "Hominidae": {"orangutan", "gorilla", "chimpanzee"},
    "Cercopithecidae": {"monkey", "spider monkey", "noisy night monkey"},
    "Ursidae": {"panda", "black bear", "polar bear"},
    "Bovidae": {"sheep", "cow", "buffalo", "antelope"},
}
INSTANCES = {  # train's two are estimates from the mean crowding of the trees; their sum is not
    ("train", "easy"): 18_315,
    ("train", "hard"): 39_714,
    ("val", "easy"): 3_133,
    ("val", "hard"): 8_182,
    ("test", "easy"): 5_047,
    ("test", "hard"): 10_220,
}
BARE = {"train": 4_725, "val": 997, "test": 1_387}  # boxes without keypoints
IMAGES, CLIPS, TRACKS = 41_179, {"easy": 1_606, "hard": 1_143}, 5_974
LONG_TRACKS, LONGEST, CROWD, DIRTY = 47, 30, 53, 150
CLIP = 15  # frames of nearly every clip


@dataclass(eq=False)
class Clip:
    """A clip and when its tracks begin and how many frames they last."""

    split: str
    tree: str
    species: str
    frames: int
    tracks: list[tuple[int, int]]


def full_size_clips() -> list[Clip]:
    """The 2,749 clips of APTv2."""
    rng = np.random.default_rng(2)
    groups: dict[tuple[str, str, str], int] = {}
    whole = {"train": TRAIN_INSTANCES, "val": VAL_INSTANCES, "test": TEST_INSTANCES}
    for split, numbers in whole.items():
        easy = _shares(INSTANCES[split, "easy"], numbers.values())
        for name, count in zip(SPECIES, easy.tolist(), strict=True):
            groups[split, "easy", name] = count
            groups[split, "hard", name] = numbers[name] - count

    made: dict[tuple[str, str, str], list[Clip]] = {}
    for tree, total in CLIPS.items():
        keys = [key for key in groups if key[1] == tree]
        sizes = [groups[key] for key in keys]
        counts = _shares(total, sizes, [size // CLIP for size in sizes])
        for key, count in zip(keys, counts, strict=True):
            made[key] = [Clip(*key, frames=CLIP, tracks=[]) for _ in range(count)]

    # The crowd of 53 is in one species' first clip. Of the other species' first clips one has 30
    # frames and 23 have 16 with two long tracks each; enough others have one frame less.
    crowded, *long = [made["train", "hard", name] for name in SPECIES]
    long[0][0].frames = LONGEST
    doubled = [clips[0] for clips in long[1 : 1 + LONG_TRACKS // 2]]
    for clip in doubled:
        clip.frames = CLIP + 1
    everything = [clip for clips in made.values() for clip in clips]
    surplus = sum(clip.frames for clip in everything) - IMAGES
    for clips in sorted(made.values(), key=len, reverse=True)[:surplus]:
        clips[-1].frames -= 1

    rest = [groups[key] - sum(clip.frames for clip in clips) for key, clips in made.items()]
    least = [-(-size // CLIP) for size in rest]
    more = _shares(TRACKS - len(everything) - sum(least), rest, np.subtract(rest, least))
    for clips, size, count in zip(made.values(), rest, np.add(least, more), strict=True):
        for clip in clips:
            clip.tracks.append((0, clip.frames))
        forced = [clip for clip in clips if clip in doubled]
        forced += [crowded[0]] * (CROWD - 1) if clips is crowded else []
        for clip in forced:
            clip.tracks.append((0, clip.frames))
        size -= sum(clip.frames for clip in forced)
        free = [clip for clip in clips if clip.frames >= CLIP and clip is not crowded[0]]
        for length in _lengths(size, int(count) - len(forced)):
            clip = free[rng.integers(len(free))]
            clip.tracks.append((int(rng.integers(clip.frames - length + 1)), length))
    return everything


def small_clips() -> list[Clip]:
    """In every split and tree a clip each of five species; in hard ones two animals."""
    return [
        Clip(split, tree, name, 3, [(0, 3)] if tree == "easy" else [(0, 3), (1, 2)])
        for split in ("train", "val", "test")
        for tree in ("easy", "hard")
        for name in ("dog", "cat", "gorilla", "chimpanzee", "spider monkey")
    ]


def _shares(total: int, weights: Iterable[float], most: Iterable[int] | None = None) -> np.ndarray:
    """Whole numbers (N,) in proportion to the weights, no more than `most`, of sum `total`."""
    wanted = np.array(list(weights), float)
    wanted *= total / wanted.sum()
    most = np.ceil(wanted).astype(int) + total if most is None else np.array(list(most))
    counts = np.minimum(wanted.astype(int), most)
    while (missing := total - counts.sum()) > 0:
        room = np.where(counts < most, wanted - counts, -np.inf)
        counts[np.argsort(-room, kind="stable")[: min(missing, np.isfinite(room).sum())]] += 1
    return counts


def _lengths(total: int, count: int) -> list[int]:
    """`count` track lengths of sum `total`, as many as can be of a clip's usual length."""
    lengths = []
    spare = CLIP * count - total
    for _ in range(count):
        lost = min(CLIP - 1, spare)
        spare -= lost
        lengths.append(CLIP - lost)
    return lengths
