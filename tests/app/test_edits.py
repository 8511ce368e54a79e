"""Edits of tracks, over tables of random tracks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aptv2.app.edits import Edit, apply_all, delete, merge, name, renumber, split
from aptv2.errors import InputError
from aptv2.tables import Frames, PoseTable


@st.composite
def tables(draw: st.DrawFn) -> PoseTable:
    """Up to twelve frames; each of five tracks is in some of them."""
    frames = draw(st.integers(1, 12))
    pairs = st.tuples(st.integers(0, frames - 1), st.sampled_from([0, 1, 2, 7, 40]))
    rows = sorted(draw(st.sets(pairs, min_size=1)))
    frame, tracks = np.array(rows).T
    # The row's number, in a place that no edit may touch.
    return PoseTable.make(Frames.make(frames), frame, tracks=tracks, scores=np.arange(len(rows)))


def tracks_of(table: PoseTable) -> set[int]:
    return set(table.tracks.tolist())


def no_animal_twice(table: PoseTable) -> bool:
    pairs = list(zip(table.frame.tolist(), table.tracks.tolist(), strict=True))
    return len(set(pairs)) == len(pairs)


@given(tables(), st.data())
def test_renumber_is_undone_by_its_inverse(table: PoseTable, data: st.DataObject) -> None:
    track = data.draw(st.sampled_from(sorted(tracks_of(table))))
    renamed = renumber(table, track, 99)
    assert tracks_of(renamed) == tracks_of(table) - {track} | {99}
    np.testing.assert_array_equal(renumber(renamed, 99, track).tracks, table.tracks)


@given(tables(), st.integers(0, 12), st.data())
def test_split_is_undone_by_merge(table: PoseTable, frame: int, data: st.DataObject) -> None:
    track = data.draw(st.sampled_from(sorted(tracks_of(table))))
    of_track = table.frame[table.tracks == track]
    if not (of_track < frame).any() or not (of_track >= frame).any():
        with pytest.raises(InputError, match=f"Animal {track} is in no frame"):
            split(table, track, frame)
        return
    parts = split(table, track, frame)
    (new,) = tracks_of(parts) - tracks_of(table)
    assert (parts.frame[parts.tracks == track] < frame).all()
    assert (parts.frame[parts.tracks == new] >= frame).all()
    np.testing.assert_array_equal(merge(parts, track, new).tracks, table.tracks)


@given(tables(), st.data())
def test_merge_joins_only_tracks_that_never_meet(table: PoseTable, data: st.DataObject) -> None:
    known = sorted(tracks_of(table))
    track, other = data.draw(st.sampled_from(known)), data.draw(st.sampled_from(known))
    frames = [set(table.frame[table.tracks == number].tolist()) for number in (track, other)]
    if frames[0] & frames[1]:
        with pytest.raises(InputError, match=r"merged with itself|are both in"):
            merge(table, track, other)
        return
    merged = merge(table, track, other)
    assert tracks_of(merged) == tracks_of(table) - {other}
    assert set(merged.frame[merged.tracks == track].tolist()) == frames[0] | frames[1]
    assert no_animal_twice(merged)


@given(tables(), st.data())
def test_delete_leaves_the_rest_and_all_frames(table: PoseTable, data: st.DataObject) -> None:
    track = data.draw(st.sampled_from(sorted(tracks_of(table))))
    kept = delete(table, track)
    np.testing.assert_array_equal(kept.scores, table.scores[table.tracks != track])
    assert len(kept.frames) == len(table.frames)


@given(tables(), st.data())
def test_edits_change_only_track_numbers(table: PoseTable, data: st.DataObject) -> None:
    before = table.tracks.copy()
    for _ in range(4):
        known = sorted(tracks_of(table))
        kind = data.draw(st.sampled_from(["renumber", "merge", "split"]))
        edit = Edit(
            kind=kind, track=data.draw(st.sampled_from(known)), value=data.draw(st.integers(0, 50))
        )
        try:
            after = apply_all(table, [edit])
        except InputError:
            continue
        assert no_animal_twice(after)
        np.testing.assert_array_equal(after.scores, table.scores)
        np.testing.assert_array_equal(after.frame, table.frame)
        table = after
    assert len(before) == len(table)


def test_refusals_are_one_sentence_that_says_what_to_do(
    make_table: Callable[..., PoseTable],
) -> None:
    table = make_table(_1=range(0, 6), _2=range(4, 9), _3=range(9, 10))
    with pytest.raises(InputError, match="both in 2 frames, the first at frame 4, so they cannot"):
        merge(table, 1, 2)
    with pytest.raises(InputError, match="Animal 2 already exists; choose another number"):
        renumber(table, 1, 2)
    with pytest.raises(InputError, match="There is no animal 8"):
        delete(table, 8)


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "explode", "track": 1},
        {"kind": "renumber", "track": 1, "value": 2**31},
        {"kind": "renumber", "track": 1, "value": -1},
        {"track": 1},
        {"kind": "delete", "track": "1"},
    ],
)
def test_what_is_no_edit_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Edit.model_validate(content)


def test_names_follow_their_animals(make_table: Callable[..., PoseTable]) -> None:
    table = name(make_table(), 2, " Bella ")
    assert table.names == {2: "Bella"}
    assert renumber(table, 2, 9).names == {9: "Bella"}
    assert merge(table, 2, 5).names == {2: "Bella"}
    assert merge(table, 5, 2).names == {5: "Bella"}
    assert merge(name(table, 5, "Max"), 5, 2).names == {5: "Max"}
    assert split(table, 2, 2).names == {2: "Bella"}
    assert delete(table, 2).names == {}
    assert delete(table, 1).names == {2: "Bella"}
    assert name(table, 2, "").names == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Bella", "is already in use"),
        ("7", "track number"),
        ("track 7", "track number"),
        ("--", "holds no letter"),
        ("single", "another meaning"),
        ("Skeletons", "another meaning"),
        ("a/b", "holds a line break"),
        ("a\nb", "holds a line break"),
        ("\ud800x", "holds a line break"),
        ("x" * 61, "longer than 60"),
    ],
)
def test_what_is_no_name_is_refused(
    given: str, said: str, make_table: Callable[..., PoseTable]
) -> None:
    table = name(make_table(), 2, "Bella")
    with pytest.raises(InputError, match=said):
        name(table, 1, given)
