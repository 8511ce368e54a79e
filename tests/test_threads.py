"""Threads: passive before a library is loaded, as many as the machine gives, the user's choice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aptv2 import threads

BARE = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("OMP_", "GOMP_", "KMP_", "OPENBLAS_", "OPENCV_", "MKL_"))
}
SHOW = """
import json, sys, aptv2
print(json.dumps({"environment": dict(__import__("os").environ), "loaded": sorted(sys.modules)}))
"""


def shown(code: str, **environment: str) -> dict[str, str]:
    """The environment of a new process once it has run some code, which loads nothing heavy."""
    done = subprocess.run(
        [sys.executable, "-c", code + SHOW],
        env=BARE | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert not {"torch", "cv2", "numpy", "av"} & set(said["loaded"])
    return said["environment"]


def test_importing_the_package_changes_nothing() -> None:
    assert not threads._WAITING.keys() & shown("").keys()


@pytest.mark.parametrize(
    "code",
    [
        "import aptv2; aptv2.limit_threads()",
        "from aptv2.cli.main import app\ntry: app(['train', '--list'])\nexcept SystemExit: pass",
    ],
    ids=["the call", "the command"],
)
def test_one_call_or_the_command_makes_threads_passive(code: str) -> None:
    assert threads._WAITING.items() <= shown(code).items()


def test_what_the_user_set_is_kept() -> None:
    user = {"OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": "3", "KMP_BLOCKTIME": "7"}
    after = shown("import aptv2; assert aptv2.limit_threads() == 3", **user)
    assert user.items() <= after.items()
    assert after["GOMP_SPINCOUNT"] == "0"


def test_a_number_that_is_given_wins() -> None:
    after = shown("import aptv2; assert aptv2.limit_threads(2) == 2", OMP_NUM_THREADS="3")
    assert (after["OMP_NUM_THREADS"], after["OPENCV_FOR_THREADS_NUM"]) == ("2", "2")
    with pytest.raises(ValueError, match="count 0: give at least one thread"):
        threads.limit_threads(0)


def test_too_late_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import cv2
    import torch

    for name in threads._WAITING:
        monkeypatch.setenv(name, "1")
    for name in threads._COUNTS:
        monkeypatch.setenv(name, "1")
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        with pytest.warns(UserWarning, match="came after the import of torch and cv2"):
            threads.limit_threads(1)
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_idle_threads_take_no_time() -> None:
    """A process whose two threads have computed, then wait: it uses next to no processor time."""
    code = """
import time, sys
from aptv2.threads import limit_threads
if sys.argv[1] == "passive": limit_threads(2)
import torch
torch.set_num_threads(2)
a = torch.ones(400, 400)
wall = cpu = 0.0
for _ in range(40):
    a @ a
    t, c = time.perf_counter(), time.process_time()
    time.sleep(0.005)  # a spinning thread of OpenMP counts here
    wall, cpu = wall + time.perf_counter() - t, cpu + time.process_time() - c
print(cpu / wall)
"""

    def share(how: str) -> float:
        command = [sys.executable, "-c", code, how]
        environment = BARE | ({} if how == "passive" else {"OMP_WAIT_POLICY": "ACTIVE"})
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return float(done.stdout)

    passive = share("passive")
    assert passive < 0.1
    if sys.platform == "linux":  # else the test could not fail
        assert share("active") > 3 * passive


def folder(path: Path, **files: str) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (path / name.replace("_DOT_", ".")).write_text(text)


class TestQuota:
    def quota(self, tmp_path: Path, membership: str) -> float | None:
        (tmp_path / "cgroup").write_text(membership)
        return threads._cgroup_quota(tmp_path / "cgroup", tmp_path / "mount")

    def test_version_2_and_its_parents(self, tmp_path: Path) -> None:
        mount = tmp_path / "mount"
        folder(mount / "user" / "job", cpu_DOT_max="max 100000\n")
        assert self.quota(tmp_path, "0::/user/job\n") is None
        folder(mount / "user", cpu_DOT_max="150000 100000\n")
        assert self.quota(tmp_path, "0::/user/job\n") == 1.5
        folder(mount / "user" / "job", cpu_DOT_max="50000 100000\n")
        assert self.quota(tmp_path, "0::/user/job\n") == 0.5
        assert self.quota(tmp_path, "0::/\n") is None

    def test_a_container_sees_its_own_root(self, tmp_path: Path) -> None:
        folder(tmp_path / "mount", cpu_DOT_max="200000 100000\n")
        assert self.quota(tmp_path, "0::/docker/0123abc\n") == 2

    @pytest.mark.parametrize("place", ["cpu,cpuacct", "cpu"])
    def test_version_1(self, tmp_path: Path, place: str) -> None:
        files = {"cpu_DOT_cfs_quota_us": "-1\n", "cpu_DOT_cfs_period_us": "100000\n"}
        said = "5:memory:/job\n4:cpu,cpuacct:/job\n"
        folder(tmp_path / "mount" / place / "job", **files)
        assert self.quota(tmp_path, said) is None
        folder(tmp_path / "mount" / place / "job", cpu_DOT_cfs_quota_us="25000\n")
        assert self.quota(tmp_path, said) == 0.25

    def test_no_cgroups_or_broken_ones(self, tmp_path: Path) -> None:
        assert threads._cgroup_quota(tmp_path / "nowhere", tmp_path) is None
        folder(tmp_path / "mount", cpu_DOT_max="what\n")
        assert self.quota(tmp_path, "0::/\n") is None


@pytest.mark.parametrize(("quota", "usable"), [(None, 8), (0.5, 1), (1.5, 2), (64.0, 8)])
def test_threads_follow_the_quota(
    monkeypatch: pytest.MonkeyPatch, quota: float | None, usable: int
) -> None:
    monkeypatch.setattr(threads, "_affinity", lambda: 8)
    monkeypatch.setattr(threads, "_cgroup_quota", lambda: quota)
    assert threads.usable_cpus() == usable
    for name in threads._COUNTS:
        monkeypatch.delenv(name, raising=False)
    threads.set_environment()
    expected = None if usable == 8 else str(usable)
    assert [os.environ.get(name) for name in threads._COUNTS] == [expected, expected]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux's affinity")
def test_affinity_counts() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from aptv2.threads import usable_cpus; assert usable_cpus() == 1"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_parts_share_the_cores() -> None:
    import torch

    alone = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        with threads.shared_cores(2):
            assert torch.get_num_threads() == 2
        with threads.shared_cores(8):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(alone)
