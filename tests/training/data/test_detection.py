"""Detection: targets worked out by hand, and scenes whose boxes lie on their paint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aptv2.models.lite.detection import STRIDE, corner_boxes, peaks
from aptv2.training.data.detection import DetectionScenes, detection_targets
from aptv2.training.recipes import Augmentation

ROWS, COLUMNS = 12, 16
TRUSTED = np.ones((ROWS, COLUMNS), np.float32)
SIZE = 128


def targets(*boxes: list[float], trusted: np.ndarray = TRUSTED) -> dict[str, np.ndarray]:
    return detection_targets(np.array(boxes, np.float32).reshape(-1, 5), trusted)


def reported(sample: dict[str, np.ndarray]) -> np.ndarray:
    """The boxes (N, 4), corners, at the cells that are centres."""
    corners = corner_boxes(torch.from_numpy(sample["sides"])[None])[0].numpy()
    return corners[:, sample["centres"] > 0.999].T


class TestTargets:
    def test_one_box(self) -> None:
        """Centre 40, 40: cell 5, 5, whose middle is at 43.5."""
        found = targets([16, 24, 48, 32, 1])
        assert found["centres"].shape == found["weights"].shape == (ROWS, COLUMNS)
        assert found["centres"][5, 5] == 1
        assert np.argwhere(found["centres"] > 0.999).tolist() == [[5, 5]]
        # Spreads of 0.09 x 48 / 8 = 0.54 cells across, and the least, 0.4, down.
        across, down = np.exp(-1 / (2 * 0.54**2)), np.exp(-1 / (2 * 0.4**2))
        np.testing.assert_allclose(found["centres"][5, 4:7], [across, 1, across], rtol=1e-5)
        np.testing.assert_allclose(found["centres"][4:7, 5], [down, 1, down], rtol=1e-5)
        # The one beside counts for the sides, the one below is too far down.
        assert np.argwhere(found["weights"] > 0).tolist() == [[5, 4], [5, 5], [5, 6]]
        np.testing.assert_allclose(found["weights"][5, 5], 1 / (1 + 2 * across), rtol=1e-5)
        np.testing.assert_allclose(found["sides"][:, 5, 5], [27.5, 19.5, 20.5, 12.5])
        np.testing.assert_allclose(found["sides"][:, 5, 4], [19.5, 19.5, 28.5, 12.5])
        assert (found["known"] == 1).all()
        assert {array.dtype.name for array in found.values()} == {"float32"}

    def test_the_smaller_lies_in_front(self) -> None:
        small, large = [40, 40, 16, 16, 1], [0, 0, 96, 96, 1]
        for order in ([small, large], [large, small]):
            found = targets(*order)
            np.testing.assert_allclose(found["sides"][:, 6, 6], [11.5, 11.5, 4.5, 4.5])
            np.testing.assert_allclose(found["sides"][:, 6, 7], [59.5, 51.5, 36.5, 44.5])
            assert found["weights"][6, 6] > found["weights"][6, 7] > 0

    def test_mostly_hidden_is_neither_wanted_nor_punished(self) -> None:
        found = targets([32, 32, 32, 32, 0.29])
        assert not found["centres"].any()
        assert not found["weights"].any()
        unknown = np.argwhere(found["known"] == 0)
        assert unknown.min(axis=0).tolist() == [4, 4]
        assert unknown.max(axis=0).tolist() == [7, 7]
        assert len(unknown) == 16
        assert targets([32, 32, 32, 32, 0.3])["centres"].max() == 1

    def test_smaller_than_half_a_cell(self) -> None:
        assert not targets([32, 32, 3.9, 30, 1])["centres"].any()
        assert targets([32, 32, 4, 30, 1])["centres"].max() == 1

    def test_at_the_edges(self) -> None:
        found = targets([-8, -8, 10, 10, 1], [120, 88, 20, 20, 1])
        assert found["centres"][0, 0] == found["centres"][-1, -1] == 1
        np.testing.assert_allclose(found["sides"][:, 0, 0], [11.5, 11.5, -1.5, -1.5])

    def test_nothing(self) -> None:
        trusted = np.full((ROWS, COLUMNS), 0.5, np.float32)
        found = targets(trusted=trusted)
        assert not found["centres"].any()
        assert not found["weights"].any()
        np.testing.assert_array_equal(found["known"], trusted)

    def test_what_is_trusted_stays_the_callers(self) -> None:
        trusted = TRUSTED.copy()
        targets([32, 32, 32, 32, 0.1], trusted=trusted)
        assert (trusted == 1).all()

    @given(
        st.floats(0, 100, width=32),
        st.floats(0, 70, width=32),
        st.floats(4, 100, width=32),
        st.floats(4, 100, width=32),
    )
    def test_a_perfect_detector_gives_the_box_back(
        self, x: float, y: float, width: float, height: float
    ) -> None:
        found = targets([x, y, width, height, 1])
        np.testing.assert_allclose(found["weights"].sum(), 1, rtol=1e-4)
        centres = torch.from_numpy(found["centres"])[None, None]
        boxes, scores = peaks(centres.logit(1e-6), torch.from_numpy(found["sides"])[None], 1)
        np.testing.assert_allclose(boxes[0, 0], [x, y, x + width, y + height], atol=1e-3)
        assert scores[0, 0] > 0.99


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
    return painted.table[np.zeros(2, bool)], painted.images


def make(painted, settings: Augmentation, **changes) -> DetectionScenes:
    sources = [(painted.table, painted.images)]
    return DetectionScenes(sources, [1.0], SIZE, settings, seed=0, **changes)


class TestScenes:
    def test_boxes_lie_on_their_paint(
        self, animals, plain: Augmentation, is_colour: Callable
    ) -> None:
        scenes = make(animals, plain, mosaic=0.0)
        boxes = 0
        for epoch in range(15):
            for index in range(len(scenes)):
                sample = scenes[epoch, index]
                for box in reported(sample):
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
            boxes = reported(sample)
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
            "centres": (cells, cells),
            "sides": (4, cells, cells),
            "weights": (cells, cells),
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
            assert not sample["centres"].any()
            assert (sample["known"] == 1).all()
            assert sample["image"].any()

    def test_every_source_gets_its_share(self, animals, background, plain: Augmentation) -> None:
        sources = [(animals.table, animals.images), background]
        scenes = DetectionScenes(sources, [3.0, 1.0], SIZE, plain, seed=0, mosaic=0.0)
        assert len(scenes) == 5
        sure = [scenes[epoch, 0]["known"].max() == 1 for epoch in range(60)]
        assert abs(np.mean(sure) - 0.25) < 0.15

    def test_an_animal_without_a_box_does_no_harm(
        self, paint_table: Callable, plain: Augmentation
    ) -> None:
        painted = paint_table([[[15.0, 20, 60, 50], [95, 40, 50, 65]]])
        painted.table.boxes[1] = np.nan
        scenes = make(painted, plain, mosaic=0.0)
        assert sum(len(reported(scenes[epoch, 0])) for epoch in range(6)) > 0

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
