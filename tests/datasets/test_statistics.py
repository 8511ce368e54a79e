from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aptv2 import read_annotations
from aptv2.datasets.statistics import neighbours, statistics
from aptv2.tables import Frames, PoseTable


@pytest.fixture
def table() -> PoseTable:
    """Two clips: a dog and a cat over three frames of which the last has the dog alone; a wolf."""
    frames = Frames.make(
        names=[
            *(f"easy/1dog/v1/{number}.jpg" for number in range(3)),
            *(f"hard/2wolf/v2/{number}.jpg" for number in range(2)),
        ],
        clips=[1, 1, 1, 2, 2],
        indices=[0, 1, 2, 0, 1],
    )
    keypoints = np.zeros((6, 17, 3))
    keypoints[:, 2, 2] = 2
    keypoints[[0, 1, 2], 2, 0] = [10, 15, 25]  # the dog's nose moves 5 and then 10
    return PoseTable.make(
        frames,
        [0, 1, 2, 0, 1, 3],
        boxes=[[0, 0, 20, 20], [10, 0, 20, 20], [10, 0, 20, 20], [0, 0, 8, 4], [np.nan] * 4,
               [0, 0, 1000, 1]],
        keypoints=keypoints,
        tracks=[1, 1, 1, 2, 2, 1],
        species=[5, 5, 5, 6, 6, 9],
        categories={5: "Dog", 6: "cat", 9: "wolf"},
    )  # fmt: skip


def test_counts(table: PoseTable) -> None:
    numbers = statistics(table)
    totals = numbers.totals
    assert (totals.frames, totals.empty_frames, totals.clips, totals.tracks) == (4, 1, 2, 3)
    assert (totals.instances, totals.instances_with_keypoints, totals.keypoints) == (6, 6, 6)
    assert (totals.species, totals.families) == (3, 2)
    assert [(one.name, one.family) for one in numbers.species] == [
        ("dog", "Canidae"),
        ("wolf", "Canidae"),
        ("cat", "Felidae"),
    ]
    dog, wolf, _ = numbers.species
    assert (dog.clips, dog.tracks, dog.frames, dog.instances, dog.easy, dog.hard) == (
        1,
        1,
        3,
        3,
        3,
        0,
    )
    assert (wolf.easy, wolf.hard) == (0, 1)
    assert numbers.crowding.animals.tolist() == [1, 2]
    assert numbers.crowding.frames.tolist() == [2, 2]
    assert numbers.crowding.instances.tolist() == [2, 4]


def test_motion_overlap_and_aspect(table: PoseTable) -> None:
    numbers = statistics(table)
    assert numbers.motion is not None
    assert numbers.motion.pairs[2] == 2
    # 5 and 10 pixels of an animal of 20: a quarter and a half.
    assert numbers.motion.quantiles[2] == pytest.approx(
        np.quantile([0.25, 0.5], [0.1, 0.25, 0.5, 0.75, 0.9])
    )
    assert np.isnan(numbers.motion.quantiles[0]).all()
    assert numbers.overlap is not None
    assert (numbers.overlap.total, numbers.overlap.median) == (2, pytest.approx((1 / 3 + 1) / 2))
    assert np.flatnonzero(numbers.overlap.counts).tolist() == [6, 19]
    assert numbers.aspect is not None
    assert numbers.aspect.total == 5
    assert numbers.aspect.median == 1
    assert numbers.aspect.counts[-1] == 1  # 1000 to 1 stands in the last bin


def test_neighbours_are_one_frame_apart_in_one_clip(table: PoseTable) -> None:
    assert [rows.tolist() for rows in neighbours(table)] == [[0, 1, 3], [1, 2, 4]]
    gap = replace(table, frames=replace(table.frames, indices=np.array([0, 2, 3, 0, 1])))
    assert [rows.tolist() for rows in neighbours(gap)] == [[1], [2]]
    unknown = replace(table, frames=replace(table.frames, indices=np.full(5, -1)))
    assert [rows.tolist() for rows in neighbours(unknown)] == [[0, 1, 3], [1, 2, 4]]


def test_what_the_data_does_not_hold_is_none(table: PoseTable) -> None:
    untracked = statistics(replace(table, tracks=np.full(6, -1)))
    assert untracked.motion is None
    assert untracked.overlap is None
    assert untracked.totals.tracks == 0
    unboxed = statistics(replace(table, boxes=np.full((6, 4), np.nan, np.float32)))
    assert unboxed.motion is unboxed.overlap is unboxed.aspect is None
    empty = statistics(table[:0])
    assert empty.species == ()
    assert empty.totals.empty_frames == 5
    assert len(empty.crowding.animals) == 0


def test_species_without_a_name(table: PoseTable) -> None:
    numbers = statistics(replace(table, categories={5: "dog"}))
    assert [(one.name, one.instances) for one in numbers.species] == [("dog", 3), ("unknown", 3)]
    assert numbers.totals.species == 1


def test_real_clips(shared: Path) -> None:
    numbers = statistics(read_annotations(shared / "data/davis/apt_layout"))
    totals = numbers.totals
    assert (totals.clips, totals.tracks, totals.frames, totals.instances) == (2, 2, 194, 194)
    assert totals.instances_with_keypoints == 39
    assert numbers.overlap is not None
    assert numbers.overlap.total == 192
    assert numbers.overlap.median > 0.95
