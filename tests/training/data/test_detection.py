"""Detection's training pictures: boxes lie on their paint, and what is unknown costs nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aptv2 import boxes as box_tools
from aptv2.models.lite.detection import STRIDE
from aptv2.training.data.boxed import added_boxes
from aptv2.training.data.detection import (
    MOST,
    BoxSource,
    DetectionScenes,
    _uncovered,
    detection_targets,
)
from aptv2.training.recipes import Augmentation

ROWS, COLUMNS = 12, 16
TRUSTED = np.ones((ROWS, COLUMNS), np.float32)
SIZE = 128


def targets(*boxes: list[float], trusted: np.ndarray = TRUSTED) -> dict[str, np.ndarray]:
    return detection_targets(np.array(boxes, np.float32).reshape(-1, 5), trusted)


def boxes_of(sample: dict[str, np.ndarray]) -> np.ndarray:
    """The wanted boxes (N, 4), corners."""
    return sample["boxes"][sample["wanted"] > 0]


class TestTargets:
    def test_largest_first(self) -> None:
        found = targets([40, 40, 16, 16, 1], [0, 0, 96, 90, 0.5])
        assert boxes_of(found).tolist() == [[0, 0, 96, 90], [40, 40, 56, 56]]
        assert found["boxes"].shape == (MOST, 4)
        assert found["wanted"].sum() == 2
        assert (found["known"] == 1).all()
        assert {array.dtype.name for array in found.values()} == {"float32"}

    def test_mostly_hidden_is_neither_wanted_nor_punished(self) -> None:
        found = targets([32, 32, 32, 32, 0.29])
        assert not found["wanted"].any()
        unknown = np.argwhere(found["known"] == 0)
        assert unknown.min(axis=0).tolist() == [4, 4]
        assert unknown.max(axis=0).tolist() == [7, 7]
        assert len(unknown) == 16
        assert targets([32, 32, 32, 32, 0.31])["wanted"].sum() == 1

    def test_smaller_than_half_a_cell(self) -> None:
        assert not targets([32, 32, 3.9, 30, 1])["wanted"].any()
        assert targets([32, 32, 4, 30, 1])["wanted"].any()

    def test_more_than_there_is_room_for(self) -> None:
        """The smallest are neither wanted nor punished."""
        sides = np.arange(8, 8 + MOST + 2, dtype=np.float32)
        boxes = np.stack([sides * 0, sides * 0, sides, sides, sides * 0 + 1], axis=1)
        found = detection_targets(boxes, TRUSTED)
        assert found["wanted"].all()
        assert boxes_of(found)[:, 2].min() == 10
        assert found["known"][0, 0] == 0

    def test_nothing(self) -> None:
        trusted = np.full((ROWS, COLUMNS), 0.5, np.float32)
        found = targets(trusted=trusted)
        assert not found["wanted"].any()
        np.testing.assert_array_equal(found["known"], trusted)

    def test_what_is_trusted_stays_the_callers(self) -> None:
        trusted = TRUSTED.copy()
        targets([32, 32, 32, 32, 0.1], trusted=trusted)
        assert (trusted == 1).all()


class TestHidden:
    BEHIND = np.array([[10, 20, 100, 40, 1]], float)

    @pytest.mark.parametrize(
        ("cover", "left", "share"),
        [
            ([0, 0, 50, 80], [50, 20, 60, 40], 0.6),  # its left
            ([80, 20, 90, 40], [10, 20, 70, 40], 0.7),  # its right
            ([0, 10, 200, 20], [10, 30, 100, 30], 0.75),  # its top
            ([0, 30, 50, 80], [10, 20, 100, 40], 0.7),  # a corner: it still reaches as far
            ([40, 0, 20, 90], [10, 20, 100, 40], 0.8),  # its middle
            ([300, 300, 9, 9], [10, 20, 100, 40], 1.0),
            ([0, 0, 200, 200], [110, 60, 0, 0], 0.0),  # all of it
        ],
    )
    def test_a_hidden_side_is_cut(
        self, cover: list[float], left: list[float], share: float
    ) -> None:
        found = _uncovered(self.BEHIND, np.array(cover, float))[0]
        assert found[4] == pytest.approx(share)
        if share:
            np.testing.assert_allclose(found[:4], left)
        else:
            assert found[2:4].prod() == 0


class TestTeacher:
    OWN = np.array([[0, 0, 100, 100], [200, 0, 50, 50]], float)

    def added(self, box: list[float], score: float) -> tuple[int, int]:
        """How many sure and how many doubtful boxes one of the teacher's becomes."""
        sure, doubtful = added_boxes(self.OWN, np.array([box], float), np.array([score]))
        return len(sure), len(doubtful)

    def test_what_it_adds(self) -> None:
        assert self.added([300, 300, 50, 50], 0.6) == (1, 0)
        assert self.added([300, 300, 50, 50], 0.4) == (0, 1)
        assert self.added([300, 300, 50, 50], 0.1) == (0, 0)
        assert self.added([5, 5, 95, 95], 0.9) == (0, 0)  # the annotators have it
        assert self.added([10, 10, 20, 20], 0.9) == (0, 0)  # a part of one
        assert self.added([0, 0, 400, 110], 0.9) == (0, 1)  # two as one

    def test_nothing(self) -> None:
        for found in added_boxes(self.OWN, np.empty((0, 4)), np.empty(0)):
            assert found.shape == (0, 4)
        sure, _ = added_boxes(np.empty((0, 4)), self.OWN, np.array([0.9, 0.9]))
        assert len(sure) == 2


def within(box: np.ndarray, margin: int) -> tuple[slice, slice]:
    """The pixels in a box of corners, grown by a margin."""
    x0, y0, x1, y1 = np.round(box).astype(int)
    low_x, low_y = max(0, x0 - margin), max(0, y0 - margin)
    return slice(low_y, y1 + margin + 1), slice(low_x, x1 + margin + 1)


@pytest.fixture(scope="module")
def animals(paint_table: Callable):
    return paint_table(
        [[[15.0, 20, 60, 50], [95, 40, 50, 65]], [[30, 30, 90, 60]], [[60, 16, 40, 88]]]
    )


@pytest.fixture(scope="module")
def background(paint_table: Callable):
    """Frames of something that is no animal."""
    painted = paint_table([[[20, 20, 100, 50]]] * 2)
    return BoxSource.from_table(painted.table[np.zeros(2, bool)], painted.images)


def make(painted, settings: Augmentation, **changes) -> DetectionScenes:
    source = BoxSource.from_table(painted.table, painted.images, complete=False)
    chances = {"pasted": 0.0, **changes}
    return DetectionScenes([source], [1.0], SIZE, settings, seed=0, **chances)


class TestScenes:
    def test_boxes_lie_on_their_paint(
        self, animals, plain: Augmentation, is_colour: Callable
    ) -> None:
        scenes = make(animals, plain, mosaic=0.0)
        boxes = 0
        for epoch in range(15):
            for index in range(len(scenes)):
                sample = scenes[epoch, index]
                for box in boxes_of(sample):
                    x, y = np.round((box[:2] + box[2:]) / 2).astype(int)
                    colour = sample["image"][y, x].astype(int)
                    assert np.abs(animals.colours - colour).sum(axis=1).min() < 60
                    mask = is_colour(sample["image"], colour)
                    assert mask[within(box, -2)].mean() > 0.98
                    assert mask[within(box, 4)].sum() == mask[within(box, 2)].sum()
                    boxes += 1
        assert boxes > 30

    def test_boxes_of_mosaics_too(self, animals, plain: Augmentation, is_colour: Callable) -> None:
        scenes = make(animals, plain, mosaic=1.0)
        counts = []
        for epoch in range(15):
            sample = scenes[epoch, 0]
            boxes = boxes_of(sample)
            counts.append(len(boxes))
            for box in boxes:
                x, y = np.round((box[:2] + box[2:]) / 2).astype(int)
                inside = sample["image"][within(box, -1)]
                if min(inside.shape[:2]) > 4:
                    assert is_colour(inside, sample["image"][y, x]).mean() > 0.95
        assert max(counts) > 2

    def test_shapes(self, animals) -> None:
        sample = make(animals, Augmentation())[0, 0]
        cells = SIZE // STRIDE
        assert {name: value.shape for name, value in sample.items()} == {
            "image": (SIZE, SIZE, 3),
            "boxes": (MOST, 4),
            "wanted": (MOST,),
            "known": (cells, cells),
        }
        assert sample["image"].dtype == np.uint8

    def test_a_photograph_may_hold_animals_without_a_box(
        self, animals, plain: Augmentation
    ) -> None:
        sample = make(animals, plain)[0, 0]
        assert sample["known"].max() == 0.5

    def test_background_holds_none(self, background, plain: Augmentation) -> None:
        scenes = DetectionScenes([background], [1.0], SIZE, plain, seed=0)
        assert len(scenes) == 2
        for epoch in range(4):
            sample = scenes[epoch, 0]
            assert not sample["wanted"].any()
            assert (sample["known"] == 1).all()
            assert sample["image"].any()

    def test_every_source_gets_its_share(self, animals, background, plain: Augmentation) -> None:
        stills = BoxSource.from_table(animals.table, animals.images, complete=False)
        sources = [stills, background]
        scenes = DetectionScenes(sources, [3.0, 1.0], SIZE, plain, 0, mosaic=0.0, pasted=0.0)
        assert len(scenes) == 5
        sure = [scenes[epoch, 0]["known"].max() == 1 for epoch in range(60)]
        assert abs(np.mean(sure) - 0.25) < 0.15

    def test_an_animal_without_a_box_does_no_harm(
        self, paint_table: Callable, plain: Augmentation
    ) -> None:
        painted = paint_table([[[15.0, 20, 60, 50], [95, 40, 50, 65]]])
        painted.table.boxes[1] = np.nan
        scenes = make(painted, plain, mosaic=0.0)
        assert sum(len(boxes_of(scenes[epoch, 0])) for epoch in range(6)) > 0

    def test_a_photograph_without_any_box_is_no_background(
        self, paint_table: Callable, plain: Augmentation
    ) -> None:
        bare = paint_table([[[15.0, 20, 60, 50]], []])
        bare.table.boxes[0] = np.nan
        scenes = make(bare, plain, mosaic=0.0)
        assert all(scenes[epoch, 0]["known"].max() == 0.5 for epoch in range(6))

    def test_seed_epoch_and_index_are_all_that_counts(self, animals) -> None:
        first, again = (make(animals, Augmentation()) for _ in range(2))
        expected = first[3, 1]
        again[0, 0]
        for name, value in again[3, 1].items():
            np.testing.assert_array_equal(value, expected[name])
        for different in (first[3, 2], first[4, 1]):
            assert not np.array_equal(different["image"], expected["image"])

    def test_doubtful_boxes_are_neither_wanted_nor_punished(
        self, animals, plain: Augmentation
    ) -> None:
        whole = BoxSource.from_table(animals.table, animals.images)
        nothing = [np.empty((0, 4)) for _ in whole.boxes]
        source = BoxSource(animals.images, nothing, whole.boxes)
        scenes = DetectionScenes([source], [1.0], SIZE, plain, 0, mosaic=0.0, pasted=0.0)
        expected = make(animals, plain, mosaic=0.0)
        unknown = 0
        for epoch in range(6):
            sample = scenes[epoch, 0]
            assert not sample["wanted"].any()
            unknown += (sample["known"] == 0).sum()
        assert unknown
        assert len(expected) == len(scenes)


class TestPasted:
    def test_two_that_overlap(self, animals, plain: Augmentation, is_colour: Callable) -> None:
        """The pasted one lies in front, whole; of the other some is left to see."""
        with_it, without = (
            make(animals, plain, mosaic=0.0, pasted=chance) for chance in (1.0, 0.0)
        )
        more = overlapping = 0
        for epoch in range(30):
            sample, before = with_it[epoch, 1], without[epoch, 1]
            boxes = boxes_of(sample)
            more += len(boxes) - len(boxes_of(before))
            if len(boxes) < 2:
                continue
            xywh = box_tools.xyxy_to_xywh(boxes)
            overlap = box_tools.iou(xywh, xywh) - np.eye(len(boxes))
            overlapping += bool((overlap > 0.05).any())
        assert more > 10
        assert overlapping > 5

    def test_onto_a_background(self, animals, background, plain: Augmentation) -> None:
        stills = BoxSource.from_table(animals.table, animals.images)
        sources = [background, stills]
        scenes = DetectionScenes(sources, [1.0, 1.0], SIZE, plain, 0, mosaic=0.0, pasted=1.0)
        counts = [int(scenes[epoch, 0]["wanted"].sum()) for epoch in range(20)]
        assert np.mean(np.array(counts) > 0) > 0.6
