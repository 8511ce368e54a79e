"""Poses of a whole data set: on several devices, and resumable at any moment.

The animals are worked on in chunks of whole clips. A chunk's keypoints are one file, written in one
step, so a run that was killed resumes with the missing chunks. Chunks depend on the table
alone, and a batch never holds animals of two: however many devices there were and however often a
run was restarted, the poses are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import signal
import threading
import zipfile
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aptv2.datasets.splits import clips_of
from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.inference.progress import progress_bar
from aptv2.models.pose.base import PoseModel
from aptv2.resuming import check_same_settings
from aptv2.tables import PoseTable
from aptv2.testing.predict import predict_poses

_ANIMALS = 128  # in a chunk, until the clip that it began is through


def predict_in_chunks(
    model: PoseModel,
    table: PoseTable,
    folder: Path,
    *,
    flip: bool = False,
    devices: int = 1,
    resume: bool = False,
    progress: bool = False,
) -> PoseTable:
    """As :func:`aptv2.testing.predict.predict_poses`, with a folder to go on from.

    Parameters
    ----------
    model
        The pose network. On one device it runs where it is.
    table
        Frames with images under `table.root`, and boxes.
    folder
        Where chunks are kept; it stays, for the caller to remove.
    flip
        Average over the mirrored crops as well.
    devices
        Number of processes: a GPU each where there are any, else a share of the processor.
    resume
        Keep the chunks that are in the folder; otherwise it is emptied first.
    progress
        Show a bar on stderr.

    Raises
    ------
    InputError
        Where an image is missing or does not decode, there are fewer GPUs, or the folder cannot be
        written; an OtherRunError where its chunks are of other weights, data or settings.
    """
    places = _places(model, devices)
    chunks = _chunks(table)
    _open(folder, _settings(model, table, flip), resume)
    missing = [number for number in range(len(chunks)) if not _file(folder, number).is_file()]
    frames = [len(np.unique(table.frame[rows])) for rows in chunks]
    done = sum(frames) - sum(frames[number] for number in missing)
    with progress_bar("poses", sum(frames), done, progress) as show:
        if devices == 1:
            for number in missing:
                _predict(model, table, chunks[number], _file(folder, number), flip)
                done += frames[number]
                show(done)
        elif missing:
            here = next(model.parameters()).device
            work = pickle.dumps((model.to("cpu"), table, chunks, folder, flip))
            model.to(here)
            for number in _in_processes(work, places, missing):
                done += frames[number]
                show(done)
    return _gather(table, chunks, folder)


def _places(model: PoseModel, devices: int) -> list[str]:
    """The device of each process."""
    if devices < 1:
        raise InputError(f"devices is {devices}; give 1 or more.")
    if next(model.parameters()).device.type != "cuda":
        return ["cpu"] * devices
    if devices > torch.cuda.device_count():
        raise InputError(
            f"devices is {devices}, but there are {torch.cuda.device_count()} GPUs here; "
            "ask for at most as many."
        )
    return [f"cuda:{number}" for number in range(devices)]


def _chunks(table: PoseTable) -> list[np.ndarray]:
    """Rows of the table, clip after clip, cut where a chunk has enough animals."""
    clips = clips_of(table)[table.frame]
    order = np.lexsort((table.frame, clips))
    ends = np.append(np.flatnonzero(np.diff(clips[order])) + 1, len(order))
    chunks, start = [], 0
    for end in ends.tolist():
        if end - start >= _ANIMALS or (end == len(order) and end > start):
            chunks.append(order[start:end])
            start = end
    return chunks


def _settings(model: PoseModel, table: PoseTable, flip: bool) -> dict[str, Any]:
    """Settings that a resumed run must share, by the name that the user knows."""
    weights = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        weights.update(name.encode())
        weights.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy())
    data = hashlib.sha256()
    for column in (table.frame, table.boxes, table.frames.ids):
        data.update(column.tobytes())
    data.update("\0".join(table.frames.names).encode("utf-8", "surrogatepass"))
    return {
        "weights": weights.hexdigest(),
        "dtype": str(next(model.parameters()).dtype).removeprefix("torch."),
        "data": data.hexdigest(),
        "flip test": flip,
    }


def _open(folder: Path, settings: dict[str, Any], resume: bool) -> None:
    """Make the folder ready, with what belongs to this run in it and nothing else."""
    settings_file = folder / "settings.json"
    if resume and settings_file.is_file():
        try:
            started = dict(json.loads(settings_file.read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"{folder}: cannot be resumed from ({error}); run again without --resume."
            ) from None
        check_same_settings(folder, started, settings, quoted=False)
        return
    try:
        if folder.is_dir():
            shutil.rmtree(folder)
    except OSError as error:
        raise InputError(f"{folder} cannot be removed: {error.strerror}.") from None
    with atomic_write(settings_file) as temporary:
        temporary.write_text(json.dumps(settings))


def _file(folder: Path, number: int) -> Path:
    return folder / f"chunk{number:05d}.npz"


def _predict(model: PoseModel, table: PoseTable, rows: np.ndarray, path: Path, flip: bool) -> None:
    """Work on one chunk and keep what was found."""
    found = predict_poses(model, table[rows], flip)
    with atomic_write(path) as temporary:
        np.savez(temporary, keypoints=found.keypoints, scores=found.scores, areas=found.areas)


def _gather(table: PoseTable, chunks: list[np.ndarray], folder: Path) -> PoseTable:
    """The table with what the chunks hold."""
    keypoints, scores = np.zeros_like(table.keypoints), np.zeros(len(table), np.float32)
    areas = np.zeros_like(scores)
    for number, rows in enumerate(chunks):
        path = _file(folder, number)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                keypoints[rows], scores[rows] = arrays["keypoints"], arrays["scores"]
                areas[rows] = arrays["areas"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path}: is damaged ({error}); remove it and resume, or start anew."
            ) from None
    return replace(table, keypoints=keypoints, scores=scores, areas=areas)


# --- several processes ---------------------------------------------------------------------------

_job: tuple[PoseModel, PoseTable, list[np.ndarray], Path, bool]


def _in_processes(work: bytes, places: list[str], missing: list[int]) -> Any:
    """Numbers of chunks as they are done; a process that is free takes the next."""
    context = get_context("spawn")  # CUDA does not survive a fork
    free = context.SimpleQueue()
    for place in places:
        free.put(place)
    threads = max(1, torch.get_num_threads() // len(places))
    with ProcessPoolExecutor(len(places), context, _begin, (work, free, threads)) as pool:
        futures = {pool.submit(_work, number): number for number in missing}
        try:
            for future in as_completed(futures):
                future.result()
                yield futures[future]
        except BrokenProcessPool:
            raise InputError(
                "a process was killed, perhaps for lack of memory; go on with --resume and fewer "
                "devices."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(work: bytes, free: Any, threads: int) -> None:
    """Make a new process ready."""
    global _job
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the first process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    model, *rest = pickle.loads(work)
    _job = (model.to(free.get()), *rest)


def _end_with_parent() -> None:
    """Leave no process behind where the first one was killed."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _work(number: int) -> None:
    model, table, chunks, folder, flip = _job
    _predict(model, table, chunks[number], _file(folder, number), flip)
