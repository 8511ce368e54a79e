"""Tracking pairs as the lite tracker learns from them: two templates a search, corners of boxes."""

from __future__ import annotations

import numpy as np

from aptv2 import boxes as box_tools
from aptv2 import crops
from aptv2.models.trackers.base import SEARCH_FACTOR, SEARCH_SIZE, TEMPLATE_FACTOR, TEMPLATE_SIZE
from aptv2.training.data.pose import Sample
from aptv2.training.data.tracking import TrackingPairs, View

REACH = 50  # frames between template and search at the most
SEARCH_JITTER, SEARCH_SCALE = 3.0, 0.25  # OSTrack's
STILL_SCALE = 0.15


class LitePairs(TrackingPairs):
    """Pairs from clips and from still photographs, whose second view is another crop of the same.

    Each search picture has two templates: that of its animal, and that of a distractor from another
    scene, which is pasted into the search, where each must find its own, or is not there at all.

    A sample holds `template` (uint8 RGB, (2, 128, 128, 3)), `template_box` (float32 (2, 4), corners
    as shares of the crop), `search` (uint8 RGB, (256, 256, 3)), `search_box` (float32 (2, 4)) and
    `present` (float32 (2,)): 0 where the search does not show the template's animal.
    """

    def draw(self, rng: np.random.Generator) -> View:
        """A view of any source, each as likely as any other of its source."""
        return self.source(rng).any_row(rng)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index, 2])
        animal = self.draw(rng)
        distractor = self.distractor(rng, animal) or animal
        search, box = self._search(rng, animal.source.later(rng, animal, REACH))
        distractor_box = None
        if rng.random() < self.settings.distractors:
            shown = distractor.source.later(rng, distractor, REACH)
            pasted = self.paste(rng, search, box * (SEARCH_SIZE - 1), shown)
            if pasted is not None:
                search, distractor_box = pasted.image, _shares(shown, pasted.matrix, SEARCH_SIZE)
        templates, template_boxes = zip(
            self._template(rng, animal), self._template(rng, distractor), strict=True
        )
        if distractor is animal:  # there is but one scene: its pair counts twice
            distractor_box = box
        return {
            "template": np.stack(templates),
            "template_box": np.stack(template_boxes),
            "search": self.varied(rng, search),
            "search_box": np.stack([box, box if distractor_box is None else distractor_box]),
            "present": np.array([True, distractor_box is not None], np.float32),
        }

    def _template(self, rng: np.random.Generator, view: View) -> tuple[np.ndarray, np.ndarray]:
        side = np.sqrt(view.box[2:].prod()) * TEMPLATE_FACTOR
        centre = view.box[:2] + view.box[2:] / 2
        image, box = self._square(rng, view, centre, side, TEMPLATE_SIZE)
        return self.varied(rng, image), box

    def _search(self, rng: np.random.Generator, view: View) -> tuple[np.ndarray, np.ndarray]:
        """A square around a jittered box."""
        sides = view.box[2:] * np.exp(SEARCH_SCALE * rng.normal(size=2))
        reach = np.sqrt(sides.prod()) * SEARCH_JITTER
        centre = view.box[:2] + view.box[2:] / 2 + reach * rng.uniform(-0.5, 0.5, 2)
        return self._square(rng, view, centre, np.sqrt(sides.prod()) * SEARCH_FACTOR, SEARCH_SIZE)

    def _square(
        self, rng: np.random.Generator, view: View, centre: np.ndarray, side: float, size: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """A square crop, and the view's box in it as shares of the crop."""
        extent, frame = np.full(2, side), view.frame
        if view.clip < 0:  # a photograph's animal may change its shape a little
            extent *= np.exp(STILL_SCALE * rng.normal(size=2))
        matrix = crops.crop_matrices(centre[None], extent[None], (size, size), flip=view.flip)
        image = crops.sample(frame, matrix, (size, size), None)[0]
        if view.clip < 0:
            image = self.on_background(rng, image, frame, matrix)
        return image, _shares(view, matrix, size)


def _shares(view: View, matrix: np.ndarray, size: int) -> np.ndarray:
    """The view's box in a crop: corners as shares, float32 (4,)."""
    corners = box_tools.xywh_to_xyxy(view.table.boxes[view.row]).reshape(1, 2, 2)
    corners = crops.transform(matrix, corners)[0] / (size - 1)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return np.concatenate([low, high]).clip(0, 1).astype(np.float32)
