"""Runs on videos with damaged frames, gaps and faults of all kinds, and on disks that fill up."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from aptv2 import read_annotations
from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.inference import Interrupted, track_video, track_videos
from aptv2.inference.checkpointing import held_results
from aptv2.inference.output import Output
from aptv2.video.reader import open_video
from aptv2.video.writer import VideoWriter

Clip = Callable[..., Path]


@pytest.fixture
def damaged(make_clip: Clip, animal_clip: Callable[..., SimpleNamespace]) -> Path:
    """20 frames of one animal, the ninth and tenth damaged."""
    images = animal_clip({"red": ((30, 40), (106, 40), 0, 19)}, 20, "whole.mp4").images
    path = make_clip("clip.mov", images, size=(160, 96), codec="mjpeg", pixels="yuvj420p")
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for start, size in places[8:10]:
        data[start : start + size] = bytes(size)
    path.write_bytes(data)
    return path


@pytest.mark.filterwarnings("ignore:.*damaged frames are left out")
def test_results_leave_a_gap(damaged: Path, blobs: dict, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text(
        "frame,x,y,width,height,track_id\n0,15,30,30,20,1\n8,55,30,30,20,2\n"
    )
    out = tmp_path / "out"
    table = track_video(damaged, out, boxes=tmp_path / "boxes.csv", export=["dlc-csv"], **blobs)
    numbers = [*range(8), *range(10, 20)]
    for found in (table, read_annotations(out / "clip.tracks.json")):
        assert found.frames.indices.tolist() == numbers
        np.testing.assert_allclose(found.frames.times, np.array(numbers) / 25, atol=1e-6)
    # An animal that appears in a damaged frame appears in the next.
    first = table.frame[table.tracks == 2].min()
    assert table.frames.indices[first] == 10
    rows = (out / "clipDLC_aptv2.csv").read_text().splitlines()[4:]
    assert [int(row.split(",")[0]) for row in rows] == numbers
    # The overlay's frames have the numbers of the video's.
    assert [f.index for f in open_video(out / "clip.pose.mp4")] == list(range(20))


@pytest.mark.filterwarnings("ignore:.*damaged frames are left out")
def test_a_run_that_stops_at_a_gap_is_resumed(damaged: Path, blobs: dict, tmp_path: Path) -> None:
    whole = track_video(damaged, **blobs)

    def stop(done: int, _: int | None) -> None:
        if done >= 6:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted) as caught:
        track_video(damaged, tmp_path / "out", progress=stop, **blobs)
    assert caught.value.code == 128 + signal.SIGTERM
    assert len(read_annotations(tmp_path / "out" / "clip.tracks.json").frames) >= 6
    resumed = track_video(damaged, tmp_path / "out", resume=True, **blobs)
    np.testing.assert_array_equal(resumed.frames.indices, whole.frames.indices)
    np.testing.assert_array_equal(resumed.boxes, whole.boxes)
    assert len(list(open_video(tmp_path / "out" / "clip.pose.mp4"))) == 20
    assert not list((tmp_path / "out").glob(".*"))


def test_a_first_box_is_refused_by_the_end_not_by_a_guess(
    make_clip: Clip, animal_clip: Callable[..., SimpleNamespace], blobs: dict, tmp_path: Path
) -> None:
    times = [0.2 * n for n in range(10)] + [2 + n / 30 for n in range(40)]
    images = animal_clip({"red": ((30, 40), (79, 40), 0, 49)}, 50).images
    path = make_clip("rising.mkv", images, size=(160, 96), fps=5, times=times)
    assert (open_video(path).frame_count or 0) < 40
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("frame,x,y,width,height\n45,60,30,30,20\n")
    table = track_video(path, boxes=boxes, **blobs)
    assert len(table.frames) == 50
    assert table.frames.indices[table.frame].min() == 45
    boxes.write_text("frame,x,y,width,height\n50,60,30,30,20\n")
    with pytest.raises(InputError, match=r"frame 50 is beyond the end of .* whose 50 frames count"):
        track_video(path, boxes=boxes, **blobs)


def test_whatever_one_video_leads_to_the_others_are_tracked(
    two_animals: SimpleNamespace, blobs: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = two_animals.path.with_name("another.mp4")
    other.write_bytes(two_animals.path.read_bytes())

    def fail(source: Path, *args: object, **options: object) -> object:
        if source == other:
            raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid start byte")
        return track_video(source, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("aptv2.inference.pipeline.track_video", fail)
    outcomes = list(track_videos([other, two_animals.path], tmp_path / "out", **blobs))
    assert [outcome.code for outcome in outcomes] == [1, 0]
    assert str(other) in outcomes[0].sentence
    assert (tmp_path / "out" / "clip.tracks.json").is_file()


@pytest.mark.parametrize("method", ["write", "close"])
def test_a_disk_that_fills_up_leaves_the_tables(
    two_animals: SimpleNamespace,
    blobs: dict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    def full(*_: object) -> None:
        with atomic_write(tmp_path / "out" / "x"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(VideoWriter, method, full)
    with pytest.raises(InputError, match="No space left on device"):
        track_video(two_animals.path, tmp_path / "out", **blobs)
    assert len(read_annotations(tmp_path / "out" / "clip.tracks.json").frames) > 0
    assert (tmp_path / "out" / "clip.csv").is_file()
    assert not (tmp_path / "out" / "clip.pose.mp4").exists()


def test_names_that_the_disk_cannot_hold_are_refused_before_any_work(
    make_clip: Clip, blobs: dict, tmp_path: Path
) -> None:
    long = make_clip("a" * 246 + ".mp4", 3)
    with pytest.raises(InputError, match=r"tracks\.json cannot be written: File name too long"):
        track_video(long, tmp_path / "out", **blobs)
    os.mkfifo(tmp_path / "out" / "clip.csv")
    with pytest.raises(InputError, match="is not an ordinary file"):
        track_video(make_clip(frames=3), tmp_path / "out", **blobs)


def test_results_are_named_as_the_video_was(make_clip: Clip, blobs: dict, tmp_path: Path) -> None:
    link = tmp_path / "monday.mp4"
    link.symlink_to(make_clip("c0ffee.mp4", 3))
    track_video(link, tmp_path / "out", overlay=False, **blobs)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"monday.tracks.json", "monday.csv"}


def test_results_in_use_are_refused(two_animals: SimpleNamespace, tmp_path: Path) -> None:
    output = Output(tmp_path, "clip")
    with held_results(output):
        assert output.unfinished.is_dir()
    assert not output.unfinished.exists()
