"""Splits of a data set, as COCO files."""

from __future__ import annotations

from pathlib import Path

from aptv2.datasets import read_annotations
from aptv2.datasets.splits import few_animals, few_clips, of_family, split_by_clip, without_family
from aptv2.errors import InputError
from aptv2.export.coco import write_coco
from aptv2.export.convert import released_splits
from aptv2.export.folders import new_folder

NAMES = ("train", "val", "test")


def write_splits(
    source: str | Path,
    folder: str | Path,
    *,
    seed: int = 0,
    leave_out: str | None = None,
    clips: int | None = None,
    animals: int | None = None,
) -> dict[str, int]:
    """Write `train.json`, `val.json` and `test.json`, whole clips in each.

    Parameters
    ----------
    source
        What :func:`aptv2.read_annotations` reads. An APTv2 release keeps its own splits; anything
        else is split 7:1:2 by clip within each species.
    folder
        A new folder. File names stay relative to the source's images.
    seed
        Another seed gives other splits and other choices.
    leave_out
        A family, such as Canidae: no clip that shows it stays in train, and `left_out.json` holds
        the animals of it in test.
    clips, animals
        How many of each species stay in train; smaller choices are part of larger ones.

    Returns
    -------
    dict
        Animals in each file.

    Raises
    ------
    InputError
        Where the source cannot be read or has no train split to choose from, the folder is there
        already, or there is no such family.
    """
    source = Path(source)
    tables = released_splits(source)
    if not tables:
        parts = split_by_clip(read_annotations(source), seed=seed)
        tables = dict(zip(NAMES, parts, strict=True))
    for option, count in (("--clips", clips), ("--animals", animals)):
        if count is not None and count < 1:
            raise InputError(
                f"{option} {count}: at least 1 clip of each species has to stay in train; give a "
                "smaller number."
            )
    if "train" not in tables and (leave_out, clips, animals) != (None, None, None):
        raise InputError(f"{source}: has no train split to choose from; leave that option out.")
    if leave_out is not None:
        if "test" in tables:
            tables["left_out"] = of_family(tables["test"], leave_out)
        tables["train"] = without_family(tables["train"], leave_out)
    if clips is not None:
        tables["train"] = few_clips(tables["train"], clips, seed)
    if animals is not None:
        tables["train"] = few_animals(tables["train"], animals, seed)
    with new_folder(folder) as written:
        for name, table in tables.items():
            write_coco(table, written / f"{name}.json")
    return {name: len(table) for name, table in tables.items()}
