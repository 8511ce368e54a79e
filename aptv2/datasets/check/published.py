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
    for species in SPECIES:
        found = [part.species.get(species, 0) for part in parts("train")]
        totals.append(Total(f"train: {species}", TRAIN[species], sum(found) if found else None))
    for folder, count in FOLDERS.items():
        if there := sum(name.startswith(folder) for name in by_name):
            totals.append(Total(f"files in {folder}", count, there))
    return totals
