"""Scenes of pasted animals: what is pasted where, and what the ground truth says of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="module")
def scenes() -> Iterator[ModuleType]:
    """The module, which is no part of the package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCH))
        import scenes

        yield scenes
    for name in ("scenes", "common"):
        sys.modules.pop(name, None)


@pytest.fixture
def block(scenes: ModuleType) -> object:
    """A cutout whose animal is a rectangle of 20 x 10 pixels, dark on its left half."""
    pixels = np.full((10, 20, 3), 250, np.uint8)
    pixels[:, :10] = 20
    mask = np.ones((10, 20), bool)
    return scenes.Cutout([pixels], [mask], np.array([[5, 5, 20, 10]]))


def frames(count: int) -> list[np.ndarray]:
    return [np.full((60, 100, 3), 120, np.uint8)] * count


def test_the_box_stands_on_the_path(scenes: ModuleType, block: object) -> None:
    actor = scenes.walker(block, [(30, 40), (70, 40)], 10, 5)
    scene = scenes.compose("walk", frames(5), [actor])
    np.testing.assert_array_equal(scene.truth.boxes[:, 0], [20, 30, 40, 50, 60])
    np.testing.assert_array_equal(scene.truth.boxes[:, 1:], [[30, 20, 10]] * 5)
    assert scene.truth.tracks.tolist() == [1] * 5
    assert len(scene.ignored) == 0


def test_pixels_are_pasted_where_the_box_is_and_nowhere_else(
    scenes: ModuleType, block: object
) -> None:
    scene = scenes.compose("still", frames(1), [scenes.walker(block, [(30, 40)] * 2, 10, 1)])
    picture = scene.frames[0].astype(int)
    assert picture[35, 23].tolist() == [20] * 3  # the dark half, which is its back
    assert picture[35, 37].tolist() == [250] * 3
    changed = (picture != 120).any(axis=2)
    assert not changed[:30].any()
    assert not changed[40:].any()
    assert not changed[:, :20].any()
    assert not changed[:, 40:].any()


def test_an_animal_faces_where_it_walks(scenes: ModuleType, block: object) -> None:
    actor = scenes.walker(block, [(30, 40), (70, 40), (30, 40)], 10, 5)
    assert actor.mirrored.tolist() == [False, False, True, True, True]
    scene = scenes.compose("to and fro", frames(5), [actor])
    assert scene.frames[1][35, 43].tolist() == [20] * 3
    assert scene.frames[3][35, 43].tolist() == [250] * 3


def test_size_follows_the_height_asked_for(scenes: ModuleType, block: object) -> None:
    scene = scenes.compose("large", frames(1), [scenes.walker(block, [(50, 50)] * 2, 20, 1)])
    np.testing.assert_allclose(scene.truth.boxes, [[30, 30, 40, 20]], atol=1)


def test_what_is_hidden_does_not_count(scenes: ModuleType, block: object) -> None:
    # The one behind is covered by 0, 12, 18 and 20 of its 20 columns.
    positions = [(62, 40), (50, 40), (44, 40), (42, 40)]
    behind = scenes.Actor(block, np.array(positions, float), 1.0, np.zeros(4, bool))
    front = scenes.walker(block, [(42, 40)] * 2, 10, 4)
    scene = scenes.compose("hide", frames(4), [behind, front])
    truth = scene.truth[scene.truth.tracks == 1]
    assert truth.frame.tolist() == [0, 1]
    np.testing.assert_array_equal(truth.boxes, [[52, 30, 20, 10], [52, 30, 8, 10]])
    # Nearly hidden: the whole animal's box, in the one frame where a sliver shows.
    assert scene.ignored.frame.tolist() == [2]
    assert scene.ignored.tracks.tolist() == [-1]
    np.testing.assert_array_equal(scene.ignored.boxes, [[34, 30, 20, 10]])
    assert np.count_nonzero(scene.truth.tracks == 2) == 4


def test_an_animal_that_leaves_the_frame_is_cut_off(scenes: ModuleType, block: object) -> None:
    scene = scenes.compose("leave", frames(3), [scenes.walker(block, [(90, 40), (130, 40)], 10, 3)])
    np.testing.assert_array_equal(scene.truth.boxes, [[80, 30, 20, 10]])
    assert scene.truth.frame.tolist() == [0]


def test_scenes_stand_side_by_side(scenes: ModuleType, block: object) -> None:
    one = scenes.compose("one", frames(2), [scenes.walker(block, [(30, 40)] * 2, 10, 2)])
    two = scenes.compose("two", frames(3), [scenes.walker(block, [(30, 50)] * 2, 10, 3)])
    both = scenes.beside("both", [one, two], 2)
    assert [frame.shape for frame in both.frames] == [(60, 200, 3)] * 2
    order = np.lexsort([both.truth.tracks, both.truth.frame])
    assert both.truth.tracks[order].tolist() == [1, 2, 1, 2]
    np.testing.assert_array_equal(
        both.truth.boxes[order], [[20, 30, 20, 10], [120, 40, 20, 10]] * 2
    )


def test_boxes_on_ignored_animals_are_dropped(scenes: ModuleType, block: object) -> None:
    scene = scenes.compose("hide", frames(1), [scenes.walker(block, [(30, 40)] * 2, 10, 1)])
    scene = replace(scene, ignored=scenes.box_table(frames(1), [(0, -1, [60, 30, 20, 10])]))
    boxes = [[20, 30, 20, 10], [61, 31, 18, 9], [50, 30, 60, 20], [85, 30, 10, 10]]
    found = scenes.box_table(frames(1), [(0, i + 1, box) for i, box in enumerate(boxes)])
    assert scenes.without_ignored(found, scene).tracks.tolist() == [1, 3, 4]


def test_real_animals_meet(scenes: ModuleType, shared: Path) -> None:
    scene = next(scenes.pasted_scenes(shared / "data", 5))
    assert np.unique(scene.truth.tracks).tolist() == [1, 2]
    first = scene.truth[scene.truth.rows_of(0)]
    assert first.boxes[0, 0] + first.boxes[0, 2] < first.boxes[1, 0]  # apart
    assert scene.frames[0].shape == (360, 640, 3)
    # They have changed sides.
    last = scene.truth[scene.truth.rows_of(4)]
    left_edges = {int(t): float(x) for t, x in zip(last.tracks, last.boxes[:, 0], strict=True)}
    assert left_edges[1] > left_edges[2]
