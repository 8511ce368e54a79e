"""Claims: one holder at a time, given up by the dead, taken over once."""

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
    claim = first.take(tmp_path / "cell")
    assert claim is not None
    with claim:
        assert second.take(tmp_path / "cell") is None
        assert first.take(tmp_path / "cell") is None
        claim.check()
    assert list((tmp_path / "cell").iterdir()) == []
    again = second.take(tmp_path / "cell")
    assert again is not None
    with again:
        pass


def test_of_many_one_succeeds(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        for number in range(20):
            folders = [tmp_path / str(number)] * 16
            claims = list(pool.map(lambda folder: LeaseHolder().take(folder), folders))
            (claim,) = [each for each in claims if each is not None]
            with claim:
                pass


def dead_claim(folder: Path, place: str | None = None) -> None:
    """What a process that was killed leaves behind; of this machine, or of another `place`."""
    code = (
        "import os, sys; from pathlib import Path; from aptv2.benchmarks.leases import LeaseHolder; "
        "LeaseHolder().take(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=False)
    if place is not None:
        owner = json.loads((folder / "claim.1").read_text())
        (folder / "claim.1").write_text(json.dumps(owner | {"place": place}))


def test_the_dead_of_this_machine_give_up_at_once(tmp_path: Path) -> None:
    dead_claim(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: LeaseHolder().take(tmp_path), range(8)))
    (claim,) = [each for each in claims if each is not None]
    assert claim.path.name == "claim.2"
    with claim:
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_another_process_got_since_is_dead(tmp_path: Path) -> None:
    dead_claim(tmp_path)
    owner = json.loads((tmp_path / "claim.1").read_text())
    (tmp_path / "claim.1").write_text(json.dumps(owner | {"pid": os.getpid()}))
    claim = LeaseHolder().take(tmp_path)
    assert claim is not None
    with claim:
        pass


def test_the_dead_of_other_machines_give_up_after_a_while(tmp_path: Path) -> None:
    dead_claim(tmp_path, place="elsewhere/1")
    # Clocks of machines differ: what the file says of the time of day does not matter.
    os.utime(tmp_path / "claim.1", (0, 0))
    watcher = LeaseHolder(stale=0.3)
    assert watcher.take(tmp_path) is None
    time.sleep(0.4)
    claim = watcher.take(tmp_path)
    assert claim is not None
    with claim:
        pass


def test_the_living_of_other_machines_keep_theirs(tmp_path: Path) -> None:
    claim = LeaseHolder(beat=0.05).take(tmp_path)
    assert claim is not None
    owner = json.loads(claim.path.read_text())
    claim.path.write_text(json.dumps(owner | {"place": "elsewhere/1"}))
    watcher = LeaseHolder(stale=2)
    with claim:
        for _ in range(8):
            assert watcher.take(tmp_path) is None
            time.sleep(0.4)


def test_who_only_slept_notices(tmp_path: Path) -> None:
    sleeper = LeaseHolder(beat=1000).take(tmp_path)
    assert sleeper is not None
    owner = json.loads(sleeper.path.read_text())
    sleeper.path.write_text(json.dumps(owner | {"place": "elsewhere/1"}))
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
