"""Training pictures for detection: photographs and mosaics, with their targets."""

from __future__ import annotations

import numpy as np
from torch.utils.data import Dataset

from aptv2 import boxes as box_tools
from aptv2 import crops
from aptv2.models.lite.detection import STRIDE
from aptv2.tables import PoseTable
from aptv2.training import augmentation as augment
from aptv2.training.data.pose import Images, Sample
from aptv2.training.recipes import Augmentation


class DetectionScenes(Dataset[Sample]):
    """Frames, alone or four in a mosaic, at random scale and place on a square canvas.

    A sample holds `image` uint8 (size, size, 3), `centres` float32 (g, g): the centre map's
    target, `sides` float32 (4, g, g): distances in pixels, `weights` float32 (g, g): how much a
    cell counts for them, `known` float32 (g, g): 0 where an animal is cut off or may lack its
    box.

    Parameters
    ----------
    sources
        Tables and their images. Frames of a source whose table has no animals are background:
        there every detection is wrong.
    shares
        Share of the pictures that each source gives.
    """

    def __init__(
        self,
        sources: list[tuple[PoseTable, Images]],
        shares: list[float],
        size: int,
        settings: Augmentation,
        seed: int,
        mosaic: float = 0.5,
    ) -> None:
        self.sources, self.size, self.settings, self.seed = sources, size, settings, seed
        self.shares = np.array(shares) / sum(shares)
        self.mosaic = mosaic
        self.rows = [_boxed_rows(table) for table, _ in sources]

    def __len__(self) -> int:
        return sum(len(table.frames) for table, _ in self.sources)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        rng = np.random.default_rng([self.seed, epoch, index, 1])
        size = self.size
        canvas = np.full((size, size, 3), rng.integers(0, 256, 3), np.uint8)
        found, trusted = [], np.ones((size // STRIDE, size // STRIDE), np.float32)
        if rng.random() < self.mosaic:
            cut_x, cut_y = (rng.uniform(0.3, 0.7, 2) * size / STRIDE).astype(int) * STRIDE
            regions = [
                (0, 0, cut_x, cut_y),
                (cut_x, 0, size, cut_y),
                (0, cut_y, cut_x, size),
                (cut_x, cut_y, size, size),
            ]
        else:
            regions = [(0, 0, size, size)]
        for region in regions:
            boxes, complete = self._place(rng, canvas, region)
            found.append(boxes)
            x0, y0, x1, y1 = (v // STRIDE for v in region)
            trusted[y0:y1, x0:x1] = complete
        boxes = np.concatenate(found)
        image = augment.random_colour(rng, canvas, self.settings.colour)
        if rng.random() < self.settings.blur:
            image = augment.random_blur(rng, image)
        return {"image": image, **detection_targets(boxes, trusted)}

    def _place(
        self, rng: np.random.Generator, canvas: np.ndarray, region: tuple[int, int, int, int]
    ) -> tuple[np.ndarray, float]:
        """Draw a frame into a region of the canvas.

        Returns its boxes (N, 5) on the canvas, the fifth number being the share that is visible,
        and 1 where all its animals are known to have boxes, else 0.5.
        """
        source = int(rng.choice(len(self.sources), p=self.shares))
        table, images = self.sources[source]
        frame = int(rng.integers(len(images)))
        image, rows = images[frame], self.rows[source][frame]
        x0, y0, x1, y1 = region
        shown = np.array([x1 - x0, y1 - y0], float)
        extent = np.array([image.shape[1], image.shape[0]], float)
        fit = (shown / extent).min()
        scale = fit * 1.6 ** rng.uniform(-1, 1)
        stretch = 1.15 ** rng.uniform(-1, 1)
        scales = np.array([scale * stretch, scale / stretch])
        middle = extent / 2
        if len(rows):  # most pictures look at an animal
            box = table.boxes[rng.choice(rows)]
            middle = box[:2] + box[2:] * rng.uniform(0.2, 0.8, 2)
        spare = shown / scales
        centre = middle + rng.uniform(-0.3, 0.3, 2) * spare
        inside = np.minimum(spare, extent) / 2
        centre = np.clip(centre, inside, extent - inside)
        flip = bool(rng.random() < 0.5)
        height, width = y1 - y0, x1 - x0
        matrix = crops.crop_matrices(centre[None], spare[None], (height, width), flip=flip)
        border = [int(v) for v in canvas[0, 0]]
        part = crops.sample(image, matrix, (height, width), border)[0]
        canvas[y0:y1, x0:x1] = part
        if not len(rows):
            return np.empty((0, 5), np.float32), 0.5 if len(table) else 1.0
        corners = box_tools.xywh_to_xyxy(table.boxes[rows]).reshape(-1, 2, 2)
        corners = crops.transform(matrix, corners)
        low, high = corners.min(axis=1), corners.max(axis=1)
        full = np.prod(high - low, axis=1)
        low, high = np.clip(low, 0, shown - 1), np.clip(high, 0, shown - 1)
        visible = np.prod(high - low, axis=1) / np.maximum(full, 1e-6)
        boxes = np.column_stack([low[:, 0] + x0, low[:, 1] + y0, high - low, visible])
        return boxes.astype(np.float32), 0.5


def _boxed_rows(table: PoseTable) -> list[np.ndarray]:
    """The animals of each frame that have a box."""
    boxed = np.isfinite(table.boxes).all(axis=1)
    rows = (table.rows_of(frame) for frame in range(len(table.frames)))
    return [of_frame[boxed[of_frame]] for of_frame in rows]


def detection_targets(boxes: np.ndarray, trusted: np.ndarray) -> Sample:
    """Targets of the detection head for N,5 boxes (x, y, width, height, visible share).

    Each box draws a Gaussian as wide as the box into the centre map (TTFNet, Liu et al., AAAI
    2020); smaller boxes lie in front. Boxes of which less than 0.3 is visible, or smaller than
    half a cell, are neither wanted nor punished.
    """
    rows, columns = trusted.shape
    centres = np.zeros((rows, columns), np.float32)
    sides = np.zeros((4, rows, columns), np.float32)
    weights = np.zeros((rows, columns), np.float32)
    known = trusted.copy()
    x, y = np.arange(columns), np.arange(rows)
    cell_x, cell_y = (x + 0.5) * STRIDE - 0.5, (y + 0.5) * STRIDE - 0.5
    for bx, by, w, h, visible in boxes[np.argsort(-boxes[:, 2] * boxes[:, 3])]:
        if visible < 0.3 or min(w, h) < STRIDE / 2:
            covered = _spread(cell_y, by + h / 2, h / 2)
            inside = covered[:, None] & _spread(cell_x, bx + w / 2, w / 2)[None]
            known[inside] = 0
            continue
        column = int(np.clip((bx + w / 2) / STRIDE, 0, columns - 1))
        row = int(np.clip((by + h / 2) / STRIDE, 0, rows - 1))
        sigma_x, sigma_y = (max(0.09 * side / STRIDE, 0.4) for side in (w, h))
        spot = (
            np.exp(-((x - column) ** 2) / (2 * sigma_x**2))[None]
            * np.exp(-((y - row) ** 2) / (2 * sigma_y**2))[:, None]
        )
        front = spot > 0.1
        centres = np.maximum(centres, spot).astype(np.float32)
        weights = np.where(front, spot / spot[front].sum(), weights).astype(np.float32)
        distances = np.stack(
            np.broadcast_arrays(
                (cell_x - bx)[None],
                (cell_y - by)[:, None],
                (bx + w - cell_x)[None],
                (by + h - cell_y)[:, None],
            )
        )
        sides = np.where(front, distances, sides).astype(np.float32)
    return {"centres": centres, "sides": sides, "weights": weights, "known": known}


def _spread(cells: np.ndarray, middle: float, reach: float) -> np.ndarray:
    return np.abs(cells - middle) <= reach
