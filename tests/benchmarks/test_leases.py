"""Leases: one holder at a time, given up by the dead, taken over once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aptv2.benchmarks.leases import LeaseHolder, LeaseLostError
from aptv2.errors import InputError


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = LeaseHolder(), LeaseHolder()
    lease = first.take(tmp_path / "cell")
    assert lease is not None
    with lease:
        assert second.take(tmp_path / "cell") is None
        assert first.take(tmp_path / "cell") is None
        lease.check()
    assert list((tmp_path / "cell").iterdir()) == []
    again = second.take(tmp_path / "cell")
    assert again is not None
    with again:
        pass


def test_of_many_one_succeeds(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        for number in range(20):
            folders = [tmp_path / str(number)] * 16
            leases = list(pool.map(lambda folder: LeaseHolder().take(folder), folders))
            (lease,) = [each for each in leases if each is not None]
            with lease:
                pass


def dead_lease(folder: Path, host: str | None = None) -> None:
    """What a process that was killed leaves behind; of this machine, or of another `host`."""
    code = (
        "import os, sys; from pathlib import Path\n"
        "from aptv2.benchmarks.leases import LeaseHolder\n"
        "LeaseHolder().take(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    if host is not None:
        owner = json.loads((folder / "lease.1").read_text())
        (folder / "lease.1").write_text(json.dumps(owner | {"host": host}))


def test_the_dead_of_this_machine_give_up_at_once(tmp_path: Path) -> None:
    dead_lease(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda _: LeaseHolder().take(tmp_path), range(8)))
    (lease,) = [each for each in leases if each is not None]
    assert lease.path.name == "lease.2"
    with lease:
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_another_process_got_since_is_dead(tmp_path: Path) -> None:
    dead_lease(tmp_path)
    owner = json.loads((tmp_path / "lease.1").read_text())
    (tmp_path / "lease.1").write_text(json.dumps(owner | {"pid": os.getpid()}))
    lease = LeaseHolder().take(tmp_path)
    assert lease is not None
    with lease:
        pass


def test_the_dead_of_other_machines_give_up_after_a_while(tmp_path: Path) -> None:
    dead_lease(tmp_path, host="elsewhere")
    # Clocks of machines differ: what the file says of the time of day does not matter.
    os.utime(tmp_path / "lease.1", (0, 0))
    watcher = LeaseHolder(stale=0.3)
    assert watcher.take(tmp_path) is None
    time.sleep(0.4)
    lease = watcher.take(tmp_path)
    assert lease is not None
    with lease:
        pass


def test_the_living_of_other_machines_keep_theirs(tmp_path: Path) -> None:
    lease = LeaseHolder(beat=0.05).take(tmp_path)
    assert lease is not None
    owner = json.loads(lease.path.read_text())
    lease.path.write_text(json.dumps(owner | {"host": "elsewhere"}))
    watcher = LeaseHolder(stale=2)
    with lease:
        for _ in range(8):
            assert watcher.take(tmp_path) is None
            time.sleep(0.4)


def test_who_only_slept_notices(tmp_path: Path) -> None:
    sleeper = LeaseHolder(beat=1000).take(tmp_path)
    assert sleeper is not None
    owner = json.loads(sleeper.path.read_text())
    sleeper.path.write_text(json.dumps(owner | {"host": "elsewhere"}))
    watcher = LeaseHolder(stale=0)
    assert watcher.take(tmp_path) is None
    successor = watcher.take(tmp_path)
    assert successor is not None
    with pytest.raises(LeaseLostError):
        sleeper.check()
    with sleeper:
        pass
    successor.check()
    with successor:
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        LeaseHolder().take(tmp_path / "file" / "cell")
