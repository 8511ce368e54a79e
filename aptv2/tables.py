"""PoseTable: the one thing that travels between readers, predictors, scorers and exporters.

Annotations and predictions are the same: arrays with one row an animal in a frame, beside a list
of the frames they belong to. Frames without an animal stay in that list, so an empty prediction
still knows what was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aptv2 import boxes as box_tools
from aptv2.skeleton import ANIMAL17, Skeleton


@dataclass(frozen=True)
class Frames:
    """The images or video frames of a table, one row each.

    Parameters
    ----------
    ids
        int64 (F,), unique: the image id of COCO files.
    names
        object (F,) of str: file name relative to the table's root; empty for video frames.
    sizes
        int32 (F, 2): width and height in pixels; 0 where unknown.
    clips
        int64 (F,): the clip (APTv2's `video_id`); -1 where there is none.
    indices
        int64 (F,): number of the frame in its clip or video from 0; -1 where unknown.
    times
        float64 (F,): seconds since the clip's start; NaN where unknown.
    """

    ids: np.ndarray
    names: np.ndarray
    sizes: np.ndarray
    clips: np.ndarray
    indices: np.ndarray
    times: np.ndarray

    @classmethod
    def make(
        cls,
        count: int | None = None,
        *,
        ids: ArrayLike | None = None,
        names: Sequence[str] | np.ndarray | None = None,
        sizes: ArrayLike | None = None,
        clips: ArrayLike | None = None,
        indices: ArrayLike | None = None,
        times: ArrayLike | None = None,
    ) -> Frames:
        """Frames from what is known; the rest gets its "unknown" value.

        `ids` default to 1, 2, 3, …

        Raises
        ------
        ValueError
            Where lengths differ or ids repeat.
        """
        if count is None:
            known = [v for v in (ids, names, sizes, clips, indices, times) if v is not None]
            count = len(np.asarray(known[0], object)) if known else 0
        name_array = np.empty(count, object)
        name_array[:] = "" if names is None else list(names)
        frames = cls(
            ids=_array(ids, np.int64, (count,), np.arange(1, count + 1), "frame ids"),
            names=name_array,
            sizes=_array(sizes, np.int32, (count, 2), 0, "frame sizes"),
            clips=_array(clips, np.int64, (count,), -1, "frame clips"),
            indices=_array(indices, np.int64, (count,), -1, "frame indices"),
            times=_array(times, np.float64, (count,), np.nan, "frame times"),
        )
        if len(np.unique(frames.ids)) != count:
            raise ValueError("frame ids repeat")
        return frames

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: Any) -> Frames:
        return Frames(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True)
class PoseTable:
    """Animals in frames: annotations or predictions. Made with :meth:`make`, never changed.

    Parameters
    ----------
    frames
        The frames that were annotated or looked at.
    frame
        int64 (N,): row of `frames` that each animal belongs to.
    boxes
        float32 (N, 4): x, y, width, height in pixels; NaN where there is none.
    keypoints
        float32 (N, K, 3): x, y in pixels and a third number: visibility (0, 1, 2) in
        annotations, a score from 0 to 1 in predictions.
    scores
        float32 (N,): confidence in the animal; NaN in annotations.
    tracks
        int64 (N,): track number within the clip; -1 where there is none.
    species
        int64 (N,): key of `categories`; -1 where unknown.
    areas
        float32 (N,): the area that scales OKS; NaN where the file gives none.
    ids
        int64 (N,), unique: the annotation id of COCO files.
    crowd
        bool (N,): COCO's `iscrowd`.
    skeleton
        The keypoints.
    categories
        Category id -> species name.
    root
        Folder that `frames.names` are relative to, or the video the frames come from.
    names
        Track number -> the name that a person gave the animal; of some tracks, mostly of none.
    videos
        Clip -> the file name of its video, relative to the root where that is a folder; only of
        labels of several videos.
    """

    frames: Frames
    frame: np.ndarray
    boxes: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    tracks: np.ndarray
    species: np.ndarray
    areas: np.ndarray
    ids: np.ndarray
    crowd: np.ndarray
    skeleton: Skeleton = ANIMAL17
    categories: Mapping[int, str] = field(default_factory=dict)
    root: Path | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    videos: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        frames: Frames,
        frame: ArrayLike,
        *,
        boxes: ArrayLike | None = None,
        keypoints: ArrayLike | None = None,
        scores: ArrayLike | None = None,
        tracks: ArrayLike | None = None,
        species: ArrayLike | None = None,
        areas: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        crowd: ArrayLike | None = None,
        skeleton: Skeleton = ANIMAL17,
        categories: Mapping[int, str] | None = None,
        root: Path | None = None,
        names: Mapping[int, str] | None = None,
        videos: Mapping[int, str] | None = None,
    ) -> PoseTable:
        """A table from what is known; the rest gets its "unknown" value.

        Raises
        ------
        ValueError
            Where shapes differ, ids repeat, or a row points at no frame.
        """
        frame = np.asarray(frame, np.int64).reshape(-1)
        n, k = len(frame), len(skeleton)
        if n and (frame.min() < 0 or frame.max() >= len(frames)):
            raise ValueError(f"a row points at a frame outside 0 to {len(frames) - 1}")
        table = cls(
            frames=frames,
            frame=frame,
            boxes=_array(boxes, np.float32, (n, 4), np.nan, "boxes"),
            keypoints=_array(keypoints, np.float32, (n, k, 3), 0, "keypoints"),
            scores=_array(scores, np.float32, (n,), np.nan, "scores"),
            tracks=_array(tracks, np.int64, (n,), -1, "tracks"),
            species=_array(species, np.int64, (n,), -1, "species"),
            areas=_array(areas, np.float32, (n,), np.nan, "areas"),
            ids=_array(ids, np.int64, (n,), np.arange(1, n + 1), "ids"),
            crowd=_array(crowd, np.bool_, (n,), False, "crowd"),
            skeleton=skeleton,
            categories=dict(categories or {}),
            root=root,
            names=dict(names or {}),
            videos=dict(videos or {}),
        )
        if len(np.unique(table.ids)) != n:
            raise ValueError("annotation ids repeat")
        return table

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, rows: Any) -> PoseTable:
        """Rows by slice, mask or index array; every frame is kept."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _ROW_FIELDS})

    def rows_of(self, frame: int) -> np.ndarray:
        """Indices of the animals in one frame (row of `frames`)."""
        return np.flatnonzero(self.frame == frame)

    def with_frames(self, rows: Any) -> PoseTable:
        """Only some frames (mask or index array) and the animals in them."""
        chosen = np.arange(len(self.frames))[rows]
        new_row = np.full(len(self.frames), -1)
        new_row[chosen] = np.arange(len(chosen))
        kept = self[new_row[self.frame] >= 0]
        return replace(kept, frames=self.frames[chosen], frame=new_row[kept.frame])

    def with_keypoint_boxes(self, margin: float = 0.1) -> PoseTable:
        """Boxes around the keypoints for animals that have none, as data sets of keypoints alone.

        Parameters
        ----------
        margin
            What the tight box around the keypoints whose third number is above 0 is grown by on
            each side, as a share of its longer side.

        Returns
        -------
        PoseTable
            Boxes end at the frame where its size is known. An animal whose keypoints span no area
            (none, one, or all in a line along an axis) stays without a box.
        """
        keypoints, shown = self.keypoints, self.keypoints[:, :, 2:] > 0
        low = np.where(shown, keypoints[:, :, :2], np.inf).min(axis=1, initial=np.inf)
        high = np.where(shown, keypoints[:, :, :2], -np.inf).max(axis=1, initial=-np.inf)
        wanted = np.isnan(self.boxes).any(axis=1) & (high > low).all(axis=1)
        low, high = low[wanted], high[wanted]
        grown = margin * (high - low).max(axis=1, keepdims=True, initial=0)
        sizes = self.frames.sizes[self.frame[wanted]]
        first = np.where(sizes > 0, 0, -np.inf)
        last = np.where(sizes > 0, sizes, np.inf)
        low, high = np.clip(low - grown, first, last), np.clip(high + grown, first, last)
        boxes = self.boxes.copy()
        boxes[wanted] = np.concatenate([low, high - low], axis=1)
        return replace(self, boxes=boxes)

    @property
    def video_names(self) -> np.ndarray:
        """object (F,) of str: the video of each frame, "" of images and where there is only one."""
        frames = self.frames
        found = np.full(len(frames), "", object)
        rows = np.flatnonzero(frames.names == "")
        if len(np.unique(frames.clips[rows])) > 1:
            found[rows] = [
                self.videos.get(clip, f"clip {clip}") for clip in frames.clips[rows].tolist()
            ]
        return found

    @property
    def image_names(self) -> np.ndarray:
        """object (F,) of str: names for the frames as images; those of video frames are made up.

        A frame of a video is called as CVAT does, `frame_000000.png`; where there are several
        videos, each has a folder, named like it.
        """
        frames, names = self.frames, self.frames.names.copy()
        videos = self.video_names
        stems = {video: str(PurePath(video).with_suffix("")) for video in set(videos) - {""}}
        if len(set(stems.values())) < len(stems):
            stems = {video: video for video in stems}
        for row in np.flatnonzero(names == ""):
            number = frames.indices[row] if frames.indices[row] >= 0 else row
            folder = f"{stems[videos[row]]}/" if videos[row] else ""
            names[row] = f"{folder}frame_{number:06d}.png"
        return names

    @property
    def num_keypoints(self) -> np.ndarray:
        """int64 (N,): keypoints whose third number is above 0."""
        return np.count_nonzero(self.keypoints[:, :, 2] > 0, axis=1)

    @property
    def scale_areas(self) -> np.ndarray:
        """float32 (N,): `areas`, and the box's area where the file gave none."""
        return np.where(np.isnan(self.areas), box_tools.area(self.boxes), self.areas)


_ROW_FIELDS = (
    "frame",
    "boxes",
    "keypoints",
    "scores",
    "tracks",
    "species",
    "areas",
    "ids",
    "crowd",
)


def _array(
    values: ArrayLike | None, dtype: Any, shape: tuple[int, ...], default: Any, what: str
) -> np.ndarray:
    if values is None:
        return np.full(shape, default, dtype) if np.isscalar(default) else default.astype(dtype)
    array = np.asarray(values, dtype)
    if array.size == 0 and 0 in shape:
        return array.reshape(shape)
    if array.shape != shape:
        raise ValueError(f"{what} have shape {array.shape}, not {shape}")
    return array
