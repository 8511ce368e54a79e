"""The splits that the authors published for few-shot, leave-one-out and tracking runs.

They lie in `fewshot/`, `leaveoneout_train70/`, `leaveoneout_train70onlyeasy/` and `tracking/` of
the annotations. How their files are named is not documented, so a file is chosen by what its name
must say (a family, a number of animals, train or val), and refused where it holds the family that
it should leave out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from aptv2.benchmarks.cells import Training
from aptv2.datasets import annotation_files
from aptv2.datasets.aptv2 import read_release_file, together
from aptv2.datasets.splits import of_family
from aptv2.errors import InputError
from aptv2.tables import PoseTable

OURS = "ours"
_LEAVE_ONE_OUT = {"all": "leaveoneout_train70", "easy": "leaveoneout_train70onlyeasy"}


def training_split(training: Training, root: Path) -> str | None:
    """The name of the published split that a training learns from; None where there is none.

    Parameters
    ----------
    training
        One that leaves a family out or sees few animals.
    root
        The release.

    Raises
    ------
    InputError
        If several files could be meant, or the file holds the family that is left out.
    """
    files = annotation_files(root)
    if training.few is not None:
        found = [
            name
            for name in _in(files, "fewshot")
            if str(training.few) in re.findall(r"\d+", _stem(name)) and not _is_test(name)
        ]
        return _only(found, root, f"{training.few} animals a species")
    if training.leave_out is None:
        return None
    found = [
        name
        for name in _in(files, _LEAVE_ONE_OUT[training.subset])
        if training.leave_out.lower() in _stem(name) and not _is_test(name)
    ]
    name = _only(found, root, f"a training without {training.leave_out}")
    if name is not None:
        held = len(of_family(read_release_file(files[name], root), training.leave_out))
        if held:
            raise InputError(
                f"{files[name]}: holds {held} animals of {training.leave_out}, which training "
                "leaves out; run without --official-splits."
            )
    return name


def shots(root: Path) -> tuple[int, ...]:
    """The numbers of animals a species in the names of the published few-shot files, rising."""
    stems = [_stem(name) for name in _in(annotation_files(root), "fewshot")]
    return tuple(sorted({int(number) for stem in stems for number in re.findall(r"\d+", stem)}))


def tracking_names(root: Path) -> list[str]:
    """The names of the published splits that tracking is tested on: those of val.

    A whole `tracking/val` is taken alone; otherwise all files of val, whose animals are counted
    once each.
    """
    found = [name for name in _in(annotation_files(root), "tracking") if "val" in _stem(name)]
    whole = [name for name in found if _stem(name) == "val"]
    return whole or found


def tracking_truth(root: Path) -> PoseTable:
    """The animals of :func:`tracking_names`, each once.

    Raises
    ------
    InputError
        If there are none, or a file is wrong.
    """
    files, seen, tables, paths = annotation_files(root), np.zeros(0, np.int64), [], []
    for name in tracking_names(root):
        table = read_release_file(files[name], root)
        table = table[~np.isin(table.ids, seen)]
        seen = np.concatenate([seen, table.ids])
        tables.append(table)
        paths.append(files[name])
    if not tables:
        raise InputError(
            f"{root}: --official-splits: there is no annotation file of val in tracking/; run "
            "without it."
        )
    return together(tables, paths)


def _in(files: Mapping[str, Path], folder: str) -> list[str]:
    return [name for name in files if name.startswith(f"{folder}/")]


def _stem(name: str) -> str:
    return name.rpartition("/")[2].lower()


def _is_test(name: str) -> bool:
    return bool({"val", "test"} & set(re.split(r"[^a-z]+", _stem(name))))


def _only(found: list[str], root: Path, what: str) -> str | None:
    if len(found) > 1:
        raise InputError(
            f"{root}: --official-splits: {' and '.join(found)} could each be {what}; keep one, or "
            "run without it."
        )
    return found[0] if found else None
