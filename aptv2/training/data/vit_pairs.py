"""Tracking pairs as the ViT trackers learn from them: a template, a search, and its pose.

Drawn and cropped as OSTrack (Ye et al., ECCV 2022) does it. What is our own serves small data:
photographs are stretched, lie on other pictures, and another object is pasted into the search.
"""

from __future__ import annotations

import cv2
import numpy as np

from aptv2 import crops
from aptv2.codecs import UDP
from aptv2.models.trackers.base import SEARCH_FACTOR, SEARCH_SIZE, TEMPLATE_FACTOR, TEMPLATE_SIZE
from aptv2.models.trackers.vit_tracker import box_shares, crop_squares
from aptv2.skeleton import Skeleton
from aptv2.training.data.pose import Sample
from aptv2.training.data.tracking import PairSource, TrackingPairs, View
from aptv2.training.recipes import Augmentation

REACH = 200  # frames between template and search at the most, as OSTrack
CENTRE_JITTER, SCALE_JITTER = 3.0, 0.25  # OSTrack's
STRETCH = 0.15  # of a photograph's sides, in powers of e
SOUGHT = 0.5  # share of the distractors that are sought instead of the object
ABSENT = 0.15  # share of the distractors that are sought where they are not
HEATMAP = (SEARCH_SIZE // 4, SEARCH_SIZE // 4)


class ViTPairs(TrackingPairs):
    """Pairs from clips, and from photographs whose second view is another crop of the same.

    A sample holds `template` (uint8 RGB, (128, 128, 3)), `search` (uint8 RGB, (256, 256, 3)),
    `box` (float32 (4,)): centre, width and height as shares of the search picture, `present`
    (float32): 0 where the search does not show the object, and, of animals whose pose is known,
    `keypoints` (float32 (K, 2)) in heatmap pixels over the search picture and `labelled`
    (float32 (K,)).

    Parameters
    ----------
    sources, shares, length, settings, seed
        As of :class:`aptv2.training.data.tracking.TrackingPairs`.
    skeleton
        The keypoints that `keypoints` are of; sources with other keypoints give none.
    """

    def __init__(
        self,
        sources: list[PairSource],
        shares: list[float],
        length: int,
        settings: Augmentation,
        seed: int,
        skeleton: Skeleton,
    ) -> None:
        super().__init__(sources, shares, length, settings, seed)
        self.skeleton = skeleton

    def draw(self, rng: np.random.Generator) -> View:
        """A view of any source, each of whose objects is as likely as any other."""
        return self.source(rng).any_object(rng)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index, 3])
        first = self.draw(rng)
        later = first.source.later(rng, first, REACH)
        search, box, keypoints = self._crop(rng, later, jittered(rng, later.box), search=True)
        present = True
        if rng.random() < self.settings.distractors and (distractor := self.distractor(rng, first)):
            shown = distractor.source.later(rng, distractor, REACH)
            absent, sought = rng.random(2) < (ABSENT, SOUGHT)
            distractor_box = None
            if not absent:
                search, distractor_box = self._with_distractor(rng, search, box, shown)
            if absent or sought:
                first, present = distractor, distractor_box is not None
                box = box if distractor_box is None else distractor_box
                keypoints = np.zeros_like(keypoints)  # they are the other's
        template = self._crop(rng, first, first.box, search=False)[0]
        step = np.array(UDP.steps(HEATMAP, (SEARCH_SIZE, SEARCH_SIZE)))
        return {
            "template": self.varied(rng, template),
            "search": self.varied(rng, search),
            "box": box.astype(np.float32),
            "present": np.float32(present),
            "keypoints": (keypoints[:, :2] / step).astype(np.float32),
            "labelled": (keypoints[:, 2] > 0).astype(np.float32),
        }

    def _with_distractor(
        self, rng: np.random.Generator, search: np.ndarray, box: np.ndarray, distractor: View
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The search with the distractor pasted into it and its box there; None where it is not."""
        corners = np.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2]) * SEARCH_SIZE
        pasted = self.paste(rng, search, corners, distractor, half=0.5)
        if pasted is None:
            return search, None
        middle = pasted.low + pasted.sides / 2
        return pasted.image, np.concatenate([middle, pasted.sides]) / SEARCH_SIZE

    def _crop(
        self, rng: np.random.Generator, view: View, around: np.ndarray, search: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The crop around a box; the box in it as fractions; its keypoints in crop pixels."""
        size = SEARCH_SIZE if search else TEMPLATE_SIZE
        factor = SEARCH_FACTOR if search else TEMPLATE_FACTOR
        frame, box = view.frame, view.box
        keypoints = np.zeros((len(self.skeleton), 3))
        if view.table.skeleton == self.skeleton:
            keypoints = view.table.keypoints[view.row].astype(float)
        if view.clip < 0:
            sides = np.round(frame.shape[1::-1] * np.exp(STRETCH * rng.normal(size=2))).astype(int)
            scale = sides / frame.shape[1::-1]
            frame = cv2.resize(frame, sides.tolist(), interpolation=cv2.INTER_LINEAR)
            box, around = box * np.tile(scale, 2), around * np.tile(scale, 2)
            keypoints[:, :2] *= scale
        pixels, matrices = crop_squares(frame, around[None], factor, size)
        image, share = pixels[0], box_shares(box[None], around[None], factor)[0]
        if view.clip < 0:
            image = self.on_background(rng, image, frame, matrices)
        keypoints = crops.transform(matrices, keypoints[None])[0]
        if view.flip and not self.skeleton.unpaired:
            image = np.ascontiguousarray(image[:, ::-1])
            share[0] = 1 - share[0]
            keypoints[:, 0] = size - 1 - keypoints[:, 0]
            keypoints = keypoints[self.skeleton.flip]
        return image, share, keypoints


def jittered(rng: np.random.Generator, box: np.ndarray) -> np.ndarray:
    """What a tracker might hold for the box (4,) xywh a frame later; as OSTrack draws it."""
    sides = box[2:] * np.exp(SCALE_JITTER * rng.normal(size=2))
    reach = np.sqrt(sides.prod()) * CENTRE_JITTER
    centre = box[:2] + box[2:] / 2 + reach * rng.uniform(-0.5, 0.5, 2)
    return np.concatenate([centre - sides / 2, sides])
