"""Finding animals: the detector works beside the pose network, the results do not change."""

from __future__ import annotations

import threading

import numpy as np

from aptv2.inference.finding import AnimalFinder
from aptv2.skeleton import ANIMAL17
from aptv2.tracking.association import Associator

WIDTH, HEIGHT, CHUNK = 160, 96, 4


class Detector:
    """Sees one animal, which walks a pixel a frame."""

    def __init__(self) -> None:
        self.calls = 0
        self.second = threading.Event()  # the second call has come

    def detect_batch(self, images: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        self.calls += 1
        if self.calls == 2:
            self.second.set()
        places = [int(image[0, 0, 0]) for image in images]
        return [(np.array([[x, 20.0, 60, 40]]), np.array([0.9])) for x in places]


class Pose:
    """Reads no pose before the detector was given the frames after."""

    skeleton = ANIMAL17

    def __init__(self, wait_for: threading.Event | None = None) -> None:
        self.wait_for = wait_for

    def predict(self, frame: np.ndarray, boxes: np.ndarray, flip: bool = False) -> np.ndarray:
        if self.wait_for is not None:
            assert self.wait_for.wait(20), "the detector waits for the poses"
        spots = np.linspace(0, 1, 17)[None, :, None] * boxes[:, None, 2:] + boxes[:, None, :2]
        return np.concatenate([spots, np.full((len(boxes), 17, 1), 0.8)], axis=2)


def frames(count: int) -> list[np.ndarray]:
    return [np.full((HEIGHT, WIDTH, 3), number, np.uint8) for number in range(count)]


def finder(pose: Pose, detector: Detector | None = None) -> AnimalFinder:
    return AnimalFinder(detector or Detector(), pose, Associator(25, WIDTH, HEIGHT))


def test_detection_does_not_wait_for_poses() -> None:
    detector = Detector()
    reader = finder(Pose(detector.second), detector)
    images, found = frames(8), []
    for start in (0, 4):
        found += reader.step(images[start : start + CHUNK], range(start, start + CHUNK))
    found += reader.finish()
    assert [animals.boxes[0, 0] for animals in found] == list(range(8))
    assert all(animals.tracks.tolist() == [1] for animals in found)


def test_a_state_in_between_changes_nothing() -> None:
    """It holds the animals of every frame that was taken, and no image."""
    images, whole = frames(16), finder(Pose())
    expected = [a for s in range(0, 16, 4) for a in whole.step(images[s : s + 4], range(s, s + 4))]
    expected += whole.finish()
    first, second = finder(Pose()), finder(Pose())
    found = [a for s in (0, 4) for a in first.step(images[s : s + 4], range(s, s + 4))]
    second.restore(first.state())
    found += [a for s in (8, 12) for a in second.step(images[s : s + 4], range(s, s + 4))]
    found += second.finish()
    assert len(found) == len(expected) == 16
    for one, other in zip(found, expected, strict=True):
        for values, wanted in zip(one, other, strict=True):
            np.testing.assert_array_equal(values, wanted)
