"""Following annotated animals: from the first box of each, through every frame of their clips."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aptv2.datasets.splits import clips_of
from aptv2.errors import InputError
from aptv2.images import read_image
from aptv2.inference.progress import Report, progress_bar
from aptv2.models.protocols import Tracker
from aptv2.tables import PoseTable


def follow_annotated(
    truth: PoseTable,
    tracker: Tracker,
    progress: bool | Report = False,
    on_frame: Callable[[int, float], None] | None = None,
) -> PoseTable:
    """Follow the annotated animals of every clip, each from its first box on.

    The tracker begins anew in each clip. The animals of a clip are followed in one batch; those
    that appear later join it. Annotations after an animal's first box play no part.

    Parameters
    ----------
    truth
        Annotated animals with track numbers, and images under `truth.root`. A clip is followed to
        its last frame, whether animals are annotated there or not.
    tracker
        The tracker.
    progress
        Show a bar on stderr; or a function that is called instead.
    on_frame
        Called with each followed frame's row and the seconds that the tracker took for it.

    Returns
    -------
    PoseTable
        A row for every animal in every frame from its first box to the end of its clip, over the
        frames of `truth`: the tracker's box, its confidence as the score (1 in the first frame),
        track and species; keypoints are 0. Where the confidence is below
        `aptv2.models.trackers.base.LOST` the tracker holds the animal to be out of sight, and the
        box is the last one seen.

    Raises
    ------
    InputError
        Where an animal has no track number, a track number appears twice in a frame, or an image
        is missing or does not decode.

    Notes
    -----
    The first box is the first that can be followed: with a size, and not outside the frame. An
    animal that never has one is not followed; a crowd is not either. Where only keypoints are
    annotated, `truth.with_keypoint_boxes()` has boxes around them.
    """
    if truth.root is None:
        raise InputError("The annotations do not say where their images are; put them beside.")
    first_rows = _first_rows(truth)
    clips = clips_of(truth)
    work = [
        _frames_of(truth, np.flatnonzero(clips == clip), first_rows)
        for clip in np.unique(clips[truth.frame[first_rows]]).tolist()
    ]
    parts = [_Found(np.empty(0, int), np.empty(0, int), np.empty((0, 4)), np.empty(0), 0.0)]
    with progress_bar("tracking", sum(map(len, work)), 0, progress) as show:
        for frames in work:
            for found in _follow(truth, tracker, frames, first_rows):
                parts.append(found)
                show(len(parts) - 1)
                if on_frame is not None:
                    on_frame(int(found.frame[0]), found.seconds)
    frame, animals, boxes, scores = (
        np.concatenate(column) for column in zip(*(found[:4] for found in parts), strict=True)
    )
    return PoseTable.make(
        truth.frames,
        frame,
        boxes=boxes,
        scores=scores,
        tracks=truth.tracks[animals],
        species=truth.species[animals],
        keypoints=np.zeros((len(frame), len(truth.skeleton), 3)),
        skeleton=truth.skeleton,
        categories=truth.categories,
        root=truth.root,
    )


def on_annotated(followed: PoseTable, animals: PoseTable) -> PoseTable:
    """Annotated animals with the tracker's boxes in place of their own.

    Parameters
    ----------
    followed
        What :func:`follow_annotated` gave.
    animals
        Annotated animals of the same frames. Those that were not followed in their frame, as
        their track had no box so far, are left out.

    Returns
    -------
    PoseTable
        Some rows of `animals`, with the boxes and scores of `followed`, lost or not; `areas` are
        unknown and keypoints 0.
    """
    row_of = {
        key: row
        for row, key in enumerate(
            zip(followed.frame.tolist(), followed.tracks.tolist(), strict=True)
        )
    }
    keys = zip(animals.frame.tolist(), animals.tracks.tolist(), strict=True)
    rows = np.array([row_of.get(key, -1) for key in keys], np.int64)
    kept, rows = animals[rows >= 0], rows[rows >= 0]
    return replace(
        kept,
        boxes=followed.boxes[rows],
        scores=followed.scores[rows],
        areas=np.full(len(rows), np.nan, np.float32),
        keypoints=np.zeros_like(kept.keypoints),
    )


class _Found(NamedTuple):
    """The animals of one frame: its row as often as there are, their first rows, what was found."""

    frame: np.ndarray
    animals: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    seconds: float


def _first_rows(truth: PoseTable) -> np.ndarray:
    """int64: for every animal the first row of `truth` whose box can be followed."""
    boxes, sizes = truth.boxes, truth.frames.sizes[truth.frame]
    with np.errstate(invalid="ignore"):
        inside = ((boxes[:, :2] < sizes) | (sizes == 0)) & (boxes[:, :2] + boxes[:, 2:] > 0)
        usable = (boxes[:, 2:] > 0).all(axis=1) & inside.all(axis=1) & ~truth.crowd
    rows = np.flatnonzero(usable)
    unnumbered = rows[truth.tracks[rows] == -1]
    if len(unnumbered):
        raise InputError(
            f"{truth.root}: annotation {truth.ids[unnumbered[0]]} has no track number; animals "
            "are followed by theirs, so give each one."
        )
    keys = np.stack([clips_of(truth)[truth.frame[rows]], truth.tracks[rows]])
    order = np.lexsort((truth.frame[rows], truth.frames.indices[truth.frame[rows]], *keys[::-1]))
    rows, keys = rows[order], keys[:, order]
    same_track = (np.diff(keys, axis=1) == 0).all(axis=0)
    twice = np.flatnonzero(same_track & (np.diff(truth.frame[rows]) == 0))
    if len(twice):
        row = rows[twice[0]]
        raise InputError(
            f"{truth.root}: track {truth.tracks[row]} appears twice in the frame with image id "
            f"{truth.frames.ids[truth.frame[row]]}; a track is one animal."
        )
    return rows[np.append(True, ~same_track)[: len(rows)]]


def _frames_of(truth: PoseTable, clip: np.ndarray, first_rows: np.ndarray) -> np.ndarray:
    """The frames (rows) of a clip in their order, from that of the first animal on."""
    frames = clip[np.argsort(truth.frames.indices[clip], kind="stable")]
    begin = np.flatnonzero(np.isin(frames, truth.frame[first_rows]))[0]
    return frames[begin:]


def _follow(
    truth: PoseTable, tracker: Tracker, frames: np.ndarray, first_rows: np.ndarray
) -> Iterator[_Found]:
    """Follow the animals of one clip."""
    animals = np.empty(0, np.int64)
    for frame, image in zip(frames.tolist(), _images(truth, frames), strict=True):
        new = first_rows[truth.frame[first_rows] == frame]
        boxes, scores = np.empty((0, 4)), np.empty(0)
        began = time.perf_counter()
        try:
            if len(animals):
                boxes, scores = tracker.step(image)
            if len(new):
                (tracker.add if len(animals) else tracker.start)(image, truth.boxes[new])
        except InputError as error:
            raise InputError(f"{truth.root}, {truth.frames.names[frame]}: {error}") from None
        seconds = time.perf_counter() - began
        animals = np.concatenate([animals, new])
        boxes = np.concatenate([boxes, truth.boxes[new]])
        scores = np.concatenate([scores, np.ones(len(new))])
        yield _Found(np.full(len(animals), frame), animals, boxes, scores, seconds)


def _images(truth: PoseTable, frames: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
    """The images of some frames, each read while the tracker looks at the one before."""
    root = Path(truth.root or ".")
    paths = [root / truth.frames.names[frame] for frame in frames]
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(read_image, paths[0])
        for path in [*paths[1:], None]:
            image = ahead.result()
            if path is not None:
                ahead = pool.submit(read_image, path)
            yield image
