from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from aptv2.errors import InputError
from aptv2.files import atomic_write, check_target, sweep, temporary_name


def test_a_file_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "clip.pose.mp4"
    with atomic_write(path) as temporary:
        temporary.write_text("half")
        assert temporary.suffix == ".mp4"
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "half"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_stood_there_survives_a_failure(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "poses.json"
    path.write_text("good")

    def fail() -> None:
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "good"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "poses.json"
    said = r"poses\.json cannot be written: No space left"
    with pytest.raises(InputError, match=said), atomic_write(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def test_other_errors_of_the_block_are_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "poses.json"):
        (tmp_path / "missing").read_bytes()


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a folder"), atomic_write(tmp_path):
        pass
    with pytest.raises(InputError, match="cannot be written"), atomic_write(tmp_path / "file/a"):
        pass


def test_a_very_long_name(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 240 + ".json")
    with atomic_write(path) as temporary:
        temporary.touch()
    assert path.exists()


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain", tmp_path / "poses.json"
    plain.touch()
    with atomic_write(path) as temporary:
        temporary.write_text("x")
    assert path.stat().st_mode == plain.stat().st_mode


def test_what_is_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    (tmp_path / "circle").symlink_to("circle")
    for name, reason in (("pipe", "is not an ordinary file"), ("null", "is not an ordinary file")):
        with pytest.raises(InputError, match=reason), atomic_write(tmp_path / name):
            pass
    with pytest.raises(InputError, match="circle cannot be written"):
        check_target(tmp_path / "circle")
    assert (tmp_path / "null").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["circle", "null", "pipe"]


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "poses.csv").symlink_to(tmp_path / "disk" / "real.csv")
    with atomic_write(tmp_path / "poses.csv") as temporary:
        temporary.write_text("x")
    assert (tmp_path / "poses.csv").is_symlink()
    assert (tmp_path / "disk" / "real.csv").read_text() == "x"


def test_names_are_measured_in_bytes(tmp_path: Path) -> None:
    fits, long = "\u5b9f" * 80, "\u5b9f" * 84
    with atomic_write(tmp_path / f"{fits}.json") as temporary:
        temporary.touch()
    with pytest.raises(InputError, match="File name too long; its name has 257 bytes"):
        check_target(tmp_path / f"{long}.json")


def test_what_a_killed_process_left_is_removed_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 2**22 + 1)  # larger than any process number
        left, folder = tmp_path / temporary_name(".mp4"), tmp_path / temporary_name("")
    left.touch()
    folder.mkdir()
    (folder / "half").touch()
    ours = tmp_path / temporary_name(".csv")
    ours.touch()
    (tmp_path / ".aptv2-notes").touch()
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {ours.name, ".aptv2-notes"}
