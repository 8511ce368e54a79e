"""SLEAP projects and predictions: `.slp`, read by sleap-io.

A file holds videos (a file, or a list of images), a skeleton with edges and symmetries, tracks,
and instances: those that SLEAP predicted, with scores, and those that a person drew or corrected.
The latter are labels; a prediction that nobody touched is none.
"""

from __future__ import annotations

import contextlib
import math
import posixpath
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from aptv2.datasets.coco import find_root, is_animal17
from aptv2.datasets.hdf5 import is_hdf5, open_hdf5
from aptv2.datasets.names import animal_names, fault_of, is_file, track_numbers
from aptv2.datasets.records import LARGEST
from aptv2.datasets.sleap_pictures import has_pictures
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17, Skeleton, pairs_by_name
from aptv2.tables import Frames, PoseTable

_HINT = "open it in SLEAP and save it again"


def is_sleap(path: Path) -> bool:
    """Whether a file is SLEAP's."""
    if path.is_dir() or not is_hdf5(path):
        return False
    try:
        import h5py
    except ImportError:
        return path.suffix.lower() == ".slp"
    with contextlib.suppress(Exception), h5py.File(path, "r") as file:
        return "instances" in file and "points" in file
    return False


def read_sleap(path: str | Path, predictions: bool | None = None) -> PoseTable:
    """Read a `.slp` file.

    Parameters
    ----------
    path
        The file. No video is opened.
    predictions
        False: only the instances of a person; True: also the predictions that no such instance
        was made from; None: predictions only where a person made none at all.

    Returns
    -------
    PoseTable
        The frames with animals; a clip is a video, numbered from 1. A person's keypoint has
        visibility 2, or 1 where SLEAP says that it is hidden; the third number of a predicted one
        is its score. A track is numbered as :func:`aptv2.datasets.names.track_numbers` says, and
        `names` has its name. A box is the one around the keypoints. Times are known where the file
        says the frame rate. The root is the video, where one of the name that the file gives lies
        beside it; the folder, where one of several does, which `videos` names; or else the file
        itself, where it holds the pictures (:func:`aptv2.datasets.sleap_pictures.has_pictures`).

    Raises
    ------
    InputError
        Where sleap-io is not installed, or the file is broken, too large or points at others.
    """
    path = Path(path)
    with open_hdf5(path, _HINT) as file:
        try:
            import sleap_io
        except ImportError:
            raise InputError(
                f"{path}: reading .slp needs sleap-io (pip install 'aptv2[sleap]')."
            ) from None
        _check_points(file, path)
        labels = sleap_io.load_slp(str(path), open_videos=False)
        return _table(labels, path, predictions)


def _check_points(file: Any, path: Path) -> None:
    """Refuse a file whose animals share points: a small one could name any number of keypoints."""
    instances = file["instances"][()]
    named = instances["point_id_end"].astype(float) - instances["point_id_start"].astype(float)
    if (named < 0).any() or named.sum() > len(file["points"]) + len(file["pred_points"]):
        raise InputError(
            f"{path} is broken: its animals have more points than the file holds; {_HINT}."
        )


def _table(labels: Any, path: Path, predictions: bool | None) -> PoseTable:
    skeleton = _skeleton(labels.skeletons, path)
    names = [track.name or "" for track in labels.tracks]
    numbers = track_numbers(names)
    track_of = {id(track): number for track, number in zip(labels.tracks, numbers, strict=True)}
    if predictions is None:
        predictions = not any(frame.user_instances for frame in labels)
    videos = [_video(video, path) for video in labels.videos]
    # A project that was merged may name a video twice, and a frame too.
    files = [video.file or str(number) for number, video in enumerate(videos)]
    place = {id(video): files.index(file) for video, file in zip(labels.videos, files, strict=True)}
    row_of: dict[tuple[int, int], int] = {}
    seen: set[tuple[int, int, bytes]] = set()
    rows, keypoints, scores, tracks, twice = [], [], [], [], 0
    for frame in labels:
        found = list(frame.user_instances)
        if predictions:
            made_from = {id(instance.from_predicted) for instance in found}
            found += [one for one in frame.predicted_instances if id(one) not in made_from]
        if not found:
            continue
        row = row_of.setdefault((place[id(frame.video)], int(frame.frame_idx)), len(row_of))
        for instance in found:
            points, track = _keypoints(instance), track_of.get(id(instance.track), -1)
            if (animal := (row, track, points.tobytes())) in seen:
                twice += 1
                continue
            seen.add(animal)
            rows.append(row)
            keypoints.append(points)
            scores.append(getattr(instance, "score", math.nan))
            tracks.append(track)
    if twice:
        warnings.warn(f"{path}: animals that appear twice, read once: {twice}.", stacklevel=2)
    frames = _frames(videos, list(row_of), path)
    named = {} if any(frames.names) else _names(videos, {video for video, _ in row_of}, path)
    table = PoseTable.make(
        frames,
        rows,
        keypoints=np.array(keypoints).reshape(len(rows), len(skeleton), 3),
        scores=scores,
        tracks=tracks,
        skeleton=skeleton,
        root=_root(named, frames.names, path),
        names=animal_names(names, numbers),
        videos=named if len(named) > 1 else None,
    )
    if not (np.abs(table.keypoints) < LARGEST).all() or np.isinf(table.scores).any():
        raise InputError(f"{path}: a keypoint or score is infinite or beyond all bounds; {_HINT}.")
    return table.with_keypoint_boxes()


class _Video(NamedTuple):
    """File of a video ("" for images), image names, width and height, frame rate or NaN."""

    file: str
    images: list[str]
    size: tuple[int, int]
    fps: float


def _video(video: Any, path: Path) -> _Video:
    video = video.source_video or video
    # Embedded images without their source are in the file itself.
    names = video.filename if isinstance(video.filename, list) else []
    file = "" if names else str(video.filename).replace("\\", "/")
    if file in (".", path.as_posix()):  # Pictures in this file, of a video that it does not name.
        file = ""
    height, width = (list(video.backend_metadata.get("shape") or ()) + [0] * 3)[1:3]
    fps = float(video.backend_metadata.get("fps") or math.nan)
    size = (int(width or 0), int(height or 0))
    if not all(0 <= side < 2**31 for side in size) or fps <= 0 or math.isinf(fps):
        name = PurePosixPath(file).name[:80]
        raise InputError(f"{path}: {name!r} has no possible size or frame rate; {_HINT}.")
    return _Video(file, _relative(names, path), size, fps)


def _names(videos: Sequence[_Video], used: Iterable[int], path: Path) -> dict[int, str]:
    """Clip -> file name of its video; those of one name get the folders in which they differ."""
    files = {number + 1: videos[number].file for number in sorted(used)}
    names = [PurePosixPath(file).name or f"video{clip}" for clip, file in files.items()]
    if len(set(names)) < len(names):
        names = _relative(list(files.values()), path)
    return dict(zip(files, names, strict=True))


def _relative(names: Sequence[str], path: Path) -> list[str]:
    """Names of images relative to the file's folder, or else to the folder that they share."""
    names = [str(name).replace("\\", "/") for name in names]
    here = path.parent.resolve().as_posix() + "/"
    if names and all(name.startswith(here) for name in names):
        return [name.removeprefix(here) for name in names]
    if any(fault_of(name) for name in names):
        shared = posixpath.commonprefix([posixpath.dirname(name) + "/" for name in names])
        shared = shared[: shared.rfind("/") + 1]
        names = [name.removeprefix(shared) for name in names]
    for name in names:
        if fault := fault_of(name):
            raise InputError(f"{path}: an image's name {fault}; {_HINT}.")
    return names


def _frames(videos: list[_Video], spots: list[tuple[int, int]], path: Path) -> Frames:
    for number, index in spots:
        if not 0 <= index < 2**31 or (
            videos[number].images and index >= len(videos[number].images)
        ):
            raise InputError(f"{path}: there is no frame {index} of video {number}; {_HINT}.")
    seen = [videos[number] for number, _ in spots]
    indices = [index for _, index in spots]
    return Frames.make(
        len(spots),
        names=[v.images[i] if v.images else "" for v, i in zip(seen, indices, strict=True)],
        sizes=[video.size for video in seen],
        clips=[number + 1 for number, _ in spots],
        indices=indices,
        times=[i / video.fps for video, i in zip(seen, indices, strict=True)],
    )


def _root(videos: Mapping[int, str], names: np.ndarray, path: Path) -> Path | None:
    """Where the images or videos are; never outside the folders around the file."""
    if any(names):
        root = find_root(path, names)
    else:
        found = [path.parent / name for name in videos.values() if is_file(path.parent / name)]
        root = None if not found else path.parent if len(videos) > 1 else found[0]
    return path if root is None and has_pictures(path) else root


def _skeleton(skeletons: Sequence[Any], path: Path) -> Skeleton:
    if not skeletons:
        raise InputError(f"{path} holds no skeleton; {_HINT}.")
    first, names = skeletons[0], tuple(skeletons[0].node_names)
    if any(tuple(other.node_names) != names for other in skeletons):
        raise InputError(f"{path} holds skeletons with different keypoints; give a file for each.")
    if is_animal17(names):
        return ANIMAL17
    pairs = tuple((min(pair), max(pair)) for pair in map(tuple, first.symmetry_inds))
    by_name = pairs_by_name(names)
    if {frozenset(pair) for pair in pairs} == {frozenset(pair) for pair in by_name}:
        pairs = by_name  # SLEAP does not say which is the left one.
    return Skeleton(names, tuple((int(a), int(b)) for a, b in first.edge_inds), pairs=pairs)


def _keypoints(instance: Any) -> np.ndarray:
    """float64 (K, 3)."""
    points = instance.points
    keypoints = np.zeros((len(points), 3))
    there = ~np.isnan(points["xy"]).any(axis=1)
    keypoints[there, :2] = points["xy"][there]
    if "score" in points.dtype.names:
        keypoints[there, 2] = np.nan_to_num(points["score"][there])
    else:
        keypoints[there, 2] = np.where(points["visible"][there], 2, 1)
    return keypoints
