"""Animals of a video without boxes of the user: detect, read the pose, associate."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from aptv2.models.protocols import Detector, PoseNetwork, State
from aptv2.tracking.association import Associator
from aptv2.tracking.interfaces import (
    Animals,
    find_keypoints,
    part,
    prefixed,
)

Detections = tuple[np.ndarray, np.ndarray]  # boxes and scores of a frame


class AnimalFinder:
    """Detects animals in every frame and gives each a number that it keeps.

    Poses come before the association, which compares them. The animals of a frame are
    returned a few frames later, when it is certain which of its detections last; so an animal is
    there from its very first frame.

    Parameters
    ----------
    detector, pose
        The networks.
    associator
        For this video.
    flip_test
        Average poses over the mirrored crops too.
    """

    def __init__(
        self,
        detector: Detector,
        pose: PoseNetwork,
        associator: Associator,
        flip_test: bool = False,
    ) -> None:
        self.detector, self.pose = detector, pose
        self.associator, self.flip_test = associator, flip_test
        # Animals whose tracks are still keys.
        self._waiting: deque[Animals] = deque()
        self._thread = ThreadPoolExecutor(1, "detector")
        self._detecting: tuple[Sequence[np.ndarray], Future[list[Detections]]] | None = None

    def step(self, images: Sequence[np.ndarray], numbers: Sequence[int]) -> list[Animals]:
        """Take the next frames; see :class:`aptv2.tracking.interfaces.AnimalReader`."""
        detections = self._thread.submit(self.detector.detect_batch, images)
        self._read_detected()
        self._detecting = images, detections
        late = self.associator.birth_frames - 1
        return [self._pop() for _ in range(len(self._waiting) - late)]

    def finish(self) -> list[Animals]:
        """The animals of the last frames."""
        self._read_detected()
        self.associator.finish()
        return [self._pop() for _ in range(len(self._waiting))]

    def state(self) -> State:
        """Everything that the next step depends on, as arrays."""
        self._read_detected()  # a state holds no images
        state = prefixed(self.associator.state(), "associator")
        for i, animals in enumerate(self._waiting):
            state |= prefixed(animals._asdict(), f"waiting{i}")
        return state

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what :meth:`state` gave."""
        self.associator.restore(part(state, "associator"))
        self._waiting.clear()
        while waiting := part(state, f"waiting{len(self._waiting)}"):
            self._waiting.append(Animals(**waiting))

    def _read_detected(self) -> None:
        """Wait for the detections that are on their way, and read their poses."""
        if self._detecting is not None:
            (images, detections), self._detecting = self._detecting, None
            for image, found in zip(images, detections.result(), strict=True):
                self._waiting.append(self._read(image, *found))

    def _read(self, image: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> Animals:
        matters = self.associator.carries_on(boxes, scores)
        boxes, scores = boxes[matters], scores[matters]
        keypoints = find_keypoints(self.pose, image, boxes, self.flip_test)
        return Animals(self.associator.step(boxes, scores, keypoints), boxes, scores, keypoints)

    def _pop(self) -> Animals:
        keys, *rest = self._waiting.popleft()
        tracks = self.associator.numbers(keys)
        return Animals(*(values[tracks > 0] for values in (tracks, *rest)))
