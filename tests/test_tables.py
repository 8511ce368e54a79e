"""PoseTable and Frames: what is unknown, what is refused, and how rows and frames are chosen."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable

ROWS = ("boxes", "keypoints", "scores", "tracks", "species", "areas", "ids", "crowd", "frame")
SHAPES = {
    "boxes": (4,),
    "keypoints": (17, 3),
    "scores": (),
    "tracks": (),
    "species": (),
    "areas": (),
    "ids": (),
    "crowd": (),
}


def make_table(frame: list[int], frames: int = 4) -> PoseTable:
    """A table whose every number says which row or frame it belongs to."""
    n = len(frame)
    number = np.arange(n, dtype=float)
    return PoseTable.make(
        Frames.make(frames, indices=np.arange(frames), names=[f"{i}.jpg" for i in range(frames)]),
        frame,
        boxes=number[:, None] + np.arange(4),
        keypoints=number[:, None, None] + np.zeros((n, 17, 3)),
        scores=number / 10,
        tracks=number,
        species=number,
        areas=number * 3,
        ids=number + 100,
        crowd=number % 2,
        categories={1: "dog"},
    )


class TestFrames:
    def test_what_is_not_said_is_unknown(self) -> None:
        frames = Frames.make(2)
        assert len(frames) == 2
        assert frames.ids.tolist() == [1, 2]
        assert frames.names.tolist() == ["", ""]
        assert frames.sizes.tolist() == [[0, 0], [0, 0]]
        assert frames.clips.tolist() == frames.indices.tolist() == [-1, -1]
        assert np.isnan(frames.times).all()

    def test_types(self) -> None:
        frames = Frames.make(ids=[5.0], sizes=[[3.0, 4.0]], clips=[1.0], indices=[0.0], times=[1])
        assert [frames.ids.dtype, frames.clips.dtype, frames.indices.dtype] == [np.int64] * 3
        assert frames.sizes.dtype == np.int32
        assert frames.times.dtype == np.float64
        assert frames.names.dtype == object

    @pytest.mark.parametrize(
        "known",
        [
            {"ids": [4, 9]},
            {"names": ["a", "b"]},
            {"names": np.array(["a", "b"])},
            {"sizes": [[1, 2], [3, 4]]},
            {"times": [0.0, 0.5]},
        ],
    )
    def test_their_number_follows_from_what_is_said(self, known: dict[str, Any]) -> None:
        assert len(Frames.make(**known)) == 2

    def test_none(self) -> None:
        assert len(Frames.make()) == len(Frames.make(ids=[], names=[])) == 0
        assert Frames.make(0).sizes.shape == (0, 2)

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"ids": [1, 2, 3]}, r"frame ids have shape \(3,\), not \(2,\)"),
            ({"sizes": [1, 2]}, "frame sizes"),
            ({"times": [[0.0, 1.0]]}, "frame times"),
            ({"ids": [7, 7]}, "frame ids repeat"),
        ],
    )
    def test_refused(self, wrong: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            Frames.make(2, **wrong)

    def test_choosing(self) -> None:
        frames = Frames.make(ids=[4, 9, 2], names=["a", "b", "c"])
        assert frames[[2, 0]].names.tolist() == ["c", "a"]
        assert frames[frames.ids > 3].ids.tolist() == [4, 9]
        assert len(frames[1:]) == 2


class TestMake:
    def test_what_is_not_said_is_unknown(self) -> None:
        table = PoseTable.make(Frames.make(3), [2, 0])
        assert len(table) == 2
        assert np.isnan(table.boxes).all()
        assert table.boxes.shape == (2, 4)
        assert (table.keypoints == 0).all()
        assert table.keypoints.shape == (2, 17, 3)
        assert np.isnan(table.scores).all()
        assert np.isnan(table.areas).all()
        assert table.tracks.tolist() == table.species.tolist() == [-1, -1]
        assert table.ids.tolist() == [1, 2]
        assert not table.crowd.any()
        assert table.skeleton is ANIMAL17
        assert table.root is None

    def test_types(self) -> None:
        table = make_table([0, 1])
        assert {n: getattr(table, n).dtype.name for n in ROWS} == {
            "boxes": "float32",
            "keypoints": "float32",
            "scores": "float32",
            "areas": "float32",
            "tracks": "int64",
            "species": "int64",
            "ids": "int64",
            "frame": "int64",
            "crowd": "bool",
        }

    def test_no_animals(self) -> None:
        table = PoseTable.make(Frames.make(3), [], boxes=[], keypoints=[], scores=[], ids=[])
        assert len(table) == 0
        assert len(table.frames) == 3
        assert table.keypoints.shape == (0, 17, 3)
        assert table.boxes.shape == (0, 4)
        assert table.num_keypoints.shape == table.scale_areas.shape == (0,)
        assert len(table.rows_of(1)) == 0

    def test_another_skeleton(self) -> None:
        fly = Skeleton(("head", "tail"))
        table = PoseTable.make(Frames.make(1), [0], skeleton=fly)
        assert table.keypoints.shape == (1, 2, 3)
        with pytest.raises(ValueError, match=r"keypoints have shape \(1, 17, 3\), not \(1, 2, 3\)"):
            PoseTable.make(Frames.make(1), [0], keypoints=np.zeros((1, 17, 3)), skeleton=fly)

    @pytest.mark.parametrize("name", SHAPES)
    def test_a_row_too_many(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"^{name} have shape"):
            PoseTable.make(Frames.make(1), [0, 0], **{name: np.zeros((3, *SHAPES[name]))})

    @pytest.mark.parametrize("name", SHAPES)
    def test_nothing_where_there_are_animals(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"^{name} have shape"):
            PoseTable.make(Frames.make(1), [0, 0], **{name: []})

    @pytest.mark.parametrize("row", [-1, 3])
    def test_a_row_without_a_frame(self, row: int) -> None:
        with pytest.raises(ValueError, match="outside 0 to 2"):
            PoseTable.make(Frames.make(3), [0, row])

    def test_repeated_ids(self) -> None:
        with pytest.raises(ValueError, match="annotation ids repeat"):
            PoseTable.make(Frames.make(1), [0, 0], ids=[3, 3])

    def test_is_never_changed(self) -> None:
        with pytest.raises(FrozenInstanceError):
            make_table([0]).scores = np.ones(1)  # type: ignore[misc]


class TestRows:
    def test_every_column_follows(self) -> None:
        chosen = make_table([0, 0, 3, 1])[[2, 0]]
        assert chosen.ids.tolist() == [102, 100]
        assert chosen.tracks.tolist() == chosen.species.tolist() == [2, 0]
        assert chosen.frame.tolist() == [3, 0]
        assert chosen.boxes[:, 0].tolist() == chosen.keypoints[:, 16, 2].tolist() == [2, 0]
        assert chosen.areas.tolist() == [6, 0]
        assert chosen.crowd.tolist() == [False, False]
        np.testing.assert_allclose(chosen.scores, [0.2, 0])
        assert len(chosen.frames) == 4
        assert chosen.categories == {1: "dog"}

    def test_mask_and_slice_choose_the_same(self) -> None:
        table = make_table([0, 0, 3, 1])
        mask = np.array([False, True, True, False])
        for name in ROWS:
            np.testing.assert_array_equal(
                getattr(table[mask], name), getattr(table[1:3], name), err_msg=name
            )

    def test_none(self) -> None:
        table = make_table([0, 1])
        assert len(table[[]]) == len(table[np.zeros(2, bool)]) == len(table[2:]) == 0
        assert table[[]].keypoints.shape == (0, 17, 3)

    @given(st.data())
    def test_a_choice_of_a_choice(self, data: st.DataObject) -> None:
        n = data.draw(st.integers(1, 8))
        table = make_table([0] * n)
        first = np.array(data.draw(st.permutations(range(n))), int)
        second = np.array(data.draw(st.lists(st.integers(0, n - 1), unique=True)), int)
        assert table[first][second].ids.tolist() == table[first[second]].ids.tolist()

    def test_rows_of_a_frame(self) -> None:
        table = make_table([3, 0, 3, 1])
        assert table.rows_of(3).tolist() == [0, 2]
        assert table.rows_of(2).tolist() == []


class TestWithFrames:
    def test_animals_stay_in_their_frames(self) -> None:
        table = make_table([3, 0, 3, 1])
        part = table.with_frames([3, 1])
        assert part.frames.names.tolist() == ["3.jpg", "1.jpg"]
        assert part.ids.tolist() == [100, 102, 103]
        assert part.frame.tolist() == [0, 0, 1]

    def test_a_frame_without_animals_may_be_kept(self) -> None:
        part = make_table([3, 0]).with_frames(np.array([False, True, True, False]))
        assert len(part) == 0
        assert part.frames.names.tolist() == ["1.jpg", "2.jpg"]

    @given(
        st.lists(st.integers(0, 3), max_size=8),
        st.lists(st.integers(0, 3), unique=True),
    )
    def test_as_one_would_do_by_hand(self, frame: list[int], wanted: list[int]) -> None:
        table = make_table(frame)
        part = table.with_frames(np.array(wanted, int))
        kept = [row for row, at in enumerate(frame) if at in wanted]
        assert part.ids.tolist() == [row + 100 for row in kept]
        assert part.frames.indices[part.frame].tolist() == [frame[row] for row in kept]


def test_keypoints_are_counted_by_their_third_number() -> None:
    keypoints = np.zeros((3, 17, 3))
    keypoints[0, :5, 2] = 2
    keypoints[1, :, 2] = 0.01
    keypoints[2, :, :2] = 7
    table = PoseTable.make(Frames.make(1), [0, 0, 0], keypoints=keypoints)
    assert table.num_keypoints.tolist() == [5, 17, 0]


def test_areas_fall_back_to_the_box() -> None:
    table = PoseTable.make(
        Frames.make(1), [0, 0, 0], boxes=[[0, 0, 3, 4]] * 2 + [[np.nan] * 4], areas=[5, np.nan, 6]
    )
    assert table.scale_areas.tolist() == [5, 12, 6]
    assert table.scale_areas.dtype == np.float32


def test_boxes_around_keypoints_where_there_are_none() -> None:
    frames = Frames.make(2, sizes=[[100, 50], [0, 0]])
    keypoints = np.zeros((4, 17, 3), np.float32)
    keypoints[:, 0] = 10, 20, 2
    keypoints[:3, 1] = 30, 45, 1
    keypoints[:, 2] = 90, 90, 0
    known = [[1, 2, 3, 4]] + [[np.nan] * 4] * 3
    table = PoseTable.make(
        frames, [0, 0, 1, 1], boxes=known, keypoints=keypoints
    ).with_keypoint_boxes(0.2)
    assert table.boxes[0].tolist() == [1, 2, 3, 4]
    assert table.boxes[1].tolist() == [5, 15, 30, 35]
    assert table.boxes[2].tolist() == [5, 15, 30, 35]
    assert np.isnan(table.boxes[3]).all()


def test_keypoint_boxes_end_at_the_frame() -> None:
    keypoints = np.full((1, 17, 3), 2, np.float32)
    keypoints[0, 0], keypoints[0, 1] = (-40, -30, 2), (-10, 60, 2)
    table = PoseTable.make(Frames.make(1, sizes=[[100, 50]]), [0], keypoints=keypoints)
    assert table.with_keypoint_boxes().boxes[0].tolist() == [0, 0, 11, 50]
    assert table[:0].with_keypoint_boxes().boxes.shape == (0, 4)
