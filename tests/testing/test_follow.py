"""Following annotated animals: which animals a tracker is given, when, and what becomes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.tables import Frames, PoseTable
from aptv2.testing.follow import follow_annotated, on_annotated


class Drift:
    """A tracker whose boxes move by a pixel a frame; it keeps what it was reported."""

    def __init__(self) -> None:
        self.boxes = np.empty((0, 4), np.float32)
        self.reported: list[tuple[str, int, int]] = []

    def start(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        self.boxes = np.empty((0, 4), np.float32)
        self._take("start", frame, boxes)

    def add(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        self._take("add", frame, boxes)

    def step(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.boxes = self.boxes + np.float32([1, 0, 0, 0])
        self.reported.append(("step", int(frame[0, 0, 0]), len(self.boxes)))
        return self.boxes.copy(), np.full(len(self.boxes), 0.5, np.float32)

    def _take(self, what: str, frame: np.ndarray, boxes: np.ndarray) -> None:
        self.boxes = np.concatenate([self.boxes, boxes])
        self.reported.append((what, int(frame[0, 0, 0]), len(boxes)))


def table(root: Path, rows: list[tuple[int, int]], clips: list[int]) -> PoseTable:
    """Animals (frame, track) at 10 x track; image k has the grey value k in its corner."""
    for number in range(len(clips)):
        image = np.full((48, 64, 3), number, np.uint8)
        assert cv2.imwrite(str(root / f"{number}.png"), image)
    frame = [frame for frame, _ in rows]
    tracks = np.array([track for _, track in rows])
    starts = {clip: clips.index(clip) for clip in clips}
    return PoseTable.make(
        Frames.make(
            names=[f"{number}.png" for number in range(len(clips))],
            sizes=[(64, 48)] * len(clips),
            clips=clips,
            indices=[number - starts[clip] for number, clip in enumerate(clips)],
        ),
        frame,
        boxes=[[10 * track, 5, 8, 8] for track in tracks],
        tracks=tracks,
        species=tracks,
        categories={1: "cat", 2: "dog", 3: "cow"},
        root=root,
    )


def test_late_animals_join_and_clips_begin_anew(tmp_path: Path) -> None:
    # Clip 5: two animals, of which one comes late and one leaves for good. Clip 7: one frame.
    truth = table(tmp_path, [(1, 1), (2, 1), (2, 2), (3, 2), (4, 2), (5, 3)], [5] * 5 + [7])
    tracker, clock = Drift(), {}
    found = follow_annotated(truth, tracker, on_frame=clock.__setitem__)
    assert tracker.reported == [
        ("start", 1, 1),
        ("step", 2, 1),
        ("add", 2, 1),
        ("step", 3, 2),
        ("step", 4, 2),
        ("start", 5, 1),
    ]
    rows = list(zip(found.frame.tolist(), found.tracks.tolist(), strict=True))
    assert rows == [(1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2), (5, 3)]
    assert found.scores.tolist() == [1, 0.5, 1, 0.5, 0.5, 0.5, 0.5, 1]
    assert found.boxes[:, 0].tolist() == [10, 11, 20, 12, 21, 13, 22, 30]
    assert found.species.tolist() == found.tracks.tolist()
    assert len(found.frames) == 6
    assert list(clock) == [1, 2, 3, 4, 5]
    assert min(clock.values()) > 0


def test_boxes_of_annotated_animals(tmp_path: Path) -> None:
    truth = table(tmp_path, [(0, 1), (1, 1), (2, 2), (2, 1)], [1, 1, 1])
    found = on_annotated(follow_annotated(truth, Drift()), truth[[3, 2, 1]])
    assert found.ids.tolist() == [4, 3, 2]
    assert found.boxes[:, 0].tolist() == [12, 20, 11]
    assert found.scores.tolist() == [0.5, 1, 0.5]
    assert len(on_annotated(follow_annotated(truth[:0], Drift()), truth)) == 0


def test_the_first_box_that_can_be_followed(tmp_path: Path) -> None:
    truth = table(tmp_path, [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1)], [1] * 6)
    boxes = np.float32(
        [[1, 1, 0, 9], [64, 1, 9, 9], [-9, 1, 9, 9], [np.nan] * 4, [60, 1, 9, 9], [1, 1, 9, 9]]
    )
    truth = replace(truth, boxes=boxes)
    found = follow_annotated(truth, Drift())
    assert found.frame.tolist() == [4, 5]
    assert found.boxes[0].tolist() == [60, 1, 9, 9]
    crowd = replace(truth, crowd=np.arange(6) == 4)
    assert follow_annotated(crowd, Drift()).frame.tolist() == [5]


def test_many_animals_with_equal_boxes_in_a_long_clip(tmp_path: Path) -> None:
    rows = [(frame, track) for frame in range(20) for track in range(53)]
    truth = table(tmp_path, rows, [1] * 20)
    truth = replace(truth, boxes=np.tile(np.float32([1, 1, 9, 9]), (len(rows), 1)))
    found = follow_annotated(truth, Drift())
    assert list(zip(found.frame.tolist(), found.tracks.tolist(), strict=True)) == rows
    assert found.boxes[-53:, 0].tolist() == [20] * 53


def test_frames_go_by_their_number_in_the_clip(tmp_path: Path) -> None:
    truth = table(tmp_path, [(0, 1), (1, 1), (2, 1)], [1, 1, 1])
    late = replace(truth.frames, indices=np.array([2, 0, 1]))
    tracker = Drift()
    found = follow_annotated(replace(truth, frames=late), tracker)
    assert found.frame.tolist() == [1, 2, 0]
    assert [what for what, _, _ in tracker.reported] == ["start", "step", "step"]


def test_images_without_a_clip_are_followed_alone(tmp_path: Path) -> None:
    truth = table(tmp_path, [(0, 1), (1, 1)], [-1, -1])
    assert follow_annotated(truth, Drift()).scores.tolist() == [1, 1]


def test_what_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    class Strict(Drift):
        def step(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            raise InputError("a frame of 8 x 8 pixels follows others")

    truth = table(tmp_path, [(0, 1), (1, 1)], [1, 1])
    with pytest.raises(InputError, match=r"annotation 2 has no track number"):
        follow_annotated(replace(truth, tracks=np.array([1, -1])), Drift())
    with pytest.raises(InputError, match=r"track 1 appears twice in the frame with image id 1;"):
        follow_annotated(replace(truth, frame=np.array([0, 0])), Drift())
    with pytest.raises(InputError, match=r"1\.png: a frame of 8 x 8 pixels follows others"):
        follow_annotated(truth, Strict())
    with pytest.raises(InputError, match="do not say where their images are"):
        follow_annotated(replace(truth, root=None), Drift())
    (tmp_path / "1.png").unlink()
    with pytest.raises(InputError, match=r"1\.png"):
        follow_annotated(truth, Drift())
