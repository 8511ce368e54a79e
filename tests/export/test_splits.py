"""Split files: whole clips, a family left out, few examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aptv2.datasets import read_annotations
from aptv2.datasets.splits import clips_of, split_by_clip
from aptv2.errors import InputError
from aptv2.export import write_coco
from aptv2.export.splits import write_splits
from aptv2.tables import Frames, PoseTable

SPECIES = {1: "dog", 2: "cat"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Ten clips of each of two species, three frames a clip, an animal a frame."""
    clips = np.repeat(np.arange(1, 21), 3)
    frames = Frames.make(names=[f"{c}/{n}.jpg" for n, c in enumerate(clips)], clips=clips)
    table = PoseTable.make(
        frames,
        np.arange(60),
        boxes=np.tile([1.0, 2, 3, 4], (60, 1)),
        species=1 + (clips > 10),
        categories=SPECIES,
    )
    write_coco(table, tmp_path / "all.json")
    return tmp_path / "all.json"


def clips_in(path: Path) -> set[int]:
    table = read_annotations(path)
    return set(table.frames.clips[table.frame].tolist())


def test_seven_one_two_by_clip(source: Path, tmp_path: Path) -> None:
    counts = write_splits(source, tmp_path / "out")
    assert counts == {"train": 42, "val": 6, "test": 12}
    found = [clips_in(tmp_path / f"out/{name}.json") for name in counts]
    assert set.union(*found) == set(range(1, 21))
    assert sum(map(len, found)) == 20
    expected = split_by_clip(read_annotations(source))
    assert [set((clips_of(t)[t.frame] + 1).tolist()) for t in expected] == found


def test_a_family_left_out_is_in_no_training_clip(source: Path, tmp_path: Path) -> None:
    counts = write_splits(source, tmp_path / "out", leave_out="Canidae")
    assert counts == {"train": 21, "val": 6, "test": 12, "left_out": 6}
    assert set(read_annotations(tmp_path / "out/train.json").species.tolist()) == {2}
    assert set(read_annotations(tmp_path / "out/left_out.json").species.tolist()) == {1}


def test_few_examples_are_nested(source: Path, tmp_path: Path) -> None:
    for count in (1, 2):
        assert write_splits(source, tmp_path / f"{count}", clips=count)["train"] == 6 * count
        assert write_splits(source, tmp_path / f"a{count}", animals=count)["train"] == 2 * count
    assert clips_in(tmp_path / "1/train.json") < clips_in(tmp_path / "2/train.json")


def test_a_release_keeps_its_own_splits(small_release: Path, tmp_path: Path) -> None:
    counts = write_splits(small_release, tmp_path / "out", seed=5)
    for name, count in counts.items():
        own = read_annotations(small_release / f"annotations/{name}_annotations.json")
        assert len(own) == count
        assert set(read_annotations(tmp_path / f"out/{name}.json").ids) == set(own.ids)


def test_a_release_without_train_has_nothing_to_choose_from(
    small_release: Path, tmp_path: Path
) -> None:
    part = tmp_path / "part"
    (part / "annotations").mkdir(parents=True)
    name = "annotations/val_annotations.json"
    (part / name).write_bytes((small_release / name).read_bytes())
    with pytest.raises(InputError, match="part: has no train split"):
        write_splits(part, tmp_path / "out", clips=1)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"leave_out": "Canidea"}, "Canidae"), ({"clips": 0}, "--clips 0"), ({"animals": -1}, "-1")],
)
def test_what_cannot_be_is_refused(
    source: Path, tmp_path: Path, changes: dict, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        write_splits(source, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()
