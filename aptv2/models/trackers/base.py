"""What all template trackers share: many animals at once, lost and found again.

A template tracker is given the box of each animal in one frame, and looks for it around its last
place in each of the next. A network alone always finds something; what makes of that an honest
answer is here, the same for every network.

- Confidence is the network's score in units of what it gives an animal that is surely there.
- Under `LOST` the animal is lost: its box stays where it was last seen, and the region in which
  it is looked for grows frame by frame until it is found again.
- Of two tracks on one animal the less confident one is lost until it finds a place of its own
  (:mod:`aptv2.similarity`).
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from aptv2.errors import InputError
from aptv2.similarity import OVERLAPPING_FRAMES, frames_overlapping, same_box
from aptv2.skeleton import Skeleton

TEMPLATE_SIZE, TEMPLATE_FACTOR = 128, 2.0  # pixels; side of the crop by that of its box
SEARCH_SIZE, SEARCH_FACTOR = 256, 4.0
STRIDE = 16


class Views(NamedTuple):
    """The pictures that a template tracker looks at.

    Parameters
    ----------
    template, search
        Sides in pixels.
    factor
        Side of the search region by that of the box.
    """

    template: int = TEMPLATE_SIZE
    search: int = SEARCH_SIZE
    factor: float = SEARCH_FACTOR


LOST = 0.4  # confidence under which an animal is held to be out of sight
GROWTH = 1.1  # of the search region per frame out of sight
LARGEST = 2.0  # times the usual search region
LARGEST_BOX = 4.0  # times the frame


class Found(NamedTuple):
    """What a network finds.

    Parameters
    ----------
    boxes
        float (N, 4): x, y, width, height in pixels, inside the frame.
    certainty
        float (N,): 0 where the animal is not there, 1 or more where it surely is.
    """

    boxes: np.ndarray
    certainty: np.ndarray


class TemplateTracker(ABC):
    """Template tracker for any number of animals, all of a frame in one batch.

    `start` names the animals, `step` finds them in the next frame, `add` lets more join on the
    way.

    Attributes
    ----------
    boxes
        float64 (N, 4): where each animal was last seen.
    confidence
        float32 (N,), 0 to 1: of the last frame.
    reach
        float64 (N,): size of each search region in units of the usual.
    skeleton
        The K keypoints that are read on the way; none, unless a subclass reads some.
    keypoints
        float32 (N, K, 3): x, y in pixels, score, of the last frame.
    """

    skeleton = Skeleton(())
    keypoints: np.ndarray
    boxes: np.ndarray
    confidence: np.ndarray
    reach: np.ndarray
    _overlapping: np.ndarray  # int64 (N,): frames on a surer one's animal
    _frame_size: tuple[int, int]

    def __init__(self) -> None:
        self._forget()

    @property
    def lost(self) -> np.ndarray:
        """bool (N,): animals that the last frame did not show."""
        return self.confidence < LOST

    def start(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        """Begin with animals at `boxes` (N, 4), x, y, width, height in pixels, of a frame.

        Raises
        ------
        InputError
            Where the frame is no uint8 RGB picture, or a box is empty, outside the frame or no
            number.
        """
        self._forget()
        self.add(frame, boxes)

    def add(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        """Follow more animals from this frame on; they come after those there are.

        Raises
        ------
        InputError
            As :meth:`start`.
        """
        self._check_frame(frame)
        boxes = _checked(boxes, frame.shape[1], frame.shape[0])
        if len(boxes):
            self._meet(frame, boxes)
        count = len(boxes)
        self.boxes = np.concatenate([self.boxes, boxes])
        self.confidence = np.append(self.confidence, np.ones(count, np.float32))
        self.reach = np.append(self.reach, np.ones(count))
        self._overlapping = np.append(self._overlapping, np.zeros(count, np.int64))

    def step(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Find every animal in the next frame.

        Parameters
        ----------
        frame
            uint8 (H, W, 3), RGB.

        Returns
        -------
        tuple of numpy.ndarray
            Boxes float32 (N, 4) x, y, width, height in pixels, and confidences float32 (N,) from 0
            to 1. An animal whose confidence is under `LOST` is out of sight: its box is the last
            one seen.

        Raises
        ------
        InputError
            Where the frame is no uint8 RGB picture, or of another size than the first.
        """
        self._check_frame(frame)
        if len(self.boxes):
            found = self._find(frame)
            certainty = np.where(self._on_anothers_place(found), 0, found.certainty)
            self.confidence = np.minimum(certainty, 1).astype(np.float32)
            self.boxes = np.where(self.lost[:, None], self.boxes, found.boxes)
            grown = np.minimum(self.reach * GROWTH, LARGEST)
            self.reach = np.where(self.lost, grown, 1.0)
        return self.boxes.astype(np.float32), self.confidence.copy()

    def state(self) -> dict[str, np.ndarray]:
        """Everything that the next step depends on, as arrays."""
        return {
            "boxes": self.boxes,
            "confidence": self.confidence,
            "reach": self.reach,
            "overlapping": self._overlapping,
            "frame_size": np.array(self._frame_size),
        }

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what :meth:`state` gave, in place of :meth:`start`."""
        self.boxes, self.confidence = state["boxes"], state["confidence"]
        self.reach, self._overlapping = state["reach"], state["overlapping"]
        height, width = state["frame_size"].tolist()
        self._frame_size = (height, width)

    @abstractmethod
    def _meet(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        """Remember what the animals at `boxes` (N, 4), float64, look like."""

    @abstractmethod
    def _find(self, frame: np.ndarray) -> Found:
        """Look for each animal around `boxes` within `reach`."""

    def _forget(self) -> None:
        self.keypoints = np.empty((0, len(self.skeleton), 3), np.float32)
        self.boxes = np.empty((0, 4))
        self.confidence = np.empty(0, np.float32)
        self.reach = np.empty(0)
        self._overlapping = np.empty(0, np.int64)
        self._frame_size = (0, 0)

    def _check_frame(self, frame: np.ndarray) -> None:
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise InputError(
                f"a frame must be a uint8 array (height, width, 3) of RGB, not {frame.dtype} "
                f"{frame.shape}"
            )
        height, width = frame.shape[:2]
        if not len(self.boxes):
            self._frame_size = (height, width)
        if self._frame_size != (height, width):
            first = f"{self._frame_size[1]} x {self._frame_size[0]}"
            raise InputError(
                f"a frame of {width} x {height} pixels follows frames of {first}; resize it, or "
                "start anew with boxes of this frame."
            )

    def _on_anothers_place(self, found: Found) -> np.ndarray:
        """bool (N,): animals that have long been found where a surer one is."""
        certainty, order = found.certainty, np.arange(len(found.certainty))
        surer = certainty[None] > certainty[:, None]
        surer |= (certainty[None] == certainty[:, None]) & (order[None] < order[:, None])
        there = np.flatnonzero(certainty >= LOST)
        pairs = np.ix_(there, there)
        overlapping = frames_overlapping(
            self._overlapping[there], same_box(found.boxes)[pairs], better=surer[pairs]
        )
        self._overlapping = np.zeros_like(self._overlapping)
        self._overlapping[there] = overlapping
        return self._overlapping > OVERLAPPING_FRAMES


def _checked(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """First boxes as float64 (N, 4), if animals can be there."""
    boxes = np.asarray(boxes, np.float64)
    if boxes.size % 4 or boxes.shape[-1:] not in ((4,), (0,)):
        raise InputError(f"boxes must be an array (N, 4) of x, y, width, height, not {boxes.shape}")
    boxes = boxes.reshape(-1, 4)
    for number, (x, y, w, h) in enumerate(boxes.tolist()):
        which = f"box {number} (x {x:g}, y {y:g}, width {w:g}, height {h:g})"
        if not np.isfinite(boxes[number]).all():
            raise InputError(f"{which} is no box: every number must be finite.")
        if w <= 0 or h <= 0:
            raise InputError(f"{which} has no area; give the animal's width and height.")
        if x >= width or y >= height or x + w <= 0 or y + h <= 0:
            raise InputError(f"{which} lies outside the {width} x {height} frame.")
        if w > LARGEST_BOX * width or h > LARGEST_BOX * height:
            raise InputError(f"{which} is far larger than the {width} x {height} frame.")
        equal = np.flatnonzero((boxes[:number] == boxes[number]).all(axis=1))
        if len(equal):
            warnings.warn(
                f"boxes {equal[0]} and {number} are equal, so they show one animal; the second "
                "will be lost unless they part",
                stacklevel=3,
            )
    return boxes
