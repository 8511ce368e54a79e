"""Locks of folders: one process at a time, and none that outlives its process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from aptv2.errors import InputError
from aptv2.locks import LOCK_FILES, Owner, held

HOLDER = """
import os, sys
from pathlib import Path
from aptv2.locks import held

with held(Path(sys.argv[1]), "training into"):
    if sys.argv[2:] == ["fork"] and os.fork() == 0:
        print("held", os.getpid(), flush=True)
        sys.stdin.read()
        os._exit(0)
    if not sys.argv[2:]:
        print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process that holds a folder, and what it said when it did."""
    command = [sys.executable, "-c", HOLDER, str(folder), *options]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()
        process.kill()


def test_the_second_process_hears_who_holds_it(tmp_path: Path) -> None:
    with holding(tmp_path) as (process, said):
        assert said == ["held"]
        expected = (
            rf"{re.escape(str(tmp_path))}: process {process.pid} on {socket.gethostname()}, since "
            r"\d{4}-\d\d-\d\d \d\d:\d\d UTC, is training into it; give another folder, or wait "
            r"until it has ended\.$"
        )
        with pytest.raises(InputError, match=expected), held(tmp_path, "training into"):
            pass
    assert list(tmp_path.glob("*.ckpt")) == []


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with holding(tmp_path) as (process, _):
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert {path.name for path in tmp_path.iterdir()} == {"kept", *LOCK_FILES}
        with held(tmp_path, "testing into"):
            owner = Owner.read(tmp_path / LOCK_FILES[1])
            assert owner is not None
            assert owner.pid == os.getpid()
    assert {path.name for path in tmp_path.iterdir()} == {"kept", LOCK_FILES[0]}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_a_forked_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    """The loaders' processes are forked and may live a little longer than training."""
    with holding(tmp_path, "fork") as (process, said):
        child = int(said[1])
        process.send_signal(signal.SIGKILL)
        process.wait()
        try:
            with held(tmp_path, "training into"):
                os.kill(child, 0)  # it is still there
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_process_does_not_hold_a_folder_twice(tmp_path: Path) -> None:
    with (
        held(tmp_path, "training into"),
        pytest.raises(InputError, match=f"process {os.getpid()} .* is testing into it"),
        held(tmp_path, "testing into"),
    ):
        pass
    with held(tmp_path, "testing into"):
        pass


def test_what_is_refused_at_once_leaves_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path / "new" / "run", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match="refused"), held(folder, "training into"):
            raise ValueError("refused")
    assert not (tmp_path / "new" / "run").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        expected = rf"{re.escape(str(folder))}: cannot be written.*; give a(nother)? folder\.$"
        with pytest.raises(InputError, match=expected), held(folder, "training into"):
            pass


class TestOwner:
    def test_it_is_read_back(self, tmp_path: Path) -> None:
        owner = Owner.current()
        (tmp_path / "owner").write_bytes(owner.to_json())
        assert Owner.read(tmp_path / "owner") == owner
        assert owner.pid == os.getpid()
        assert str(owner).startswith(f"process {os.getpid()} on {socket.gethostname()}, since 2")

    @pytest.mark.parametrize("content", [None, b"", b"[]", b'{"pid": 3}'])
    def test_what_names_none(self, content: bytes | None, tmp_path: Path) -> None:
        if content is not None:
            (tmp_path / "owner").write_bytes(content)
        assert Owner.read(tmp_path / "owner") is None

    def test_who_is_dead(self) -> None:
        owner = Owner.current()
        ended = subprocess.Popen([sys.executable, "-c", ""])
        ended.wait()
        gone = replace(owner, pid=ended.pid)
        assert not owner.is_dead
        assert gone.is_dead
        assert not replace(gone, host="elsewhere").is_dead
        assert not replace(gone, namespace=owner.namespace + 1).is_dead

    @pytest.mark.skipif(Owner.current().started is None, reason="needs /proc")
    def test_a_number_that_a_later_process_was_given(self) -> None:
        assert replace(Owner.current(), started="1").is_dead
