"""A clip: a video on the page, its copy to play, its tracks and the edits of them."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from aptv2.app.child import write_checked_proxy
from aptv2.app.edits import Edit, apply, apply_all, frame_numbers
from aptv2.app.finding import Box, find_boxes, write_boxes
from aptv2.app.jobs import Job
from aptv2.app.posed import write_posed
from aptv2.app.proxy import frame_rate, write_blank
from aptv2.app.results import TRACKS_SUFFIX
from aptv2.errors import BrokenVideoError, InputError
from aptv2.export import write_coco
from aptv2.inference.pipeline import Interrupted, track_video
from aptv2.inference.progress import Report, Stop
from aptv2.tables import PoseTable
from aptv2.video.reader import DEFAULT_FPS
from aptv2.video.sources import OVERLAY_SUFFIX, VideoSource

UPLOAD, RESULTS = "upload", "results"
"""Folders of an uploaded clip: none of its names meets one of ours."""
_MOST_FRAMES = 10**6
"""Frames of tracks that are shown without their video."""


class Clip:
    """One video, with or without tracks.

    Parameters
    ----------
    name
        What files are called after.
    folder
        A folder of its own for what may be thrown away: the copy to play, exports.
    results
        Folder that edited tracks are saved in.
    video
        The video; None where only its tracks are there.
    table
        Its tracks, where they are known.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        results: Path,
        video: VideoSource | None,
        table: PoseTable | None = None,
    ) -> None:
        self.id = secrets.token_urlsafe(9)
        self.name, self.folder, self.results, self.video = name, folder, results, video
        self.note = ""  # what the user should know, such as where the video breaks off
        self.jobs: list[Job] = []
        self.looking: Job | None = None  # for animals in one frame
        self.used = time.monotonic()
        self.count = 0  # frames of the copy, once it is there
        self._asked: dict[str, Any] = {}  # what a cancelled run was asked for
        self._posed = 0  # version of the tracks that are drawn on `posed`
        self._original = self._table = table
        self._edits: list[Edit] = []
        self._saved: Path | None = None
        self._version = 0
        self._lock = threading.Lock()
        if video is not None:
            self.size, self.fps = (video.width, video.height), frame_rate(video.fps)
        elif table is not None:
            last_frame(table)
            self.size, self.fps = _size_of(table), frame_rate(_fps_of(table))
        else:
            raise ValueError("a clip has a video or a table")
        if video is not None:
            first = np.ascontiguousarray(next(iter(video)).image)
            self.poster.write_bytes(simplejpeg.encode_jpeg(first, 88, "RGB"))

    @property
    def poster(self) -> Path:
        """The first frame, as JPEG."""
        return self.folder / "first.jpg"

    @property
    def proxy(self) -> Path:
        """The copy that the page plays."""
        return self.folder / "proxy.mp4"

    @property
    def posed(self) -> Path:
        """The video with the tracks drawn on it."""
        return self.folder / (self.name + OVERLAY_SUFFIX)

    @property
    def uploaded(self) -> bool:
        """True if it came through the page; False if it is an earlier result."""
        return self.results.parent == self.folder

    @property
    def table(self) -> PoseTable:
        """The tracks, edits included.

        Raises
        ------
        InputError
            Where there are none yet.
        """
        if self._table is None:
            raise InputError(f"{self.name} has no tracks yet; track its animals first.")
        return self._table

    @property
    def busy(self) -> bool:
        """True if work on it is under way or waits."""
        return any(not job.over for job in self.jobs)

    def prepare(self, report: Report) -> None:
        """Write the copy to play.

        Raises
        ------
        InputError
            Where it cannot be written.
        """
        if self.video is None:
            self.count = last_frame(self.table) + 1
            write_blank(self.proxy, self.size, self.fps, self.count, report)
            self.note = "The video is not beside its tracks: they are shown on an empty ground."
            return
        video = self.video
        self.count, broken = write_checked_proxy(video.path, video.fps, self.proxy, report)
        self.note = self.plain(broken)

    def track(self, options: dict[str, Any], report: Report) -> None:
        """Find or follow the animals, with options of :func:`aptv2.track_video`.

        `boxes` is a list of :class:`aptv2.app.finding.Box`. What was cancelled before and is
        asked for again is resumed.

        Raises
        ------
        InputError
            Where something that was given cannot be used.
        """
        assert self.video is not None
        self._check_prepared()
        boxes = write_boxes(options["boxes"], self.folder / "boxes.csv")
        resume, self._asked = options == self._asked, {}
        try:
            table = track_video(
                self.video.path,
                self.results,
                overlay=False,
                progress=report,
                resume=resume,
                **(options | {"boxes": boxes}),
            )
        except Interrupted:
            self._asked = options
            raise Stop from None
        except BrokenVideoError as error:
            if not isinstance(error.table, PoseTable):
                raise
            table, self.note = error.table, self.plain(str(error))
        with self._lock:
            self._original, self._edits, self._saved = table, [], None
            self._show(table)

    def draw(self, report: Report) -> None:
        """Write the video with the tracks drawn on it, edits included.

        Raises
        ------
        InputError
            Where there are no tracks or no video, or the file cannot be written.
        """
        self._check_prepared()
        with self._lock:
            table, version = self.table, self._version
        if self.video is None:
            raise InputError(f"The video of {self.name} was not found; start again with --video.")
        write_posed(table, self.video, self.posed, report)
        self._posed = version

    def find(self, frame: int, report: Report) -> list[Box]:
        """The animals of a frame, as :func:`aptv2.app.finding.find_boxes` finds them.

        Raises
        ------
        InputError
            Where there is no video, or no such frame.
        """
        if self.video is None:
            raise InputError(f"The video of {self.name} was not found; start again with --video.")
        self._check_prepared()
        return find_boxes(self.video, frame, report)

    def _check_prepared(self) -> None:
        """Decode only what was decoded before in a process that may crash."""
        if not self.count:
            raise InputError(f"{self.name} could not be prepared; upload it again.")

    def edit(self, edit: Edit) -> None:
        """Make a correction and save the result beside the original.

        Raises
        ------
        InputError
            Where it cannot be made, or not be saved.
        """
        with self._lock:
            table = apply(self.table, edit)
            self._save(table)
            self._edits.append(edit)
            self._show(table)

    def undo(self) -> None:
        """Undo the last correction.

        Raises
        ------
        InputError
            Where there is none, or the tracks before it cannot be saved.
        """
        with self._lock:
            if self._original is None or not self._edits:
                raise InputError("There is no edit to undo.")
            table = apply_all(self._original, self._edits[:-1])
            self._save(table)
            self._edits.pop()
            self._show(table)

    def plain(self, sentence: str) -> str:
        """A sentence without the folders of the server."""
        for folder in (self.results, self.folder / UPLOAD, self.folder):
            sentence = sentence.replace(f"{folder}/", "")
        return sentence

    def describe(self) -> dict[str, Any]:
        """Its state, for the page."""
        job = next((job for job in self.jobs if not job.over), None)
        # What went wrong last; without a copy to play, that it is missing.
        failed = next((job.error for job in (self.jobs[-1:] + self.jobs[:1]) if job.error), "")
        return {
            "id": self.id,
            "name": self.name,
            "width": self.size[0],
            "height": self.size[1],
            "fps": self.fps,
            "frames": self.count,
            "playable": self.proxy.is_file(),
            "job": job and job.describe(),
            "unfinished": bool(self._asked),
            "error": self.plain(failed),
            "note": self.note,
            "uploaded": self.uploaded,
            "drawable": self.video is not None,
            "result": None if self._table is None else self._describe_result(self._table),
        }

    def _describe_result(self, table: PoseTable) -> dict[str, Any]:
        skeleton = table.skeleton
        return {
            "version": self._version,
            "edits": len(self._edits),
            "saved": None if self._saved is None else self._saved.name,
            "drawn": self._posed == self._version,
            "tracks": np.unique(table.tracks).tolist(),
            "names": dict(table.names),
            "keypoints": skeleton.names,
            "limbs": skeleton.limbs,
            "keypointColours": skeleton.colours,
        }

    def _show(self, table: PoseTable) -> None:
        self._table = table
        self._version += 1

    def _save(self, table: PoseTable) -> None:
        """One file a session, under the first name that is free: nothing is written over."""
        if self._saved is None:
            number = 1
            while (path := self.results / f"{self.name}.edited{number}{TRACKS_SUFFIX}").exists():
                number += 1
            self._saved = path
        write_coco(table, self._saved)


def pose_array(table: PoseTable) -> np.ndarray:
    """A table as one array for the page.

    Returns
    -------
    np.ndarray
        float32 (N, 7 + 3K), by frame: frame of the video, place of its track among the sorted
        track numbers, animal score, box (x, y, width, height), then x, y and score of each
        keypoint. NaN where unknown.
    """
    place = np.unique(table.tracks, return_inverse=True)[1].reshape(-1)
    frame = frame_numbers(table)[table.frame]
    columns = [np.stack([frame, place, table.scores], axis=1), table.boxes]
    rows = np.concatenate(
        [*columns, table.keypoints.reshape(len(table), 3 * len(table.skeleton))], axis=1
    )
    ordered: np.ndarray = rows[np.argsort(frame, kind="stable")].astype("<f4")
    return ordered


def last_frame(table: PoseTable) -> int:
    """The largest number of a frame.

    Raises
    ------
    InputError
        Where it is too large to show without the video.
    """
    last = int(frame_numbers(table).max(initial=0))
    if last >= _MOST_FRAMES:
        raise InputError(
            f"The tracks have a frame {last}, too many to show without the video; give it with "
            "--video."
        )
    return last


def _size_of(table: PoseTable) -> tuple[int, int]:
    width, height = table.frames.sizes.max(axis=0, initial=0)
    if min(width, height) > 0:
        return int(width), int(height)
    corners = table.boxes[:, :2] + table.boxes[:, 2:]
    right, bottom = np.nanmax(np.vstack([corners, [[64, 64]]]), axis=0)
    return int(right), int(bottom)


def _fps_of(table: PoseTable) -> float:
    steps = np.diff(table.frames.times)
    steps = steps[np.isfinite(steps) & (steps > 0)]
    return float(np.clip(1 / np.median(steps), 0.1, 1000)) if len(steps) else DEFAULT_FPS
