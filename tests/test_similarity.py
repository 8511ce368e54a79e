"""Which detections are one animal, and how long tracks have been on one."""

from __future__ import annotations

import numpy as np

from aptv2.similarity import SAME_BOX, frames_overlapping, same_animal, same_box
from aptv2.skeleton import ANIMAL17

SIGMAS = np.asarray(ANIMAL17.sigmas)


def test_boxes_that_nearly_cover_each_other() -> None:
    boxes = np.array([[0, 0, 100, 100], [0, 0, 100, 71], [0, 0, 100, 69.0]])
    overlap = [[1, 0.71, 0.69], [0.71, 1, 69 / 71], [0.69, 69 / 71, 1]]
    assert same_box(boxes).tolist() == (np.array(overlap) > SAME_BOX).tolist()


def test_a_part_of_an_animal_needs_keypoints_that_agree() -> None:
    boxes = np.array([[0, 0, 100, 100], [0, 0, 50, 50.0]])
    keypoints = np.zeros((2, 17, 3))
    keypoints[..., :2] = np.linspace(5, 45, 17)[None, :, None]
    keypoints[..., 2] = 1
    assert same_animal(boxes, keypoints, SIGMAS).tolist() == [[False, True], [True, False]]
    keypoints[1, :, 0] = keypoints[1, ::-1, 0] + 60
    assert not same_animal(boxes, keypoints, SIGMAS).any()
    keypoints[..., 2] = 0  # nothing to compare
    assert not same_animal(boxes, keypoints, SIGMAS).any()


def test_frames_are_counted_in_a_row_and_only_for_the_worse_track() -> None:
    same = np.array([[True, True, False], [True, True, False], [False, False, True]])
    better = np.array([[False, False, False], [True, False, False], [True, True, False]])
    before = np.array([4, 4, 4])
    assert frames_overlapping(before, same, better).tolist() == [0, 5, 0]
    assert (
        frames_overlapping(np.zeros(0, int), np.zeros((0, 0), bool), np.zeros((0, 0), bool)).size
        == 0
    )
