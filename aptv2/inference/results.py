"""Where the animals of a video go: a table, files, an overlay, and a checkpoint of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType

import numpy as np

from aptv2.errors import InputError
from aptv2.inference.checkpointing import Checkpoint
from aptv2.inference.output import Output
from aptv2.inference.overlay_video import OverlayVideo
from aptv2.models.protocols import State
from aptv2.skeleton import Skeleton
from aptv2.tables import Frames, PoseTable
from aptv2.tracking.interfaces import Animals, part, prefixed
from aptv2.tracking.smoothing import OneEuroFilter
from aptv2.video.image_folder import ImageFolder
from aptv2.video.sources import VideoFrame, VideoSource

CHECKPOINT_FRAMES = 1000
_TRAIL_FRAMES = 600  # frames that a trail reaches back at most


class Results:
    """Collects the animals of a video frame by frame. A context manager.

    Parameters
    ----------
    video
        The video.
    skeleton
        The keypoints.
    output
        What to write; None keeps the table in memory only.
    smooth
        Whether keypoints and boxes go through the One Euro filter.
    settings
        Settings that a resumed run must share, by name.
    """

    def __init__(
        self,
        video: VideoSource,
        skeleton: Skeleton,
        output: Output | None,
        smooth: bool,
        settings: Mapping[str, str],
    ) -> None:
        self.video, self.skeleton, self.output = video, skeleton, output
        self.frames_done = 0  # frames whose animals are known
        self.next_frame = 0  # number of the one after them
        self.may_replace = True  # what is there is no finished run's, so may be written over
        self._new: list[tuple[int, float, Animals]] = []  # frames since the last checkpoint
        self._parts: list[State] = []  # those before
        self._filter = OneEuroFilter() if smooth else None
        self._checkpoint: Checkpoint | None = None
        self._overlay: OverlayVideo | None = None
        if output is not None:
            self._checkpoint = Checkpoint(output.unfinished, settings)
            if output.overlay:
                self._overlay = OverlayVideo(video, skeleton, output.unfinished)

    @property
    def due(self) -> bool:
        """Whether it is time for :meth:`save`."""
        return self._checkpoint is not None and len(self._new) >= CHECKPOINT_FRAMES

    def begin(self, resume: bool) -> State | None:
        """Start; the state that an earlier run left, where there is one and it is to be resumed.

        Raises
        ------
        InputError
            Where the folder cannot be written, or cannot be resumed from.
        """
        if self.output is None or self._checkpoint is None:
            return None
        if not (resume and self._checkpoint.exists):
            self._checkpoint.clear()
            self.may_replace = not self.output.tracks.exists()
            return None
        state, self._parts = self._checkpoint.load()
        self.frames_done = sum(len(rows["times"]) for rows in self._parts)
        self.next_frame = 1 + max(int(rows["indices"].max(initial=-1)) for rows in self._parts)
        if self._filter is not None:
            self._filter.restore(part(state, "filter"))
        if self._overlay is not None:
            self._overlay.segments.count = int(state["segments"])
            self._overlay.next_frame = self.next_frame
            for animals in _last_frames(self._parts, _TRAIL_FRAMES):
                self._overlay.trails.update(animals.tracks, animals.boxes)
        return part(state, "reader")

    def append(self, frame: VideoFrame, animals: Animals) -> None:
        """Take the animals of the next frame.

        Raises
        ------
        InputError
            Where the overlay cannot be written.
        """
        if self._filter is not None:
            animals = _smoothed(self._filter, animals, frame.time)
        self._new.append((frame.index, frame.time, animals))
        self.frames_done += 1
        self.next_frame = frame.index + 1
        if self._overlay is not None:
            self._overlay.draw(frame.index, frame.image, animals)

    def save(self, reader: State) -> None:
        """Make a checkpoint that a later run can go on from, with the reader's state.

        Raises
        ------
        InputError
            Where the disk is full or gone.
        """
        if self._checkpoint is None:
            return
        state = prefixed(reader, "reader")
        if self._overlay is not None:
            self._overlay.end_segment()
            state["segments"] = np.array(self._overlay.segments.count)
        if self._filter is not None:
            state |= prefixed(self._filter.state(), "filter")
        rows = _arrays(self._new, len(self.skeleton))
        self._checkpoint.save(state, rows)
        self._parts.append(rows)
        self._new = []

    def write(self) -> PoseTable:
        """The table of the frames so far, written to the output files.

        The tables come first, as they are small: a disk that cannot hold the others may hold them.
        What can be written is written.

        Raises
        ------
        InputError
            Where a file cannot be written.
        """
        table = self._table()
        if self.output is None:
            return table
        failures = self.output.write(table)
        if self._overlay is not None:
            try:
                self._overlay.end_segment()
                self._overlay.segments.join(self.output.video)
            except InputError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return table

    def rescue(self) -> bool:
        """Write the tables of the frames so far where nothing else can be written.

        Returns
        -------
        bool
            Whether they are there.
        """
        if self.output is None or not self.frames_done or not self.may_replace:
            return False
        if self._overlay is not None:
            with suppress(InputError):
                self._overlay.discard_segment()  # It also makes room on the disk.
        return not self.output.write_tables(self._table())

    def end(self) -> None:
        """Remove the checkpoint of a run that is over."""
        if self._checkpoint is not None:
            self._checkpoint.remove()

    def __enter__(self) -> Results:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._overlay is not None:
            self._overlay.discard_segment()
        if self._checkpoint is not None and not self._checkpoint.exists:
            self._checkpoint.remove()

    def _table(self) -> PoseTable:
        parts = [*self._parts, _arrays(self._new, len(self.skeleton))]
        rows = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
        count = len(rows["times"])
        names = None
        if isinstance(self.video, ImageFolder):
            known = self.video.names
            names = [known[index] for index in rows["indices"].tolist()]
        frames = Frames.make(
            count,
            names=names,
            sizes=np.tile([self.video.width, self.video.height], (count, 1)),
            indices=rows["indices"],
            times=rows["times"],
        )
        return PoseTable.make(
            frames,
            np.repeat(np.arange(count), rows["counts"]),
            boxes=rows["boxes"],
            keypoints=rows["keypoints"],
            scores=rows["scores"],
            tracks=rows["tracks"],
            skeleton=self.skeleton,
            root=self.video.path,
        )


def _arrays(frames: Sequence[tuple[int, float, Animals]], keypoints: int) -> State:
    """Frames as arrays: `indices`, `times` and `counts` (F,), and the animals of all in one."""
    none = Animals(
        np.zeros(0, np.int64),
        np.zeros((0, 4), np.float32),
        np.zeros(0, np.float32),
        np.zeros((0, keypoints, 3), np.float32),
    )
    animals = [none, *(animals for _, _, animals in frames)]
    columns = zip(Animals._fields, *animals, strict=True)
    return {name: np.concatenate(values) for name, *values in columns} | {
        "indices": np.array([index for index, _, _ in frames], np.int64),
        "times": np.array([time for _, time, _ in frames], np.float64),
        "counts": np.array([len(animals.tracks) for _, _, animals in frames], np.int64),
    }


def _last_frames(parts: Sequence[State], count: int) -> list[Animals]:
    """Inverse of :func:`_arrays` for the last frames of all parts."""
    frames: list[Animals] = []
    for rows in reversed(parts):
        ends = np.cumsum(rows["counts"])
        for start, end in zip((ends - rows["counts"])[::-1], ends[::-1], strict=True):
            if len(frames) == count:
                return frames[::-1]
            frames.append(Animals(*(rows[name][start:end] for name in Animals._fields)))
    return frames[::-1]


def _smoothed(smooth: OneEuroFilter, animals: Animals, time: float) -> Animals:
    """The keypoints, and the two corners of the box, through the filter."""
    boxes, keypoints = animals.boxes, animals.keypoints.copy()
    corners = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    points = np.concatenate([corners, keypoints[:, :, :2]], axis=1)
    lengths = np.sqrt(np.prod(boxes[:, 2:], axis=1))
    points = smooth(animals.tracks, points, lengths, time).astype(np.float32)
    keypoints[:, :, :2] = points[:, 2:]
    boxes = np.concatenate([points[:, 0], points[:, 1] - points[:, 0]], axis=1)
    return animals._replace(boxes=boxes, keypoints=keypoints)
