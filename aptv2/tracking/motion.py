"""Constant-velocity Kalman filters for boxes, all animals at once.

Kalman 1960, used for tracking by detection as in SORT (Bewley et al. 2016), but on the four edges
of a box instead of its centre and size: when one animal walks behind another, one edge of its
box is cut off and the other still moves with the animal. An edge that may be cut is trusted less,
so the filter neither shrinks the animal nor bends its course. Edges are filtered apart from each
other: four filters of two states (place, speed) do the work of one of eight, without a matrix
inverse.

Noise is in body lengths (the square root of the box's area) and seconds, so that it holds for
every frame rate and for animals near and far.
"""

from __future__ import annotations

import numpy as np

from aptv2 import boxes as box_tools

# Standard deviations, in body lengths and seconds.
EDGE_NOISE = 0.05  # of a measured edge
CUT_EDGE_NOISE = 0.5  # of an edge that may be where another animal or the frame cuts the box
FIRST_SPEED = 2.0  # of a newly seen animal
ACCELERATION = 4.0
REACH = 0.2  # how near to another box an edge may be cut by it
# A hidden animal may have stopped: its believed speed fades with this time constant, in seconds.
FADE_SECONDS = 1.0


class BoxMotion:
    """Filters of N boxes.

    Attributes
    ----------
    edges, speeds
        float64 (N, 4): left, top, right, bottom in pixels, and their change per second.
    variances
        float64 (N, 4, 3): of the edge, between edge and speed, of the speed.
    """

    def __init__(self) -> None:
        self.edges = np.zeros((0, 4))
        self.speeds = np.zeros((0, 4))
        self.variances = np.zeros((0, 4, 3))

    def __len__(self) -> int:
        return len(self.edges)

    def add(self, box: np.ndarray) -> None:
        """Append a filter for one xywh box (4,) that is taken to stand still."""
        edges = _opened(box_tools.xywh_to_xyxy(np.asarray(box, np.float64)[None]))
        variances = np.zeros((1, 4, 3))
        variances[:, :, 0] = (EDGE_NOISE * _scale(edges)) ** 2
        variances[:, :, 2] = (FIRST_SPEED * _scale(edges)) ** 2
        self.edges = np.concatenate([self.edges, edges])
        self.speeds = np.concatenate([self.speeds, np.zeros((1, 4))])
        self.variances = np.concatenate([self.variances, variances])

    def keep(self, rows: np.ndarray) -> None:
        """Keep only some filters (mask or index array)."""
        self.edges, self.speeds = self.edges[rows], self.speeds[rows]
        self.variances = self.variances[rows]

    def predict(self, seconds: float, hidden: np.ndarray) -> None:
        """Move all filters on by a time step.

        Parameters
        ----------
        seconds
            Length of the step.
        hidden
            bool (N,): animals that were not seen last time. Their speed fades, their size stays.
        """
        trust = 1 / self.variances[hidden, :, 2]
        course = self.speeds[hidden] * trust
        course = (course[:, :2] + course[:, 2:]) / (trust[:, :2] + trust[:, 2:])
        self.speeds[hidden] = np.tile(course, 2) * np.exp(-seconds / FADE_SECONDS)
        noise = (ACCELERATION * _scale(self.edges)) ** 2
        self.edges = _opened(self.edges + self.speeds * seconds)
        own, cross, speed = np.moveaxis(self.variances, 2, 0)
        self.variances = np.stack(
            [
                own + 2 * seconds * cross + seconds**2 * speed + noise * seconds**4 / 4,
                cross + seconds * speed + noise * seconds**3 / 2,
                speed + noise * seconds**2,
            ],
            axis=2,
        )

    def update(self, rows: np.ndarray, boxes: np.ndarray, cut: np.ndarray) -> None:
        """Correct some filters with what was measured.

        Parameters
        ----------
        rows
            int (M,): the filters.
        boxes
            (M, 4) xywh.
        cut
            bool (M, 4): edges (left, top, right, bottom) that may not be the animal's own.
        """
        measured = box_tools.xywh_to_xyxy(np.asarray(boxes, np.float64))
        own, cross, speed = np.moveaxis(self.variances[rows], 2, 0)
        noise = np.where(cut, CUT_EDGE_NOISE, EDGE_NOISE) * _scale(self.edges[rows])
        total = own + noise**2
        surprise = measured - self.edges[rows]
        self.edges[rows] = _opened(self.edges[rows] + own / total * surprise)
        self.speeds[rows] += cross / total * surprise
        self.variances[rows] = np.stack(
            [own - own**2 / total, cross - own * cross / total, speed - cross**2 / total], axis=2
        )

    def distance(self, boxes: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distance float64 (N, M) from each filter to M xywh boxes.

        Along each axis the nearer of two opposite edges counts, because an animal that comes
        out from behind something shows one of its ends first.
        """
        measured = box_tools.xywh_to_xyxy(np.asarray(boxes, np.float64))
        noise = (EDGE_NOISE * _scale(measured)) ** 2
        spread = self.variances[:, None, :, 0] + noise[None]
        squared = (measured[None] - self.edges[:, None]) ** 2 / spread
        return np.minimum(squared[..., :2], squared[..., 2:]).sum(axis=2)

    @property
    def centres(self) -> np.ndarray:
        """float64 (N, 2): x and y of the filtered boxes' centres."""
        return (self.edges[:, :2] + self.edges[:, 2:]) / 2

    @property
    def boxes(self) -> np.ndarray:
        """float64 (N, 4): the filtered boxes, xywh."""
        return box_tools.xyxy_to_xywh(self.edges)


def cut_edges(boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """Edges of boxes that may be cut off: at the frame's border, inside or beside another box.

    Parameters
    ----------
    boxes
        (N, 4) xywh of the animals of one frame.
    width, height
        Size of the frame in pixels.

    Returns
    -------
    np.ndarray
        bool (N, 4): left, top, right, bottom.
    """
    edges = box_tools.xywh_to_xyxy(np.asarray(boxes, np.float64))
    margin = 0.02 * _scale(edges)
    cut = np.concatenate(
        [edges[:, :2] <= margin, edges[:, 2:] >= np.array([width, height]) - margin], axis=1
    )
    low, high = np.tile(edges[:, :2], 2), np.tile(edges[:, 2:], 2)
    # Row i, column j, edge e: edge e of box i lies between box j's sides, and box j stands
    # beside at least a third of it.
    reach = REACH * _scale(edges)[:, None]
    between = (edges[:, None] > low[None] - reach) & (edges[:, None] < high[None] + reach)
    np.einsum("iie->ie", between)[:] = False
    shared = np.minimum(high[:, None], high[None]) - np.maximum(low[:, None], low[None])
    beside = shared > (high - low)[:, None] / 3
    return cut | (between & beside[..., [1, 0, 3, 2]]).any(axis=1)


def _opened(edges: np.ndarray) -> np.ndarray:
    """The same edges (N, 4), none of which passed its opposite: a box keeps at least a pixel."""
    low = edges[:, :2]
    return np.concatenate([low, np.maximum(edges[:, 2:], low + 1)], axis=1)


def _scale(edges: np.ndarray) -> np.ndarray:
    """Body length (N, 1) of boxes given by their edges."""
    sides = np.maximum(edges[:, 2:] - edges[:, :2], 1)
    return np.sqrt(sides[:, 0] * sides[:, 1])[:, None]
