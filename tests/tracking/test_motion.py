"""Kalman filters of boxes: steady courses, hidden animals, cut edges."""

from __future__ import annotations

import numpy as np

from aptv2.tracking.motion import BoxMotion, cut_edges

STEP = 0.04
SEEN, HIDDEN = np.array([False]), np.array([True])
WHOLE = np.zeros((1, 4), bool)
FIRST = np.array([0])


def walk(frames: int, speed: float = 100.0) -> BoxMotion:
    """A filter that saw a box of 80 x 60 walk to the right from x = 100."""
    motion = BoxMotion()
    for t in range(frames):
        box = np.array([100 + speed * t * STEP, 50, 80, 60])
        if t == 0:
            motion.add(box)
        else:
            motion.update(FIRST, box[None], WHOLE)
        motion.predict(STEP, SEEN)
    return motion


def test_a_steady_course_is_predicted() -> None:
    motion = walk(25)
    np.testing.assert_allclose(motion.boxes[0], [200, 50, 80, 60], atol=0.5)
    np.testing.assert_allclose(motion.speeds[0], [100, 0, 100, 0], atol=3)
    np.testing.assert_allclose(motion.centres[0], [240, 80], atol=0.5)


def test_a_hidden_animal_walks_on_and_slows_down_and_keeps_its_size() -> None:
    motion = walk(25)
    for _ in range(25):
        motion.predict(STEP, HIDDEN)
    x, _, width, height = motion.boxes[0]
    # A hundred times (1 - 1/e) of the way that it would have made at full speed.
    assert 255 < x < 270
    np.testing.assert_allclose([width, height], [80, 60], atol=1)


def test_doubt_grows_while_an_animal_is_hidden() -> None:
    motion = walk(25)
    far = np.array([[260.0, 50, 80, 60]])
    at_once = motion.distance(far)[0, 0]
    for _ in range(10):
        motion.predict(STEP, HIDDEN)
    assert at_once > 20
    assert motion.distance(far)[0, 0] < at_once / 4


def test_the_end_that_shows_first_is_near() -> None:
    """Half of an animal comes out from behind something: its front is where it should be."""
    motion = walk(25)
    half = np.array([[240.0, 50, 40, 60]])
    assert motion.distance(half)[0, 0] < 1


def test_a_cut_edge_neither_shrinks_nor_turns_an_animal() -> None:
    motion, trusting = walk(25), walk(25)
    right_is_cut = np.array([[False, False, True, False]])
    for t in range(25, 31):
        # It walks behind something whose left edge is at 270.
        left = 100 + 100 * t * STEP
        seen = np.array([[left, 50, 270 - left, 60]])
        motion.update(FIRST, seen, right_is_cut)
        trusting.update(FIRST, seen, WHOLE)
        motion.predict(STEP, SEEN)
        trusting.predict(STEP, SEEN)
    assert motion.boxes[0, 2] > 68
    assert trusting.boxes[0, 2] < 60
    motion.predict(STEP, HIDDEN)
    trusting.predict(STEP, HIDDEN)
    assert motion.speeds[0, 0] > 80
    assert trusting.speeds[0, 0] < 60


def test_which_edges_are_cut() -> None:
    behind, before, alone = [100, 100, 80, 60], [170, 105, 80, 60], [400, 100, 80, 60]
    cut = cut_edges(np.array([behind, before, alone], float), 640, 360)
    np.testing.assert_array_equal(cut[0], [False, False, True, False])
    np.testing.assert_array_equal(cut[1], [True, False, False, False])
    assert not cut[2].any()


def test_edges_at_the_border_of_the_frame_are_cut() -> None:
    cut = cut_edges(np.array([[0, 10, 50, 50], [600, 300, 40, 60]], float), 640, 360)
    np.testing.assert_array_equal(cut, [[True, False, False, False], [False, False, True, True]])


def test_a_box_without_area_keeps_a_pixel() -> None:
    motion = BoxMotion()
    motion.add(np.zeros(4))
    motion.update(FIRST, np.array([[5.0, 5, 0, 0]]), WHOLE)
    motion.predict(STEP, SEEN)
    assert np.isfinite(motion.boxes).all()
    assert (motion.boxes[:, 2:] >= 1).all()


def test_filters_are_kept_by_mask() -> None:
    motion = BoxMotion()
    for x in (0.0, 100.0, 200.0):
        motion.add(np.array([x, 0, 10, 10]))
    motion.keep(np.array([True, False, True]))
    np.testing.assert_array_equal(motion.boxes[:, 0], [0, 200])
    assert len(motion) == 2
