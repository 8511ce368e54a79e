"""Pasted animals: what is pasted where, and what the ground truth says of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pasting import Actor, Cutout, beside, box_table, compose, walker, without_ignored


@pytest.fixture
def block() -> Cutout:
    """A cutout whose animal is a rectangle of 20 x 10 pixels, dark on its left half."""
    pixels = np.full((10, 20, 3), 250, np.uint8)
    pixels[:, :10] = 20
    mask = np.ones((10, 20), bool)
    return Cutout([pixels], [mask], np.array([[5, 5, 20, 10]]))


def frames(count: int) -> list[np.ndarray]:
    return [np.full((60, 100, 3), 120, np.uint8)] * count


def test_the_box_stands_on_the_path(block: Cutout) -> None:
    actor = walker(block, [(30, 40), (70, 40)], 10, 5)
    scene = compose("walk", frames(5), [actor])
    np.testing.assert_array_equal(scene.truth.boxes[:, 0], [20, 30, 40, 50, 60])
    np.testing.assert_array_equal(scene.truth.boxes[:, 1:], [[30, 20, 10]] * 5)
    assert scene.truth.tracks.tolist() == [1] * 5
    assert len(scene.ignored) == 0


def test_pixels_are_pasted_where_the_box_is_and_nowhere_else(block: Cutout) -> None:
    scene = compose("still", frames(1), [walker(block, [(30, 40)] * 2, 10, 1)])
    picture = scene.frames[0].astype(int)
    assert picture[35, 23].tolist() == [20] * 3  # the dark half, which is its back
    assert picture[35, 37].tolist() == [250] * 3
    changed = (picture != 120).any(axis=2)
    assert not changed[:30].any()
    assert not changed[40:].any()
    assert not changed[:, :20].any()
    assert not changed[:, 40:].any()


def test_an_animal_faces_where_it_walks(block: Cutout) -> None:
    actor = walker(block, [(30, 40), (70, 40), (30, 40)], 10, 5)
    assert actor.mirrored.tolist() == [False, False, True, True, True]
    scene = compose("to and fro", frames(5), [actor])
    assert scene.frames[1][35, 43].tolist() == [20] * 3
    assert scene.frames[3][35, 43].tolist() == [250] * 3


def test_size_follows_the_height_asked_for(block: Cutout) -> None:
    scene = compose("large", frames(1), [walker(block, [(50, 50)] * 2, 20, 1)])
    np.testing.assert_allclose(scene.truth.boxes, [[30, 30, 40, 20]], atol=1)


def test_what_is_hidden_does_not_count(block: Cutout) -> None:
    # The one behind is covered by 0, 12, 18 and 20 of its 20 columns.
    positions = [(62, 40), (50, 40), (44, 40), (42, 40)]
    behind = Actor(block, np.array(positions, float), 1.0, np.zeros(4, bool))
    front = walker(block, [(42, 40)] * 2, 10, 4)
    scene = compose("hide", frames(4), [behind, front])
    truth = scene.truth[scene.truth.tracks == 1]
    assert truth.frame.tolist() == [0, 1]
    # The corners of the one in front are rounded, so a pixel more may show.
    np.testing.assert_allclose(truth.boxes, [[52, 30, 20, 10], [52, 30, 8, 10]], atol=1)
    # Nearly hidden: the whole animal's box, in the one frame where a sliver shows.
    assert scene.ignored.frame.tolist() == [2]
    assert scene.ignored.tracks.tolist() == [-1]
    np.testing.assert_array_equal(scene.ignored.boxes, [[34, 30, 20, 10]])
    assert np.count_nonzero(scene.truth.tracks == 2) == 4


def test_an_animal_that_leaves_the_frame_is_cut_off(block: Cutout) -> None:
    scene = compose("leave", frames(3), [walker(block, [(90, 40), (130, 40)], 10, 3)])
    np.testing.assert_array_equal(scene.truth.boxes, [[80, 30, 20, 10]])
    assert scene.truth.frame.tolist() == [0]


def test_scenes_stand_side_by_side(block: Cutout) -> None:
    one = compose("one", frames(2), [walker(block, [(30, 40)] * 2, 10, 2)])
    two = compose("two", frames(3), [walker(block, [(30, 50)] * 2, 10, 3)])
    both = beside("both", [one, two], 2)
    assert [frame.shape for frame in both.frames] == [(60, 200, 3)] * 2
    order = np.lexsort([both.truth.tracks, both.truth.frame])
    assert both.truth.tracks[order].tolist() == [1, 2, 1, 2]
    np.testing.assert_array_equal(
        both.truth.boxes[order], [[20, 30, 20, 10], [120, 40, 20, 10]] * 2
    )


def test_boxes_on_ignored_animals_are_dropped(block: Cutout) -> None:
    scene = compose("hide", frames(1), [walker(block, [(30, 40)] * 2, 10, 1)])
    scene = replace(scene, ignored=box_table(frames(1), [(0, -1, [60, 30, 20, 10])]))
    boxes = [[20, 30, 20, 10], [61, 31, 18, 9], [50, 30, 60, 20], [85, 30, 10, 10]]
    found = box_table(frames(1), [(0, i + 1, box) for i, box in enumerate(boxes)])
    assert without_ignored(found, scene).tracks.tolist() == [1, 3, 4]
