"""Videos spread over a Ray cluster: the same results, also where a worker dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.inference import track_videos
from aptv2.inference.cluster import on_ray
from aptv2.video.writer import VideoWriter

FRAMES, CLIPS = 24, 8


@pytest.fixture(scope="module")
def ray() -> Iterator[object]:
    module = pytest.importorskip("ray", reason="Ray is not installed")
    yield module
    module.shutdown()


@pytest.fixture(scope="module")
def clips(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short clips of an animal, each a little further to the left."""
    frames = sorted((shared / "data/davis/got10k_layout/val").rglob("*.jpg"))[:FRAMES]
    folder = tmp_path_factory.mktemp("clips")
    images = [np.ascontiguousarray(cv2.imread(str(f))[::2, ::2, ::-1]) for f in frames]
    for number in range(CLIPS):
        with VideoWriter(folder / f"{number}.mp4", 320, 180, 25) as writer:
            for image in images:
                writer.write(np.roll(image, -8 * number, axis=1))
    return folder


def _written(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix != ".mp4"}


@pytest.mark.slow
def test_as_local_and_one_worker_killed(ray: object, clips: Path, tmp_path: Path) -> None:
    local = list(track_videos([clips], tmp_path / "local", overlay=False))
    assert [outcome.code for outcome in local] == [0] * CLIPS
    spread, killed = [], False
    for outcome in track_videos([clips], tmp_path / "ray", overlay=False, engine="ray"):
        spread.append(outcome)
        if not killed:
            os.kill(_worker(), signal.SIGKILL)
            killed = True
    assert [outcome.code for outcome in spread] == [0] * CLIPS
    assert len(_written(tmp_path / "local")) == 2 * CLIPS
    assert _written(tmp_path / "ray") == _written(tmp_path / "local")


@pytest.mark.slow
def test_as_local_and_one_machine_of_two_lost(ray: object, clips: Path, tmp_path: Path) -> None:
    few = [clips / f"{number}.mp4" for number in range(3)]
    local = list(track_videos(few, tmp_path / "local", overlay=False))
    assert [outcome.code for outcome in local] == [0] * len(few)
    from ray.cluster_utils import Cluster

    ray.shutdown()  # type: ignore[attr-defined]
    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        second = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)  # type: ignore[attr-defined]
        cluster.wait_for_nodes(timeout=30)
        remover = threading.Thread(
            target=_remove_busy, daemon=True, args=(cluster, second, tmp_path / "ray")
        )
        remover.start()
        spread = []
        for outcome in track_videos(few, tmp_path / "ray", overlay=False, engine="ray"):
            spread.append((outcome, remover.is_alive()))
        remover.join(timeout=10)
        alive = [node["Alive"] for node in ray.nodes()]  # type: ignore[attr-defined]
    finally:
        ray.shutdown()  # type: ignore[attr-defined]
        cluster.shutdown()
    assert sorted(alive) == [False, True]
    assert [outcome.code for outcome, _ in spread] == [0] * len(few)
    assert not spread[-1][1]  # some videos were done after the machine was lost
    assert len(_written(tmp_path / "local")) == 2 * len(few)
    assert _written(tmp_path / "ray") == _written(tmp_path / "local")


def _remove_busy(cluster: Any, machine: object, out: Path) -> None:
    """Take a machine away while both have a video in work."""
    while len(list(out.glob(".*.part"))) < 2:
        time.sleep(0.01)
    cluster.remove_node(machine)


def _worker() -> int:
    """The process of the actor."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            title = (process / "cmdline").read_bytes()
            if title.startswith(b"ray::_Worker"):
                return int(process.name)
    raise AssertionError("there is no worker")


@pytest.mark.slow
def test_ctrl_c_leaves_no_process_and_can_be_resumed(
    ray: object, clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "aptv2", "track", clips, "-o", out, "--no-video"]
    command += ["--engine", "ray"]
    started = subprocess.Popen(
        command,
        env={**os.environ, "STARTED_BY": str(tmp_path)},
        start_new_session=True,
        stderr=subprocess.PIPE,
        # What a shell starts in the background ignores Ctrl-C, and so do its children.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    while not list(out.glob("*.csv")):
        assert started.poll() is None
        time.sleep(0.1)
    os.killpg(started.pid, signal.SIGINT)
    _, reported = started.communicate(timeout=60)
    assert started.returncode == 130
    assert b"resume with the same command and --resume." in reported
    deadline = time.monotonic() + 20
    while left := _children(tmp_path):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
    assert len(list(out.glob("*.csv"))) < CLIPS
    assert subprocess.run([*command, "--resume"], check=False).returncode == 0
    assert len(list(out.glob("*.csv"))) == CLIPS


def _children(folder: Path) -> list[str]:
    """Processes that were started with the folder as their mark."""
    mark = f"STARTED_BY={folder}\0".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text().replace("\0", " ")[:100])
        except OSError:
            continue  # it has ended
    return [command for command in found if command]


def _die(job: int, retry: bool) -> str:
    if job == 1 or (job == 2 and not retry):
        os.kill(os.getpid(), signal.SIGKILL)
    return f"{job} {retry}"


@pytest.mark.slow
def test_a_job_that_kills_every_worker_is_given_up(ray: object) -> None:
    # A plain function travels by value where its module cannot be imported.
    done = on_ray(_by_value(ray), range(4), lambda job, attempts: f"{job} lost after {attempts}")
    assert sorted(done) == ["0 False", "1 lost after 3", "2 True", "3 False"]


def _by_value(ray: object) -> object:
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[attr-defined]
    return _die


def test_without_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"--engine ray needs Ray: pip install 'aptv2\[ray\]'"):
        list(on_ray(_die, [1], lambda job, attempts: ""))
