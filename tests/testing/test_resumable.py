"""Poses in chunks: killed, resumed, and on several devices, they stay the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.models import load_pose_model
from aptv2.models.pose.base import PoseModel
from aptv2.tables import PoseTable
from aptv2.testing import resumable
from aptv2.testing.resumable import predict_in_chunks


@pytest.fixture(scope="module")
def model() -> PoseModel:
    return load_pose_model("lite", device="cpu")


@pytest.fixture
def animals(small_release: Path) -> PoseTable:
    """The 40 animals of 10 clips, in no order."""
    table = read_annotations(small_release / "annotations" / "val_annotations.json")
    return table[np.random.default_rng(0).permutation(len(table))]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "_ANIMALS", 5)


def assert_same(found: PoseTable, expected: PoseTable) -> None:
    for name in ("frame", "boxes", "keypoints", "scores", "areas", "species", "ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


@pytest.mark.usefixtures("small_chunks")
def test_chunks_hold_whole_clips_and_every_animal_once(animals: PoseTable) -> None:
    parts = resumable._chunks(animals)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(animals)))
    assert all(len(rows) >= 5 for rows in parts[:-1])
    clips = [set(animals.frames.clips[animals.frame[rows]].tolist()) for rows in parts]
    assert sum(map(len, clips)) == len(set.union(*clips)) == 10


@pytest.mark.usefixtures("small_chunks")
def test_begun_again_it_keeps_what_is_done(
    model: PoseModel, animals: PoseTable, tmp_path: Path
) -> None:
    whole = predict_in_chunks(model, animals, tmp_path / "whole", flip=True)
    part = tmp_path / "part"
    predict_in_chunks(model, animals, part, flip=True)
    files = sorted(part.glob("*.npz"))
    assert len(files) > 3
    files[1].unlink()
    before = files[0].stat().st_mtime_ns
    resumed = predict_in_chunks(model, animals, part, flip=True, resume=True)
    assert_same(resumed, whole)
    assert files[0].stat().st_mtime_ns == before
    predict_in_chunks(model, animals, part, flip=True)
    assert files[0].stat().st_mtime_ns > before


@pytest.mark.usefixtures("small_chunks")
def test_two_processes_give_the_same(model: PoseModel, animals: PoseTable, tmp_path: Path) -> None:
    one = predict_in_chunks(model, animals, tmp_path / "one")
    two = predict_in_chunks(model, animals, tmp_path / "two", devices=2)
    assert_same(two, one)


@pytest.mark.slow
@pytest.mark.usefixtures("small_chunks")
def test_what_is_wrong_in_another_process(
    model: PoseModel, animals: PoseTable, tmp_path: Path
) -> None:
    name = animals.frames.names[animals.frame[3]]
    assert animals.root is not None
    (animals.root / name).write_bytes(b"no image")
    with pytest.raises(InputError, match=name):
        predict_in_chunks(model, animals, tmp_path / "chunks", devices=2)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda table: replace(table, boxes=table.boxes + 1), "data"),
        (lambda table: table[:-1], "data"),
        (None, "flip test"),
    ],
)
def test_another_run_is_not_resumed(
    change: Callable[[PoseTable], PoseTable] | None,
    names: str,
    model: PoseModel,
    animals: PoseTable,
    tmp_path: Path,
) -> None:
    predict_in_chunks(model, animals, tmp_path / "chunks")
    other = change(animals) if change else animals
    with pytest.raises(InputError, match=f"chunks: the run was started with other {names}"):
        predict_in_chunks(model, other, tmp_path / "chunks", flip=change is None, resume=True)


def test_other_weights_are_not_resumed(animals: PoseTable, tmp_path: Path) -> None:
    for seed, resume in ((0, False), (1, True)):
        model = load_pose_model("lite", "random", "cpu")
        for parameter in model.parameters():
            parameter.data.fill_(seed / 100)
        if resume:
            with pytest.raises(InputError, match="other weights; resume it with the same"):
                predict_in_chunks(model, animals, tmp_path / "chunks", resume=True)
        else:
            predict_in_chunks(model, animals, tmp_path / "chunks")


@pytest.mark.usefixtures("small_chunks")
def test_a_damaged_chunk(model: PoseModel, animals: PoseTable, tmp_path: Path) -> None:
    predict_in_chunks(model, animals, tmp_path / "chunks")
    chunk = tmp_path / "chunks" / "chunk00001.npz"
    chunk.write_bytes(chunk.read_bytes()[:100])
    with pytest.raises(InputError, match=r"chunk00001\.npz: is damaged .*; remove it and resume"):
        predict_in_chunks(model, animals, tmp_path / "chunks", resume=True)
    (tmp_path / "chunks" / "settings.json").write_text("{")
    with pytest.raises(InputError, match="cannot be resumed from"):
        predict_in_chunks(model, animals, tmp_path / "chunks", resume=True)


def test_impossible_devices(model: PoseModel, animals: PoseTable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="devices is 0; give 1 or more"):
        predict_in_chunks(model, animals, tmp_path / "chunks", devices=0)
    assert not (tmp_path / "chunks").exists()


def test_a_folder_that_cannot_be_written(
    model: PoseModel, animals: PoseTable, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        predict_in_chunks(model, animals, tmp_path / "file" / "chunks")


KILLED = """
import sys
from pathlib import Path
import torch
from aptv2.datasets import read_annotations
from aptv2.testing import resumable
from aptv2.models import load_pose_model

torch.set_num_threads(1)
resumable._ANIMALS = 5
if __name__ == "__main__":
    source, folder, devices = sys.argv[1:]
    table, model = read_annotations(source), load_pose_model("lite", device="cpu")
    resumable.predict_in_chunks(model, table, Path(folder), devices=int(devices))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that kills")
@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("devices", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_and_resumed(
    devices: int, model: PoseModel, animals: PoseTable, small_release: Path, tmp_path: Path
) -> None:
    source = small_release / "annotations" / "val_annotations.json"
    table, folder = read_annotations(source), tmp_path / "chunks"
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    process = subprocess.Popen([sys.executable, script, source, folder, str(devices)])
    first = folder / "chunk00001.npz"
    give_up = time.monotonic() + 120
    while not first.is_file() and process.poll() is None and time.monotonic() < give_up:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in folder.glob("chunk*.npz")}
    assert first in done
    assert len(done) < len(resumable._chunks(table))
    resumed = predict_in_chunks(model, table, folder, resume=True)
    assert_same(resumed, predict_in_chunks(model, table, tmp_path / "whole"))
    assert all(path.stat().st_mtime_ns == written for path, written in done.items())
