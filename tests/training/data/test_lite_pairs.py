"""Tracking pairs: the boxes that a sample tells hold the paint of the animals they are about."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aptv2.models.lite.tracking import SEARCH_SIZE, TEMPLATE_SIZE
from aptv2.training.data.lite_pairs import REACH, LitePairs
from aptv2.training.data.tracking import COVERED, PairSource, View
from aptv2.training.recipes import Augmentation

MOVING = [[[20.0 + 6 * t, 30 + 3 * t, 50, 40 - 2 * t]] for t in range(6)]
STILLS = [[[10.0 + 5 * n, 8 + 3 * n, 60, 45]] for n in range(12)]


@pytest.fixture(scope="module")
def clips(paint_table: Callable):
    """Two clips of three frames; the animal of each has a colour of its own."""
    return paint_table(MOVING, clips=[1, 1, 1, 2, 2, 2])


@pytest.fixture(scope="module")
def stills(paint_table: Callable):
    return paint_table(STILLS)


def make(painted, settings: Augmentation, pasted: float = 0.7) -> LitePairs:
    settings = settings.model_copy(update={"distractors": pasted})
    return LitePairs([PairSource(painted.table, painted.images)], [1.0], 40, settings, seed=0)


def in_pixels(box: np.ndarray, size: int) -> tuple[int, int, int, int]:
    return tuple(int(v) for v in np.round(box * (size - 1)))


def paint_of(sample: dict, colours: np.ndarray, which: int = 0) -> np.ndarray:
    """The colour in the middle of a template's box."""
    x0, y0, x1, y1 = in_pixels(sample["template_box"][which], TEMPLATE_SIZE)
    shown = sample["template"][which, (y0 + y1) // 2, (x0 + x1) // 2].astype(int)
    return colours[np.abs(colours.astype(int) - shown).sum(axis=1).argmin()]


class TestAnimal:
    def test_a_clips_box_is_where_its_paint_is(
        self, clips, plain: Augmentation, is_colour: Callable
    ) -> None:
        pairs = make(clips, plain, pasted=0.0)
        shapes = set()
        for index in range(len(pairs)):
            sample = pairs[0, index]
            assert sample["present"][0] == 1
            wanted = paint_of(sample, clips.colours)
            for picture, box, size in (
                (sample["template"][0], sample["template_box"][0], TEMPLATE_SIZE),
                (sample["search"], sample["search_box"][0], SEARCH_SIZE),
            ):
                rows, columns = np.nonzero(is_colour(picture, wanted))
                painted = [columns.min(), rows.min(), columns.max(), rows.max()]
                np.testing.assert_allclose(box * (size - 1), painted, atol=2)
            shapes.add(tuple(np.round(sample["search_box"][0], 2)))
        assert len(shapes) > 30

    def test_a_photographs_box_holds_its_paint(
        self, stills, plain: Augmentation, is_colour: Callable
    ) -> None:
        """Another picture lies behind, now and then with the same animal in it."""
        pairs = make(stills, plain, pasted=0.0)
        exact = 0
        for index in range(len(pairs)):
            sample = pairs[0, index]
            mask = is_colour(sample["search"], paint_of(sample, stills.colours))
            x0, y0, x1, y1 = in_pixels(sample["search_box"][0], SEARCH_SIZE)
            assert mask[y0 + 2 : y1 - 1, x0 + 2 : x1 - 1].mean() > 0.98
            rows, columns = np.nonzero(mask)
            painted = [columns.min(), rows.min(), columns.max(), rows.max()]
            exact += np.abs(np.array(painted) - [x0, y0, x1, y1]).max() <= 2
        assert exact > 0.8 * len(pairs)

    def test_the_templates_are_centred(self, clips, plain: Augmentation) -> None:
        for box in make(clips, plain)[0, 0]["template_box"]:
            np.testing.assert_allclose((box[:2] + box[2:]) / 2, 0.5, atol=0.005)
            # Its crop has four times the box's area.
            np.testing.assert_allclose(np.prod(box[2:] - box[:2]), 0.25, atol=0.005)

    def test_shapes(self, clips) -> None:
        sample = make(clips, Augmentation())[0, 0]
        assert sample["template"].shape == (2, TEMPLATE_SIZE, TEMPLATE_SIZE, 3)
        assert sample["search"].shape == (SEARCH_SIZE, SEARCH_SIZE, 3)
        assert sample["template"].dtype == sample["search"].dtype == np.uint8
        for name in ("template_box", "search_box"):
            assert sample[name].shape == (2, 4)
            assert sample[name].dtype == np.float32
            assert ((sample[name] >= 0) & (sample[name] <= 1)).all()
        assert sample["present"].shape == (2,)
        assert sample["present"].dtype == np.float32

    def test_both_are_mirrored_or_neither(
        self,
        paint_table: Callable,
        plain: Augmentation,
        is_colour: Callable,
        keypoint_colour: Callable,
    ) -> None:
        pairs = make(paint_table(MOVING[:3], clips=[1, 1, 1], dots=True), plain, pasted=0.0)
        mirrored = []
        for index in range(24):
            sample = pairs[0, index]
            # Keypoint 0 is painted on the left of keypoint 4.
            places = [
                [np.nonzero(is_colour(picture, keypoint_colour(j)))[1].mean() for j in (0, 4)]
                for picture in (sample["template"][0], sample["search"])
            ]
            template, search = (left > right for left, right in places)
            assert template == search
            mirrored.append(template)
        assert 0.2 < np.mean(mirrored) < 0.8


class TestDistractor:
    def test_it_is_pasted_where_its_box_is(
        self, clips, plain: Augmentation, is_colour: Callable
    ) -> None:
        pairs = make(clips, plain, pasted=1.0)
        checked = 0
        for index in range(len(pairs)):
            sample = pairs[0, index]
            if not sample["present"][1]:
                continue
            paint = paint_of(sample, clips.colours, 1)
            assert (paint != paint_of(sample, clips.colours, 0)).any()
            mask = is_colour(sample["search"], paint)
            box = sample["search_box"][1] * (SEARCH_SIZE - 1)
            (x, y), (w, h) = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
            # The middle half of its ellipse is all its own, and nothing of it is outside its box.
            middle = mask[round(y - h / 4) : round(y + h / 4), round(x - w / 4) : round(x + w / 4)]
            assert middle.size == 0 or middle.mean() > 0.98
            rows, columns = np.nonzero(mask)
            assert (np.array([columns.min(), rows.min()]) >= box[:2] - 3).all()
            assert (np.array([columns.max(), rows.max()]) <= box[2:] + 3).all()
            checked += 1
        assert checked > 0.6 * len(pairs)

    def test_it_does_not_hide_the_animal(
        self, clips, plain: Augmentation, is_colour: Callable
    ) -> None:
        pairs = make(clips, plain, pasted=1.0)
        hidden = []
        for index in range(len(pairs)):
            sample = pairs[0, index]
            x0, y0, x1, y1 = in_pixels(sample["search_box"][0], SEARCH_SIZE)
            mask = is_colour(sample["search"], paint_of(sample, clips.colours))
            hidden.append(1 - mask[y0 : y1 + 1, x0 : x1 + 1].mean())
        assert max(hidden) < COVERED + 0.1
        assert max(hidden) > 0.1

    def test_where_it_is_not_pasted_it_is_not_there(
        self, clips, plain: Augmentation, is_colour: Callable
    ) -> None:
        pairs = make(clips, plain, pasted=0.0)
        for index in range(len(pairs)):
            sample = pairs[0, index]
            assert sample["present"].tolist() == [1, 0]
            assert not is_colour(sample["search"], paint_of(sample, clips.colours, 1)).any()

    def test_the_share_is_as_asked(self, stills, plain: Augmentation) -> None:
        pairs = make(stills, plain, pasted=0.3)
        pasted = [pairs[epoch, index]["present"][1] for epoch in range(3) for index in range(40)]
        assert abs(np.mean(pasted) - 0.3) < 0.1

    def test_a_single_scene_has_no_distractor(self, paint_table: Callable, plain) -> None:
        pairs = make(paint_table(MOVING[:3], clips=[1, 1, 1]), plain, pasted=0.0)
        sample = pairs[0, 0]
        assert sample["present"].tolist() == [1, 1]
        np.testing.assert_array_equal(*sample["search_box"])


class TestLater:
    def rows(self, pairs: LitePairs, row: int) -> set[int]:
        rng = np.random.default_rng(0)
        source = pairs.sources[0]
        view = View(source, row, False)
        return {source.later(rng, view, REACH).row for _ in range(40)}

    def test_of_the_same_track_and_near(self, clips, plain: Augmentation) -> None:
        pairs = make(clips, plain)
        assert self.rows(pairs, 1) == {0, 1, 2}
        assert self.rows(pairs, 4) == {3, 4, 5}

    def test_not_further_than_the_reach(self, clips, plain: Augmentation) -> None:
        indices = clips.table.frames.indices
        indices[:3] = [0, REACH, REACH + 1]
        try:
            assert self.rows(make(clips, plain), 0) == {0, 1}
        finally:
            indices[:3] = [0, 1, 2]

    def test_of_a_photograph_it_is_itself(self, stills, plain: Augmentation) -> None:
        assert self.rows(make(stills, plain), 3) == {3}


def test_boxes_that_cannot_be_followed_are_left_out(paint_table: Callable, plain) -> None:
    painted = paint_table([[[10, 10, 50, 50]], [[10, 10, 5, 50]], [[10, 10, 50, 50]]])
    painted.table.boxes[2] = np.nan
    pairs = make(painted, plain)
    assert pairs.sources[0].table.ids.tolist() == [1]


def test_seed_epoch_and_index_are_all_that_counts(clips, stills) -> None:
    sources = [PairSource(each.table, each.images) for each in (clips, stills)]
    first, again, other = (
        LitePairs(sources, [0.5, 0.5], 9, Augmentation(), seed=seed) for seed in (1, 1, 2)
    )
    assert len(first) == 9
    expected = first[3, 4]
    again[0, 0]
    for name, value in again[3, 4].items():
        np.testing.assert_array_equal(value, expected[name])
    for different in (first[3, 5], first[4, 4], other[3, 4]):
        assert not np.array_equal(different["search"], expected["search"])
