"""Average precision of boxes, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from box_scores import average_precisions, false_alarms, recall_above

TRUTH = [np.array([[0, 0, 100, 100], [200, 0, 50, 50]], float), np.array([[10, 10, 40, 40]], float)]
NOTHING = (np.empty((0, 4)), np.empty(0))


def shifted(box: np.ndarray, overlap: float) -> np.ndarray:
    """A box as large that overlaps by so much."""
    apart = box[2] * (1 - overlap) / (1 + overlap)
    return box + np.array([apart, 0, 0, 0])


def test_all_found() -> None:
    found = [(boxes, np.full(len(boxes), 0.9)) for boxes in TRUTH]
    np.testing.assert_allclose(average_precisions(found, TRUTH), 1)


def test_each_overlap_counts_by_itself() -> None:
    """Found with an overlap of 0.72: right at 0.5 to 0.7, wrong from 0.75 on."""
    found = [
        (np.array([shifted(box, 0.72) for box in boxes]), np.full(len(boxes), 0.9))
        for boxes in TRUTH
    ]
    precisions = average_precisions(found, TRUTH)
    np.testing.assert_allclose(precisions[:5], 1)
    np.testing.assert_allclose(precisions[5:], 0)


def test_a_double_is_wrong() -> None:
    """Ranked before the third animal it halves nothing but the last third: 2/3 + 1/3 * 3/4."""
    first = (np.concatenate([TRUTH[0], TRUTH[0][:1]]), np.array([0.9, 0.8, 0.7]))
    found = [first, (TRUTH[1], np.array([0.6]))]
    recalls = np.linspace(0, 1, 101)
    expected = np.where(recalls <= 2 / 3, 1, 3 / 4).mean()
    assert average_precisions(found, TRUTH)[0] == pytest.approx(expected)


def test_the_order_of_scores_counts_over_all_pictures() -> None:
    wrong = np.array([[400, 400, 10, 10]], float)
    before = [
        (TRUTH[0], np.array([0.9, 0.8])),
        (np.concatenate([wrong, TRUTH[1]]), np.r_[0.95, 0.5]),
    ]
    after = [(TRUTH[0], np.array([0.9, 0.8])), (np.concatenate([TRUTH[1], wrong]), np.r_[0.5, 0.4])]
    assert average_precisions(after, TRUTH)[0] == pytest.approx(1)
    assert average_precisions(before, TRUTH)[0] == pytest.approx(3 / 4)


def test_nothing_found() -> None:
    assert not average_precisions([NOTHING, NOTHING], TRUTH).any()


def test_recall_above_a_score() -> None:
    found = [(TRUTH[0], np.array([0.9, 0.2])), (TRUTH[1], np.array([0.4]))]
    assert recall_above(found, TRUTH, 0.35) == pytest.approx(2 / 3)
    assert recall_above(found, TRUTH, 0.1) == pytest.approx(1)


def test_false_alarms_of_fifty_pictures() -> None:
    class Startled:
        def detect(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return np.zeros((3, 4)), np.array([0.9, 0.35, 0.3]) * (frame.max() > 0)

    frames = [np.zeros((2, 2, 3), np.uint8), np.ones((2, 2, 3), np.uint8)]
    assert false_alarms(Startled(), frames, 0.35) == 50
