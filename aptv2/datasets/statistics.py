"""Statistics of a data set: species, counts, crowding, motion.

The counts are those of the APTv2 paper's figures; motion, overlap of neighbouring frames and
aspect ratio are those of the APT-36K paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aptv2 import boxes as box_tools
from aptv2.datasets.splits import difficulty_of
from aptv2.species import FAMILIES, canonical, family
from aptv2.tables import PoseTable

UNKNOWN = "unknown"  # the species of animals that have none
OTHER = "other"  # the family of species that APTv2 does not hold
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True)
class Totals:
    """Counts of a data set. `frames` have an animal; `empty_frames` have none."""

    frames: int
    empty_frames: int
    clips: int
    tracks: int
    instances: int
    instances_with_keypoints: int
    keypoints: int
    species: int
    families: int


@dataclass(frozen=True)
class SpeciesCount:
    """Counts of one species; `easy` and `hard` are instances, of `instances` in all."""

    name: str
    family: str
    clips: int
    tracks: int
    frames: int
    instances: int
    easy: int
    hard: int


@dataclass(frozen=True)
class Crowding:
    """Frames and instances by the number of instances in a frame; int64 arrays of one length."""

    animals: np.ndarray
    frames: np.ndarray
    instances: np.ndarray


@dataclass(frozen=True)
class Histogram:
    """A distribution: `counts` (bins,) between `edges` (bins + 1,); `median` of the values.

    Values beyond the outer edges are counted in the outer bins.
    """

    edges: np.ndarray
    counts: np.ndarray
    median: float

    @property
    def total(self) -> int:
        """The number of values."""
        return int(self.counts.sum())


@dataclass(frozen=True)
class KeypointMotion:
    """Motion of keypoints from a frame to the next, as a share of the animal's size.

    The size is the square root of the box's area, the mean of both frames, so that a near and
    a far animal count alike.

    Parameters
    ----------
    keypoints
        Names, (K,).
    pairs
        int64 (K,): pairs of neighbouring frames in which the keypoint is labelled twice.
    quantiles
        float64 (K, 5): the motion that `QUANTILES` of the pairs stay below; NaN without pairs.
    """

    keypoints: tuple[str, ...]
    pairs: np.ndarray
    quantiles: np.ndarray


@dataclass(frozen=True)
class Statistics:
    """All numbers of one data set; a part is None where the data does not hold what it needs.

    `motion` and `overlap` need tracks, `aspect` and `overlap` boxes, `motion` both and keypoints.
    """

    totals: Totals
    species: tuple[SpeciesCount, ...]
    crowding: Crowding
    motion: KeypointMotion | None
    overlap: Histogram | None
    aspect: Histogram | None


def statistics(table: PoseTable) -> Statistics:
    """Count and measure a data set.

    Parameters
    ----------
    table
        Annotations. A split file of APTv2 lists the images of every split, so frames without an
        animal are counted apart.

    Returns
    -------
    Statistics
        Species by family, in the order of :data:`aptv2.species.FAMILIES` where they are of
        APTv2. An instance is easy or hard as the folder of its image says, `easy/…` or `hard/…`.
        Neighbouring frames are one index apart in one clip; box width to height is `aspect`.
    """
    first, second = neighbours(table)
    species = _species(table)
    return Statistics(
        totals=_totals(table, species),
        species=species,
        crowding=_crowding(table),
        motion=_motion(table, first, second),
        overlap=_overlap(table, first, second),
        aspect=_aspect(table),
    )


def neighbours(table: PoseTable) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the same animal in a frame and in the next: two int64 arrays of one length.

    Where a frame's index is not known, its place in the list of frames stands for it.
    """
    frames = table.frames
    known = bool((frames.indices >= 0).all())
    index = (frames.indices if known else np.arange(len(frames)))[table.frame]
    clip, track = frames.clips[table.frame], table.tracks
    rows = np.lexsort((index, track, clip))
    rows = rows[track[rows] != -1]
    first, second = rows[:-1], rows[1:]
    same = (clip[first] == clip[second]) & (track[first] == track[second])
    near = same & (index[second] - index[first] == 1)
    return first[near], second[near]


def _totals(table: PoseTable, species: tuple[SpeciesCount, ...]) -> Totals:
    labelled = table.num_keypoints
    frames = len(np.unique(table.frame))
    return Totals(
        frames=frames,
        empty_frames=len(table.frames) - frames,
        clips=_clips(table),
        tracks=_tracks(table),
        instances=len(table),
        instances_with_keypoints=int(np.count_nonzero(labelled)),
        keypoints=int(labelled.sum()),
        species=sum(one.name != UNKNOWN for one in species),
        families=len({one.family for one in species} - {OTHER}),
    )


def _clips(table: PoseTable) -> int:
    clips = np.unique(table.frames.clips[table.frame])
    return int(np.count_nonzero(clips != -1))


def _tracks(table: PoseTable) -> int:
    tracked = table[table.tracks != -1]
    return len(np.unique(np.stack([tracked.frames.clips[tracked.frame], tracked.tracks]), axis=1).T)


def _species(table: PoseTable) -> tuple[SpeciesCount, ...]:
    """By family as the paper orders them, the largest species of a family first."""
    names = {key: canonical(name) for key, name in table.categories.items()}
    name_of = np.array([names.get(key, UNKNOWN) for key in table.species.tolist()], object)
    difficulty = difficulty_of(table)[table.frame]
    counts = []
    for name in sorted(set(name_of)):
        rows = name_of == name
        animals = table[rows]
        counts.append(
            SpeciesCount(
                name=name,
                family=family(name),
                clips=_clips(animals),
                tracks=_tracks(animals),
                frames=len(np.unique(animals.frame)),
                instances=len(animals),
                easy=int(np.count_nonzero(difficulty[rows] == "easy")),
                hard=int(np.count_nonzero(difficulty[rows] == "hard")),
            )
        )
    families = [*FAMILIES, OTHER]
    counts.sort(key=lambda one: (families.index(one.family), -one.instances, one.name))
    return tuple(counts)


def _crowding(table: PoseTable) -> Crowding:
    animals, frames = np.unique(np.unique(table.frame, return_counts=True)[1], return_counts=True)
    return Crowding(animals, frames, animals * frames)


def _motion(table: PoseTable, first: np.ndarray, second: np.ndarray) -> KeypointMotion | None:
    areas = box_tools.area(table.boxes)
    size = np.sqrt((areas[first] + areas[second]) / 2)
    before, after = table.keypoints[first], table.keypoints[second]
    usable = (before[:, :, 2] > 0) & (after[:, :, 2] > 0) & (size > 0)[:, None]
    if not usable.any():
        return None
    distance = np.linalg.norm(after[:, :, :2] - before[:, :, :2], axis=2)
    quantiles = np.full((len(table.skeleton), len(QUANTILES)), np.nan)
    for keypoint, rows in enumerate(usable.T):
        if rows.any():
            quantiles[keypoint] = np.quantile(distance[rows, keypoint] / size[rows], QUANTILES)
    return KeypointMotion(table.skeleton.names, usable.sum(axis=0), quantiles)


def _overlap(table: PoseTable, first: np.ndarray, second: np.ndarray) -> Histogram | None:
    boxes = table.boxes
    boxed = ~np.isnan(boxes[first]).any(axis=1) & ~np.isnan(boxes[second]).any(axis=1)
    iou = box_tools.paired_iou(boxes[first[boxed]], boxes[second[boxed]])
    return _histogram(iou, np.linspace(0, 1, 21))


def _aspect(table: PoseTable) -> Histogram | None:
    width, height = table.boxes[:, 2], table.boxes[:, 3]
    usable = (width > 0) & (height > 0)
    # Even steps in the logarithm: twice as wide and twice as high are equally far from square.
    return _histogram(width[usable] / height[usable], np.geomspace(1 / 8, 8, 25))


def _histogram(values: np.ndarray, edges: np.ndarray) -> Histogram | None:
    if not len(values):
        return None
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return Histogram(edges, counts, float(np.median(values)))
