from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from aptv2.errors import InputError
from aptv2.files import atomic_write


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
