"""Splits: their sizes, that they are the same everywhere, and that none tears a clip apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aptv2.datasets import splits
from aptv2.errors import InputError
from aptv2.species import BENCHMARK_FAMILIES, SPECIES, family
from aptv2.tables import Frames, PoseTable

CATEGORIES = dict(enumerate(SPECIES, 1))


def of_clips(clips: int, species: list[int], frames: int = 3) -> PoseTable:
    """Clips of three frames with one animal each; their species follow each other in turn."""
    count = clips * frames
    clip = np.repeat(np.arange(clips), frames)
    trees = np.array(["easy", "hard"])[clip % 2]
    return PoseTable.make(
        Frames.make(
            names=[f"{trees[i]}/1x/v{clip[i]}/{i % frames:04}.jpg" for i in range(count)],
            clips=clip + 1,
        ),
        np.arange(count),
        species=np.array(species)[clip % len(species)],
        categories=CATEGORIES,
    )


@st.composite
def tables(draw: st.DrawFn) -> PoseTable:
    """Any table: clips of several species, frames of no clip, frames without animals."""
    frames = draw(st.integers(0, 30))
    animals = draw(st.integers(0, 60)) if frames else 0
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    return PoseTable.make(
        Frames.make(
            names=[f"{rng.choice(['easy', 'hard'])}/{i}.jpg" for i in range(frames)],
            clips=rng.choice([-1, 0, 1, 2, 3, 10**12], frames),
        ),
        rng.integers(0, frames, animals) if animals else [],
        species=rng.choice([-1, 1, 2, 9, 77], animals),
        categories=CATEGORIES,
    )


def clips(table: PoseTable) -> set[int]:
    """The clips that the animals of a table are in."""
    return set(splits.clips_of(table)[table.frame].tolist())


@given(tables(), st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 5))
def test_parts_share_no_clip_and_lose_no_animal(
    table: PoseTable, shares: list[int], seed: int
) -> None:
    parts = splits.split_by_clip(table, shares, seed)
    assert len(parts) == len(shares)
    assert sum(len(clips(part)) for part in parts) == len(clips(table))
    assert sorted(np.concatenate([p.ids for p in parts]).tolist()) == table.ids.tolist()
    assert all(part.frames is table.frames for part in parts)


@given(tables(), st.sampled_from(BENCHMARK_FAMILIES))
def test_a_left_out_family_shares_no_clip_with_training(table: PoseTable, name: str) -> None:
    training, held_out = splits.without_family(table, name), splits.of_family(table, name)
    assert not clips(training) & clips(held_out)
    assert {family(CATEGORIES.get(s, "")) for s in held_out.species.tolist()} <= {name}
    torn = [clip for clip in clips(table) - clips(held_out) if clip not in clips(training)]
    assert not torn


@given(tables(), st.integers(0, 5), st.integers(0, 5), st.integers(0, 3))
def test_few_are_part_of_more(table: PoseTable, count: int, more: int, seed: int) -> None:
    for choose in (splits.few_clips, splits.few_animals):
        small, large = choose(table, count, seed), choose(table, count + more, seed)
        assert set(small.ids.tolist()) <= set(large.ids.tolist())
    whole = splits.few_clips(table, count, seed)
    assert len(whole) == sum(clip in clips(whole) for clip in splits.clips_of(table)[table.frame])


@given(tables())
def test_easy_and_hard_make_the_whole(table: PoseTable) -> None:
    easy, hard = (splits.subset(table, one) for one in splits.DIFFICULTIES)
    assert sorted([*easy.ids, *hard.ids]) == table.ids.tolist()
    assert splits.subset(table, "all") is table


def test_seven_one_two_within_each_species() -> None:
    parts = splits.split_by_clip(of_clips(160, [1, 2]))
    for part, expected in zip(parts, (56, 8, 16), strict=True):
        for species in (1, 2):
            assert len(clips(part[part.species == species])) == expected


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (3, [2, 0, 1]), (5, [4, 0, 1])]
)
def test_species_of_few_clips(count: int, sizes: list[int]) -> None:
    assert [len(clips(part)) for part in splits.split_by_clip(of_clips(count, [1]))] == sizes


def test_choices_are_the_same_everywhere() -> None:
    """Fixed by hand: a change here breaks comparisons with everything split before."""
    table = of_clips(10, [3])
    train, val, test = splits.split_by_clip(table)
    assert (clips(val), clips(test)) == ({4}, {2, 7})
    assert clips(splits.few_clips(table, 2)) <= clips(train)
    assert splits.few_animals(table, 3).ids.tolist() == [10, 16, 28]
    assert clips(splits.split_by_clip(table, seed=1)[2]) != clips(test)


def test_the_order_of_the_file_does_not_matter() -> None:
    table = of_clips(20, [1, 2])
    frames = np.random.default_rng(0).permutation(len(table.frames))
    rows = np.random.default_rng(1).permutation(len(table))
    shuffled = table.with_frames(frames)[rows]
    for part, again in zip(
        splits.split_by_clip(table), splits.split_by_clip(shuffled), strict=True
    ):
        assert sorted(part.ids.tolist()) == sorted(again.ids.tolist())
    assert sorted(splits.few_animals(shuffled, 4).ids.tolist()) == sorted(
        splits.few_animals(table, 4).ids.tolist()
    )


def test_a_clip_of_two_species_stays_whole() -> None:
    table = PoseTable.make(
        Frames.make(6, clips=[1, 1, 1, 2, 2, 2]),
        [0, 1, 2, 0, 3, 4, 5],
        species=[1, 1, 1, 2, 2, 2, 2],
        categories={1: "dog", 2: "cat"},
    )
    assert splits.without_family(table, "Felidae").ids.tolist() == []
    assert splits.without_family(table, "Canidae").ids.tolist() == [5, 6, 7]
    assert splits.of_family(table, "Canidae").ids.tolist() == [1, 2, 3]


def test_few_animals_come_from_many_clips() -> None:
    few = splits.few_animals(of_clips(40, [1, 2], frames=15), 10)
    assert np.bincount(few.species).tolist() == [0, 10, 10]
    assert len(clips(few)) > 12


def test_unknown_family_and_missing_folders() -> None:
    table = of_clips(2, [1])
    with pytest.raises(InputError, match="'Felines' is no family of APTv2; did you mean Felidae"):
        splits.of_family(table, "Felines")
    flat = replace(table, frames=Frames.make(len(table.frames)))
    with pytest.raises(InputError, match='no folders "easy" and "hard"'):
        splits.subset(flat, "easy")


def test_windows_paths_tell_easy_from_hard() -> None:
    frames = Frames.make(names=[r"Hard\1dog\v1\0.jpg", "easy.jpg", "data/easy/x.jpg"])
    assert splits.difficulty_of(PoseTable.make(frames, [])).tolist() == ["hard", "", "easy"]
