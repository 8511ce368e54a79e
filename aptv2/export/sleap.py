"""SLEAP: `.slp`, written by sleap-io."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from aptv2.datasets.names import track_name
from aptv2.export.memory import MemoryFile, write_bytes
from aptv2.files import check_target
from aptv2.tables import Frames, PoseTable


def write_sleap(table: PoseTable, path: str | Path) -> None:
    """Write a table for SLEAP; :func:`aptv2.datasets.sleap.read_sleap` reads it back.

    An animal with a score is a predicted instance, one without is a person's. A clip is a video:
    the table's, or the list of its images. Its file name, size, frames and frame rate are those of
    the table; where the table knows no video, it is named like the file. A keypoint of visibility 1
    is not visible; one whose third number is 0 is not there. Frames without animals, boxes,
    species and sigmas are left out.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    import sleap_io

    path = Path(path)
    skeleton = sleap_io.Skeleton(
        nodes=list(table.skeleton.names),
        edges=list(table.skeleton.limbs),
        symmetries=list(table.skeleton.pairs),
        name="animal",
    )
    numbers = np.unique(table.tracks[table.tracks != -1]).tolist()
    tracks = {number: sleap_io.Track(track_name(number, table.names)) for number in numbers}
    frames = table.frames
    indices = np.empty(len(frames), np.int64)
    video_of: dict[int, Any] = {}
    for clip in np.unique(frames.clips).tolist():
        rows = np.flatnonzero(frames.clips == clip)
        video_of[clip] = _video(table, rows, path)
        named = any(frames.names[rows])
        known = not named and frames.indices[rows].min() >= 0
        indices[rows] = frames.indices[rows] if known else np.arange(len(rows))
    order = np.argsort(table.frame, kind="stable")
    bounds = np.searchsorted(table.frame[order], np.arange(len(frames) + 1))
    labelled = []
    for frame in np.unique(table.frame).tolist():
        instances = [
            _instance(table, row, skeleton, tracks)
            for row in order[bounds[frame] : bounds[frame + 1]].tolist()
        ]
        video, index = video_of[int(frames.clips[frame])], int(indices[frame])
        labelled.append(sleap_io.LabeledFrame(video=video, frame_idx=index, instances=instances))
    labels = sleap_io.Labels(
        labeled_frames=labelled,
        videos=list(video_of.values()),
        skeletons=[skeleton],
        tracks=list(tracks.values()),
        provenance={"written by": "aptv2"},
    )
    check_target(path)
    memory = MemoryFile()
    sleap_io.save_slp(labels, memory, embed=False, verbose=False)
    write_bytes(memory.getvalue(), path)


def _video(table: PoseTable, rows: np.ndarray, path: Path) -> Any:
    """A clip as sleap-io has it, without opening a file."""
    import sleap_io

    frames = table.frames[rows]
    width, height = frames.sizes.max(axis=0).tolist()
    names = [str(name) for name in frames.names]
    count = len(frames) if any(names) else max(len(frames), int(frames.indices.max()) + 1)
    metadata: dict[str, Any] = {"type": "ImageVideo" if any(names) else "MediaVideo"}
    if min(width, height) > 0:
        metadata["shape"] = [count, height, width, 3]
    rate = _frame_rate(frames)
    if rate is not None:
        metadata["fps"] = rate
    filename: str | list[str] = str(table.root or path.stem)
    if (name := table.videos.get(int(frames.clips[0]))) is not None:
        folder = Path() if table.root is None else table.root
        filename = str((folder if folder.is_dir() else folder.parent) / name)
    if any(names):
        folder = table.root.resolve() if table.root is not None else Path()
        filename = [(folder / name).as_posix() for name in names]
        metadata |= {"filename": filename[0], "filenames": filename}
    return sleap_io.Video(filename=filename, open_backend=False, backend_metadata=metadata)


def _instance(table: PoseTable, row: int, skeleton: Any, tracks: dict[int, Any]) -> Any:
    import sleap_io

    keypoints = table.keypoints[row].astype(np.float64)
    there = keypoints[:, 2] > 0
    points = np.where(there[:, None], keypoints[:, :2], np.nan)
    track, score = tracks.get(int(table.tracks[row])), float(table.scores[row])
    if not math.isnan(score):
        return sleap_io.PredictedInstance.from_numpy(
            points, skeleton, point_scores=keypoints[:, 2], score=score, track=track
        )
    instance = sleap_io.Instance.from_numpy(points, skeleton, track=track)
    instance.points["visible"] = there & (keypoints[:, 2] != 1)
    return instance


def _frame_rate(frames: Frames) -> float | None:
    """Frames per second of one clip, from its first and last known time; None where unknown."""
    known = np.flatnonzero((frames.indices >= 0) & ~np.isnan(frames.times))
    if len(known) == 0:
        return None
    first = known[frames.indices[known].argmin()]
    last = known[frames.indices[known].argmax()]
    seconds = float(frames.times[last] - frames.times[first])
    count = int(frames.indices[last] - frames.indices[first])
    return float(count / seconds) if count > 0 and seconds > 0 else None
