"""Every format on a disk that is full: one sentence, what was there stays, and no crash."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aptv2.export import write_coco
from aptv2.export.formats import FORMATS
from aptv2.tables import Frames, PoseTable

_WRITE = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from aptv2.errors import InputError
from aptv2.export.formats import FORMATS
from aptv2.tables import Frames, PoseTable

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
frames = Frames.make(300, indices=np.arange(300), times=np.arange(300) / 25, sizes=[[64, 48]] * 300)
rng = np.random.default_rng(0)
keypoints = rng.uniform(1, 40, (300, 17, 3)).astype(np.float32) % 1
table = PoseTable.make(
    frames, np.arange(300), boxes=rng.uniform(1, 40, (300, 4)), keypoints=keypoints,
    scores=rng.uniform(0, 1, 300), tracks=np.ones(300),
)
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
for name in sys.argv[2:]:
    path = folder / ("clip" + FORMATS[name].suffix)
    try:
        FORMATS[name].write(table, path)
    except InputError as error:
        print(name, error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on the size of files is the full disk")
def test_a_full_disk_is_one_sentence_and_leaves_what_was_there(tmp_path: Path) -> None:
    names = [name for name, found in FORMATS.items() if found.available and not found.folder]
    assert {"csv", "coco", "mot"} < set(names)
    for name in names:
        (tmp_path / f"clip{FORMATS[name].suffix}").write_text("good")
    # In a process of its own: HDF5 used to end it.
    done = subprocess.run(
        [sys.executable, "-c", _WRITE, str(tmp_path), *names], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        path = tmp_path / f"clip{FORMATS[name].suffix}"
        assert line.startswith(f"{name} {path} cannot be written: ")
        assert line.endswith("File too large.")
        assert path.read_text() == "good"
    assert len(list(tmp_path.iterdir())) == len(names)


_LIMITED = """
import resource, signal, sys
from aptv2.cli.main import app

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
app(sys.argv[2:])
"""


def _limited(limit: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command for which the disk is full when a file has so many bytes."""
    command = [sys.executable, "-c", _LIMITED, str(limit), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50)


def _assert_refused(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 2, (done.returncode, done.stderr)
    # The progress of a video may come before.
    lines = [line for line in done.stderr.splitlines() if "clip.mp4 ━" not in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: ")
    assert "File too large" in lines[0] or "make room on the disk" in lines[0]
    assert lines[0].endswith(".")


def _content(path: Path) -> bytes:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return b"".join(file.read_bytes() for file in files if file.is_file())


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a limit on the size of files is the full disk")
@pytest.mark.parametrize("name", list(FORMATS))
def test_export_on_a_full_disk(name: str, tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    found = FORMATS[name]
    if not found.available:
        pytest.skip(f"needs what {name} needs")
    clip = make_clip(frames=60)
    frames = Frames.make(60, indices=np.arange(60), times=np.arange(60) / 25, sizes=[[64, 48]] * 60)
    rng = np.random.default_rng(0)
    table = PoseTable.make(
        frames,
        np.arange(60),
        boxes=rng.uniform(1, 20, (60, 4)),
        keypoints=rng.uniform(0.1, 1, (60, 17, 3)),
        scores=rng.uniform(0, 1, 60),
        tracks=np.ones(60),
    )
    tracks = tmp_path / "clip.tracks.json"
    write_coco(table, tracks)
    target = tmp_path / "out" / ("clip" + found.suffix)
    target.parent.mkdir()
    export = ["export", tracks, "--to", name, "--video", clip, "-o", target]
    assert _limited(10**9, *export).returncode == 0
    good = _content(target)
    sizes = [f.stat().st_size for f in [target, *target.rglob("*")] if f.is_file()]
    for limit in (0, max(sizes) // 2):
        if found.folder:
            # What exists is refused whatever the disk holds, so a new folder is begun.
            export[-1] = target.with_name(f"{limit}{found.suffix}")
        _assert_refused(_limited(limit, *export))
        assert _content(target) == good
        assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="a limit on the size of files is the full disk")
@pytest.mark.parametrize("limit", [0, 1000, 4000, 10_000, 30_000])
def test_track_on_a_full_disk(limit: int, tmp_path: Path, make_clip: Callable[..., Path]) -> None:
    """The overlay, the tracks and the tables of a run."""
    clip, out = make_clip(frames=60, size=(320, 240)), tmp_path / "out"
    names = ("clip.tracks.json", "clip.csv", "clip.pose.mp4")
    out.mkdir()
    for name in names:
        (out / name).write_text("good")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("frame,x,y,width,height\n0,50,50,100,100\n")
    _assert_refused(_limited(limit, "track", clip, "-o", out, "--boxes", boxes))
    for name in names:
        content = (out / name).read_bytes()
        # A table that had room is new and whole, whatever else had none.
        assert content == b"good" or content[-1:] in b"\n}]", name
    assert (out / "clip.pose.mp4").read_text() == "good"
    assert not list(out.glob(".aptv2-*"))


def test_deeplabcut_files_are_equal_from_run_to_run(tmp_path: Path) -> None:
    if not FORMATS["dlc"].available:
        pytest.skip("needs pandas and tables")
    table = PoseTable.make(
        Frames.make(3, indices=np.arange(3)),
        np.arange(3),
        keypoints=np.full((3, 17, 3), 0.5),
        scores=np.ones(3),
        tracks=np.ones(3),
    )
    contents = []
    for number in range(2):
        path = tmp_path / f"{number}.h5"
        FORMATS["dlc"].write(table, path)
        contents.append(path.read_bytes())
        time.sleep(1.1)  # HDF5 counts seconds.
    assert contents[0] == contents[1]
