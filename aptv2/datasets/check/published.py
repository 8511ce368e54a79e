"""The numbers that APTv2 was published with, to hold a copy against."""

from __future__ import annotations

from aptv2.datasets.check.report import Contents, Total
from aptv2.species import SPECIES

IMAGES, CLIPS, TRACKS, ANIMALS = 41_179, 2_749, 5_974, 84_611
SPLITS = {
    "train": 58_029,
    "val": 11_315,
    "val_easy": 3_133,
    "val_hard": 8_182,
    "test": 15_267,
    "test_easy": 5_047,
    "test_hard": 10_220,
}
WITHOUT_KEYPOINTS = {"train": 4_725, "val": 997, "test": 1_387}
FOLDERS = {
    "fewshot": 10,
    "leaveoneout": 24,
    "tracking": 18,
}  # files in each; the leave-one-out ones lie in two folders
TRAIN = {
    "antelope": 2_097,
    "black bear": 1_665,
    "buffalo": 1_871,
    "cat": 2_468,
    "cheetah": 2_091,
    "chimpanzee": 1_703,
    "cow": 1_870,
    "deer": 2_225,
    "dog": 2_742,
    "elephant": 1_803,
    "fox": 1_895,
    "giraffe": 1_791,
    "gorilla": 1_803,
    "hippo": 1_203,
    "horse": 2_564,
    "lion": 2_699,
    "monkey": 1_817,
    "noisy night monkey": 1_595,
    "orangutan": 2_167,
    "panda": 1_569,
    "pig": 1_889,
    "polar bear": 1_608,
    "rabbit": 2_437,
    "raccoon": 1_750,
    "rhino": 1_430,
    "sheep": 1_887,
    "spider monkey": 1_617,
    "tiger": 1_823,
    "wolf": 1_623,
    "zebra": 2_327,
}
VAL = {
    "antelope": 574,
    "black bear": 285,
    "buffalo": 390,
    "cat": 285,
    "cheetah": 328,
    "chimpanzee": 407,
    "cow": 421,
    "deer": 646,
    "dog": 386,
    "elephant": 682,
    "fox": 481,
    "giraffe": 540,
    "gorilla": 386,
    "hippo": 180,
    "horse": 340,
    "lion": 710,
    "monkey": 414,
    "noisy night monkey": 278,
    "orangutan": 180,
    "panda": 292,
    "pig": 326,
    "polar bear": 413,
    "rabbit": 300,
    "raccoon": 369,
    "rhino": 225,
    "sheep": 383,
    "spider monkey": 302,
    "tiger": 270,
    "wolf": 260,
    "zebra": 262,
}
TEST = {
    "antelope": 406,
    "black bear": 423,
    "buffalo": 707,
    "cat": 641,
    "cheetah": 489,
    "chimpanzee": 340,
    "cow": 617,
    "deer": 484,
    "dog": 628,
    "elephant": 450,
    "fox": 405,
    "giraffe": 598,
    "gorilla": 481,
    "hippo": 357,
    "horse": 614,
    "lion": 525,
    "monkey": 512,
    "noisy night monkey": 372,
    "orangutan": 608,
    "panda": 405,
    "pig": 605,
    "polar bear": 468,
    "rabbit": 888,
    "raccoon": 487,
    "rhino": 371,
    "sheep": 447,
    "spider monkey": 475,
    "tiger": 399,
    "wolf": 415,
    "zebra": 650,
}
BY_SPECIES = {"train": TRAIN, "val": VAL, "test": TEST}
FILE_SIZES = {"train": 48_049_430, "val": 13_749_767, "test": 16_807_779}  # bytes
_NUMBERED = (
    "deer",
    "dog",
    "cat",
    "horse",
    "rabbit",
    "pig",
    "chimpanzee",
    "monkey",
    "orangutan",
    "gorilla",
    "spider monkey",
    "noisy night monkey",
    "zebra",
    "elephant",
    "hippo",
    "raccoon",
    "rhino",
    "giraffe",
    "tiger",
    "lion",
    "panda",
    "cheetah",
    "black bear",
    "polar bear",
    "antelope",
    "fox",
    "buffalo",
    "cow",
    "wolf",
    "sheep",
)
"""Species in the order of their folders, from 1."""
_OTHERWISE = {"7chimps", "11spidermonkey"}
SPECIES_FOLDERS = _OTHERWISE | {
    f"{number}{name.replace(' ', '-')}" for number, name in enumerate(_NUMBERED, 1)
}
"""The folders of the images, in both spellings where there are two."""


def compare(contents: list[Contents]) -> list[Total]:
    """The published totals beside those of a release's files, by the names of its splits.

    A split without a file of its own is the sum of its easy and its hard file.
    """
    by_name = {found.name: found for found in contents}

    def parts(split: str) -> list[Contents]:
        names = [split] if split in by_name else [f"{split}_easy", f"{split}_hard"]
        return [by_name[name] for name in names] if all(n in by_name for n in names) else []

    def total(what: str, published: int, splits: list[str], field: str) -> Total:
        found = [parts(split) for split in splits]
        number = sum(getattr(part, field) for split in found for part in split)
        return Total(what, published, number if all(found) else None)

    whole = list(WITHOUT_KEYPOINTS)
    listed = [found.images for split in whole for found in parts(split)]
    totals = [
        Total("images in every split", IMAGES, min(listed, default=None)),
        total("images with animals", IMAGES, whole, "frames"),
        total("clips", CLIPS, whole, "clips"),
        total("tracks", TRACKS, whole, "tracks"),
        total("animals", ANIMALS, whole, "animals"),
        *(total(f"{name}: animals", count, [name], "animals") for name, count in SPLITS.items()),
    ]
    totals += [
        total(f"{name}: animals without keypoints", count, [name], "without_keypoints")
        for name, count in WITHOUT_KEYPOINTS.items()
    ]
    for split, numbers in BY_SPECIES.items():
        for species in SPECIES:
            found = [part.species.get(species, 0) for part in parts(split)]
            count = sum(found) if found else None
            totals.append(Total(f"{split}: {species}", numbers[species], count))
    for folder, count in FOLDERS.items():
        if there := sum(name.startswith(folder) for name in by_name):
            totals.append(Total(f"files in {folder}", count, there))
    return totals
