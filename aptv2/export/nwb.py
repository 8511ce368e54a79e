"""Neurodata Without Borders: pose estimates as the ndx-pose extension defines them."""

from __future__ import annotations

import re
import uuid
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from aptv2.datasets.names import track_name
from aptv2.errors import InputError
from aptv2.export.memory import write_bytes
from aptv2.files import check_target
from aptv2.tables import PoseTable

_MOST_CELLS = 10**9


def write_nwb(table: PoseTable, path: str | Path) -> None:
    """Write the tracks of one video as NWB, `processing/behavior`.

    Each track is a `PoseEstimation` with a series a keypoint: x and y of every frame of the table,
    NaN where the keypoint is not there, and its score as confidence. It is named as its animal or
    `track7`, and where there is one only `PoseEstimation`, as most readers expect. Times are those
    of the frames; where they are not known, frames are a second apart. Boxes, species, the scores
    of animals and animals without a track are left out.

    NWB asks for the recording's start and a description; the table knows neither, so the start is
    the time of writing: change both with pynwb.

    Raises
    ------
    InputError
        Where the table holds several clips, a track appears twice in a frame, keypoints have names
        that NWB cannot distinguish, or the file cannot be written.
    """
    import h5py
    from ndx_pose import Skeletons
    from pynwb import NWBHDF5IO, NWBFile

    frames, names = table.frames, [_name(name) for name in table.skeleton.names]
    if len(np.unique(frames.clips)) > 1:
        raise InputError(f"{path} can hold only one clip; export each to a file of its own.")
    if len(set(names)) < len(names):
        raise InputError(f"{path}: NWB allows no / or : in the names of keypoints; rename them.")
    numbers = np.unique(table.tracks[table.tracks != -1]).tolist()
    if len(frames) * len(numbers) * len(names) > _MOST_CELLS // 3:
        raise InputError(
            f"{path}: {len(frames)} frames with {len(numbers)} tracks are too many for NWB; "
            "merge tracks of the same animal, or export parquet."
        )
    file = NWBFile(
        session_description="Animal poses; the session's start is the time of writing.",
        identifier=str(uuid.uuid4()),
        session_start_time=datetime.now(timezone.utc),
    )
    behavior = file.create_processing_module("behavior", "Poses of animals, by track")
    video = _video(table)
    if video is not None:
        file.add_acquisition(video)
    poses = [_track(table, number, names, len(numbers) == 1, video, path) for number in numbers]
    if poses:
        behavior.add(Skeletons(skeletons=[pose.skeleton for pose in poses]))
    for pose in poses:
        behavior.add(pose)
    check_target(path)
    with h5py.File("memory", "w", driver="core", backing_store=False) as memory:
        NWBHDF5IO(file=memory, mode="w").write(file)
        memory.flush()
        content = memory.id.get_file_image()
    write_bytes(content, path)


def _video(table: PoseTable) -> Any:
    """The video that the poses are of, by name; None where the table knows none."""
    from pynwb.image import ImageSeries

    if table.root is None:
        return None
    width, height = table.frames.sizes.max(axis=0, initial=0).tolist()
    return ImageSeries(
        name="video",
        description="The video that the poses are of",
        unit="n.a.",
        format="external",
        external_file=[str(table.root)],
        starting_frame=[0],
        dimension=[width, height],
        timestamps=_times(table),
    )


def _track(
    table: PoseTable, number: int, names: list[str], only: bool, video: Any, path: str | Path
) -> Any:
    """The poses of one track, with its skeleton."""
    from ndx_pose import PoseEstimation, PoseEstimationSeries, Skeleton

    rows = np.flatnonzero(table.tracks == number)
    if len(np.unique(table.frame[rows])) < len(rows):
        raise InputError(
            f"{path}: track {number} appears twice in one frame; correct the tracks first."
        )
    keypoints = np.full((len(table.frames), len(names), 3), np.nan)
    keypoints[table.frame[rows]] = np.where(
        table.keypoints[rows, :, 2:] > 0, table.keypoints[rows], np.nan
    )
    series: list[Any] = []
    times: Any = _times(table)
    for place, name in enumerate(names):
        series.append(
            PoseEstimationSeries(
                name=name,
                data=keypoints[:, place, :2],
                confidence=keypoints[:, place, 2],
                unit="pixels",
                reference_frame="(0, 0) is the top left corner of the frame",
                confidence_definition="score of the keypoint, 0 to 1",
                timestamps=times,
            )
        )
        times = series[0]  # Kept once, and pointed at.
    skeleton = Skeleton(
        name=track_name(number, table.names),
        nodes=list(table.skeleton.names),
        edges=np.array(table.skeleton.limbs, np.uint8).reshape(-1, 2),
    )
    return PoseEstimation(
        pose_estimation_series=series,
        name="PoseEstimation" if only else track_name(number, table.names),
        description=f"Poses of track {number}",
        source_video=video,
        scorer="aptv2",
        source_software="aptv2",
        skeleton=skeleton,
    )


def _times(table: PoseTable) -> np.ndarray:
    """float64 (F,): seconds."""
    frames = table.frames
    if not np.isnan(frames.times).any():
        return frames.times
    numbers = frames.indices if (frames.indices >= 0).all() else np.arange(len(frames))
    return numbers.astype(np.float64)


def _name(keypoint: str) -> str:
    """A keypoint's name, without what HDF5 takes for a path."""
    return re.sub(r"[/:]", "_", keypoint)
