"""From a video to animal pose tracks: read, find or follow, collect, write."""

from __future__ import annotations

import hashlib
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np

from aptv2.datasets import read_annotations
from aptv2.errors import HOW_TO_RESUME, BrokenVideoError, InputError, Stopped
from aptv2.inference.boxes_file import FirstBoxes, read_boxes
from aptv2.inference.checkpointing import held_results
from aptv2.inference.finding import AnimalFinder
from aptv2.inference.following import AnimalFollower
from aptv2.inference.interrupt import postponed_interrupt
from aptv2.inference.output import Output
from aptv2.inference.overlay_video import queue_length
from aptv2.inference.progress import Report, Stop, progress_bar
from aptv2.inference.results import Results
from aptv2.models import load_detector, load_pose_model, load_tracker
from aptv2.models.devices import Dtype
from aptv2.models.protocols import Detector, PoseNetwork, Tracker
from aptv2.models.registry import DEFAULT
from aptv2.tables import PoseTable
from aptv2.threads import shared_cores
from aptv2.tracking.association import Associator
from aptv2.tracking.interfaces import (
    AnimalReader,
    part,
    prefixed,
)
from aptv2.video.image_folder import ImageFolder
from aptv2.video.prefetch import read_ahead
from aptv2.video.reader import DEFAULT_FPS, open_video
from aptv2.video.sources import VideoFrame, VideoSource
from aptv2.weights import find_weights
from aptv2.weights.files import mtime

CHUNK = 4  # frames that go through the detector at once


class Interrupted(Stopped):
    """Ctrl-C, `kill` or a report's stop, in the middle of a video; what was done is kept."""


def track_video(
    source: str | Path,
    output: str | Path | None = None,
    *,
    boxes: str | Path | None = None,
    detector: str | Detector = "lite",
    tracker: str | Tracker = "lite",
    tracker_weights: str | Path | None = None,
    pose: str | PoseNetwork = "lite",
    pose_weights: str | Path | None = None,
    flip_test: bool = False,
    smooth: bool = False,
    fps: float = DEFAULT_FPS,
    export: Sequence[str] = (),
    overlay: bool = True,
    device: str | None = None,
    dtype: Dtype = "auto",
    progress: bool | Report = False,
    resume: bool = False,
) -> PoseTable:
    """Find the animals of a video, follow them and read their poses.

    Parameters
    ----------
    source
        Video file, or folder of numbered images.
    output
        Folder for `NAME.tracks.json`, `NAME.csv` and `NAME.pose.mp4`, where NAME is the source's;
        None writes nothing.
    boxes
        CSV file of the animals to follow, `frame,x,y,width,height[,track_id]`; without it the
        animals are detected.
    detector, tracker, pose
        Names of networks, or networks. The detector works without `boxes`, the tracker with it.
        The pose "fused" is read by a tracker `vitposetrack_*` on the way, in one pass for both.
    tracker_weights, pose_weights
        Weights files for the names; None for the weights found locally.
    flip_test
        Average poses over mirrored crops: slower, a little more accurate.
    smooth
        Pass keypoints and boxes through a One Euro filter.
    fps
        Frames per second of a folder of images; a video file knows its own.
    export
        More formats to write: `coco` (keypoint results), `csv`, `mot`.
    overlay
        Whether to write the video with the poses drawn on it.
    device
        Where the networks run, as torch names it; None takes a GPU where there is one.
    dtype
        dtype of the networks; "auto" takes bfloat16 where the processor has it.
    progress
        Show a progress bar; or a function of the frames done and their number, which may be None.
        Where it raises :class:`aptv2.inference.progress.Stop`, the run ends as on Ctrl-C.
    resume
        Resume an interrupted run with the same output. A finished video is not tracked again.

    Returns
    -------
    PoseTable
        All frames, and the animals in each with track, box, keypoints and scores.

    Raises
    ------
    InputError
        Where something that was given cannot be used; nothing was written.
    BrokenVideoError
        Where the video breaks off; the frames before were written to `output`, and are its
        `table`.
    KeyboardInterrupt
        On Ctrl-C, SIGTERM or SIGHUP; the frames before were written to `output`, and `resume`
        continues from them.

    Examples
    --------
    >>> table = track_video("clip.mp4", "out")  # doctest: +SKIP
    >>> table.keypoints[table.tracks == 1, 2]  # the nose of animal 1  # doctest: +SKIP
    """
    video = open_video(source, fps)
    first = None if boxes is None else _first_boxes(boxes, video)
    files = None if output is None else Output(Path(output), video.name, tuple(export), overlay)
    if files is not None:
        files.check_folder()
        if resume and files.finished:
            return read_annotations(files.tracks)
    settings = {
        "video": _size(video),
        "--boxes": "none" if first is None else _digest(first),
        "detector": _name(detector) if first is None else "none",
        "--tracker": "none" if first is None else _name(tracker, tracker_weights),
        "--pose": _name(pose, pose_weights),
        "--flip-test": str(flip_test),
        "--smooth": str(smooth),
        "--video": str(overlay),
    }
    fused = pose == "fused"
    if fused:
        _check_fused(first, flip_test, pose_weights)
    if first is None and ((isinstance(tracker, str) and tracker != DEFAULT) or tracker_weights):
        raise InputError("--tracker: follows animals from their first boxes, so give --boxes too.")
    if isinstance(tracker, str) and first is not None:
        tracker = load_tracker(tracker, tracker_weights, device, dtype, pose=fused)
    if isinstance(pose, str) and not fused:
        pose = _pose_network(pose, pose_weights, _mtime(pose, pose_weights), device, dtype)
    skeleton = cast("Tracker | PoseNetwork", tracker if fused else pose).skeleton
    network = None if fused else cast("PoseNetwork", pose)
    reader: AnimalReader
    if first is not None:
        follower = cast("Tracker", tracker)
        reader = AnimalFollower(follower, network, first, video.fps, flip_test)
    else:
        if isinstance(detector, str):
            detector = load_detector(detector, None, device, dtype)
        associator = Associator(video.fps, video.width, video.height, skeleton)
        reader = AnimalFinder(detector, cast("PoseNetwork", network), associator, flip_test)
    with (
        nullcontext() if files is None else held_results(files),
        Results(video, skeleton, files, smooth, settings) as results,
        postponed_interrupt() as interrupted,
        shared_cores(1 if first is not None else 2),  # detection beside pose and all else
    ):
        table = _run(video, reader, results, resume, progress, interrupted)
    if first is not None:
        _check_reached(first, video, results)
    return table


def _run(
    video: VideoSource,
    reader: AnimalReader,
    results: Results,
    resume: bool,
    progress: bool | Report,
    interrupted: Callable[[], int],
) -> PoseTable:
    state = results.begin(resume)
    pending = 0  # frames that the reader took without giving their animals yet
    if state is not None:
        reader.restore(part(state, "reader"))
        pending = int(state["pending"])
    source = replace(video, start=results.next_frame)
    frames = read_ahead(source, queue_length(video))
    waiting: deque[VideoFrame] = deque()
    broken: BrokenVideoError | None = None
    with (
        closing(frames),
        progress_bar(video.path.name, video.frame_count, results.frames_done, progress) as show,
    ):
        try:
            waiting.extend(islice(frames, pending))
            for chunk in _chunks(frames):
                waiting.extend(chunk)
                images = [frame.image for frame in chunk]
                for animals in reader.step(images, [frame.index for frame in chunk]):
                    results.append(waiting.popleft(), animals)
                try:
                    show(results.frames_done)
                    stop = interrupted()
                except Stop:
                    stop = signal.SIGINT
                if results.due or stop:
                    state = prefixed(reader.state(), "reader")
                    results.save(state | {"pending": np.array(len(waiting))})
                if stop:
                    raise _interruption(video, results, stop)
        except BrokenVideoError as error:
            broken = error
        except InputError as error:  # The disk is full or gone.
            raise _failure(error, results) from error
        for animals in reader.finish():
            results.append(waiting.popleft(), animals)
        show(results.frames_done)
    table = results.write()
    results.end()
    if broken is not None:
        kept = ""
        if results.output is not None:
            kept = f" The {results.frames_done} frames before are in {results.output.folder}."
        raise BrokenVideoError(f"{broken}{kept}", table) from broken
    return table


def _interruption(video: VideoSource, results: Results, stop: int) -> Interrupted:
    """The error that says what an interrupted run leaves, once it has left it."""
    sentence = f"{video.path}: interrupted after {results.frames_done} frames"
    if results.output is None:
        return Interrupted(stop, f"{sentence}.")
    if results.may_replace:
        results.write()
        sentence += f", which are in {results.output.folder}"
    return Interrupted(stop, f"{sentence}; {HOW_TO_RESUME}")


def _failure(error: InputError, results: Results) -> InputError:
    """The error of a run that cannot write any more, once the tables are written."""
    if not results.rescue() or results.output is None:
        return error
    return InputError(
        f"{error} The {results.frames_done} frames before are in {results.output.tracks}."
    )


def _chunks(frames: Iterator[VideoFrame]) -> Iterator[list[VideoFrame]]:
    """Frames in lists of `CHUNK`; where reading breaks off, first those before."""
    chunk: list[VideoFrame] = []
    try:
        for frame in frames:
            chunk.append(frame)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
    except BrokenVideoError:
        if chunk:
            yield chunk
        raise
    if chunk:
        yield chunk


@lru_cache(maxsize=1)
def _pose_network(
    name: str, weights: str | Path | None, since: int, device: str | None, dtype: Dtype
) -> PoseNetwork:
    """A pose network, kept for the next video."""
    return load_pose_model(name, weights, device, dtype)


def _mtime(name: str, weights: str | Path | None) -> int:
    """The mtime of the weights that a network is loaded from."""
    return mtime((find_weights(name) if weights is None else weights) or name)


def _first_boxes(path: str | Path, video: VideoSource) -> FirstBoxes:
    first = read_boxes(path, video.width, video.height)
    last = int(first.frames[-1])
    # Most files only let one guess their number of frames: a guess refuses nothing.
    if last >= (video.frame_count or 0) and last >= (most := video.most_frames):
        raise InputError(
            f"{first.path}: frame {last} is beyond the end of {video.path}, whose {most} frames "
            "count from 0; correct the frame."
        )
    return first


def _check_reached(first: FirstBoxes, video: VideoSource, results: Results) -> None:
    missed = first.frames[first.frames >= results.next_frame]
    if len(missed):
        raise InputError(
            f"{first.path}: frame {int(missed[0])} is beyond the end of {video.path}, whose last "
            f"frame is {results.next_frame - 1}; the animals before were tracked, correct the "
            "frame of the others."
        )


def _check_fused(
    first: FirstBoxes | None, flip_test: bool, pose_weights: str | Path | None
) -> None:
    if first is None:
        raise InputError("--pose fused: a tracker reads these poses, so it needs --boxes too.")
    if flip_test:
        raise InputError("--pose fused: the tracker sees no mirrored crops; leave out --flip-test.")
    if pose_weights is not None:
        raise InputError("--pose fused: its weights are the tracker's; leave out --pose-weights.")


def _name(network: object, weights: str | Path | None = None) -> str:
    name = network if isinstance(network, str) else type(network).__name__
    return name if weights is None else f"{name} from {weights}"


def _size(video: VideoSource) -> str:
    if isinstance(video, ImageFolder):
        return f"{video.path.name} of {video.most_frames} images, {video.fps:g} a second"
    return f"{video.path.name} of {video.path.stat().st_size} bytes"


def _digest(first: FirstBoxes) -> str:
    content = b"".join(a.tobytes() for a in (first.frames, first.boxes, first.tracks))
    return f"{first.path.name} ({hashlib.sha256(content).hexdigest()[:8]})"
