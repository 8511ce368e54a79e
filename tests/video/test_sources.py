"""Which videos a command line means."""

from __future__ import annotations

from pathlib import Path

import pytest

from aptv2.errors import InputError
from aptv2.video.sources import expand_sources, output_name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with videos, images and other files, which is also the working folder."""
    for name in (
        "clips/cat10.mp4",
        "clips/cat2.MP4",
        "clips/dog.mov",
        "clips/dog.pose.mp4",
        "clips/notes.txt",
        "clips/._dog.mov",
        "frames/001.jpg",
        "frames/002.jpg",
        "mixed/a.mp4",
        "mixed/b.png",
        "more/cat2.avi",
        "empty/readme.md",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(paths: list[Path]) -> list[str]:
    return [path.as_posix() for path in paths]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["clips/dog.mov", "clips/cat10.mp4"], ["clips/dog.mov", "clips/cat10.mp4"]),
        (["clips"], ["clips/cat2.MP4", "clips/cat10.mp4", "clips/dog.mov"]),
        (["frames"], ["frames"]),
        (["clips/cat*"], ["clips/cat2.MP4", "clips/cat10.mp4"]),
        (["clips/cat*.mp4"], ["clips/cat10.mp4"]),
        (["**/*.avi"], ["more/cat2.avi"]),
        (["fr*"], ["frames"]),
        (["[ef]*"], ["frames"]),
        (["clips/dog.mov", "clips/../clips/dog.mov", "clips/d*v"], ["clips/dog.mov"]),
        (["clips/dog.pose.mp4"], ["clips/dog.pose.mp4"]),
        (["clips/../frames", "more"], ["clips/../frames", "more/cat2.avi"]),
    ],
)
def test_expansion(folder: Path, arguments: list[str], expected: list[str]) -> None:
    assert names(expand_sources(arguments)) == expected


def test_absolute_patterns(folder: Path) -> None:
    assert expand_sources([f"{folder}/clips/*.mov"]) == [folder / "clips" / "dog.mov"]


def test_a_name_with_brackets_is_a_name_first(folder: Path) -> None:
    Path("cat[1].mp4").touch()
    assert names(expand_sources(["cat[1].mp4"])) == ["cat[1].mp4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.mp4"], r"gone\.mp4: no such file or folder"),
        (["clips/*.mkv"], r"clips/\*\.mkv: no video file or folder of images matches"),
        (["clips/*.txt"], "no video file or folder of images matches"),
        (["e*"], "no video file or folder of images matches"),
        (["**more"], "cannot be searched|no video file"),  # Python 3.13 takes it for a plain *.
        (["x" * 300], "x: cannot be read: File name too long"),
        (["empty"], "empty: holds neither video files nor images"),
        (["mixed"], r"mixed: holds both images \(b\.png\) and videos \(a\.mp4\)"),
        (["frames/001.jpg"], r"001\.jpg: is one image; give the folder .* frames"),
        (["clips", "more"], r"cat2\.MP4 and more/cat2\.avi would write the same output files"),
    ],
)
def test_refused(folder: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        expand_sources(arguments)


def test_names_that_differ_in_case_only_collide(folder: Path) -> None:
    Path("more/CAT10.avi").touch()
    with pytest.raises(InputError, match="would write the same output files"):
        expand_sources(["clips/cat10.mp4", "more/CAT10.avi"])


def test_output_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("run.2024").mkdir()
    assert output_name(Path("clips/cat2.MP4")) == "cat2"
    assert output_name(Path("run.2024")) == "run.2024"
    monkeypatch.chdir("frames")
    assert output_name(Path()) == "frames"
