"""Runs on a video that are interrupted or killed, and resume to the same end."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from track_results import assert_same, fail, press_ctrl_c, video_frames, write_boxes

from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.inference import results as results_module
from aptv2.inference.batch import track_videos
from aptv2.inference.pipeline import Interrupted, track_video
from aptv2.inference.progress import Stop

Networks = dict[str, Any]


@pytest.fixture(autouse=True)
def ctrl_c_interrupts() -> Iterator[None]:
    """As in a terminal; a shell starts its background jobs with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint every 8 frames."""
    monkeypatch.setattr(results_module, "CHECKPOINT_FRAMES", 8)


@pytest.mark.parametrize(
    ("call", "options"),
    [(0, {}), (21, {}), (41, {}), (21, {"smooth": True}), (21, {"boxes": True})],
    ids=str,
)
@pytest.mark.usefixtures("often")
def test_an_interrupted_run_goes_on_to_the_same_end(
    call: int,
    options: dict[str, Any],
    two_animals: SimpleNamespace,
    blobs: Networks,
    tmp_path: Path,
) -> None:
    if "boxes" in options:
        rows = ["0,10,20,30,20,3", "12,108,58,30,20,7"]
        options = {"boxes": write_boxes(tmp_path / "b.csv", *rows)}
    options = options | {"resume": True}
    whole = track_video(two_animals.path, tmp_path / "whole", **options, **blobs)
    out, pose = tmp_path / "out", blobs["pose"]
    begun = pose.calls
    pose.events[begun + call] = press_ctrl_c
    with pytest.raises(Interrupted, match="; resume with the same command and --resume") as caught:
        track_video(two_animals.path, out, **options, **blobs)
    kept = read_annotations(out / "clip.tracks.json")
    count = len(kept.frames)
    assert call - 4 < count < 46
    assert f"interrupted after {count} frames" in str(caught.value)
    assert_same(kept, whole.with_frames(np.arange(count)))
    assert len(video_frames(out / "clip.pose.mp4")) == count

    blobs["tracker"] = type(blobs["tracker"])()
    resumed = track_video(two_animals.path, out, **options, **blobs)
    # No frame's pose was read twice.
    assert pose.calls - begun == 46
    assert_same(resumed, whole)
    assert {p.name for p in out.iterdir()} == {p.name for p in (tmp_path / "whole").iterdir()}
    for suffix in ("clip.tracks.json", "clip.csv"):
        assert (out / suffix).read_text() == (tmp_path / "whole" / suffix).read_text()
    first, second = (video_frames(f / "clip.pose.mp4") for f in (tmp_path / "whole", out))
    assert first.shape == second.shape
    # The same drawing, encoded around other key frames.
    assert np.abs(first.astype(int) - second).mean() < 1.5


def test_a_run_with_other_settings_or_damage_is_not_resumed(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    blobs["pose"].events[9] = press_ctrl_c
    with pytest.raises(Interrupted):
        track_video(two_animals.path, out, **blobs)
    with pytest.raises(InputError, match="started with --smooth False, not True"):
        track_video(two_animals.path, out, resume=True, smooth=True, **blobs)
    boxes = write_boxes(tmp_path / "b.csv", "0,10,20,30,20,1")
    with pytest.raises(InputError, match=r"started with --boxes none, not b\.csv"):
        track_video(two_animals.path, out, resume=True, boxes=boxes, **blobs)
    state = out / ".clip.part" / "state.npz"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(InputError, match=r"cannot be resumed.*run again without --resume"):
        track_video(two_animals.path, out, resume=True, **blobs)
    assert len(track_video(two_animals.path, out, **blobs).frames) == 46
    assert not (out / ".clip.part").exists()


def test_a_report_that_stops_is_as_ctrl_c(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    whole = track_video(two_animals.path, **blobs)

    def report(done: int, total: int | None) -> None:
        if done >= 12:
            raise Stop

    options = {"resume": True, "overlay": False, **blobs}
    with pytest.raises(Interrupted):
        track_video(two_animals.path, tmp_path, progress=report, **options)
    assert 12 <= len(read_annotations(tmp_path / "clip.tracks.json").frames) < 46
    told: list[int] = []
    resumed = track_video(
        two_animals.path, tmp_path, progress=lambda done, _: told.append(done), **options
    )
    assert told[0] > 12
    assert_same(resumed, whole)


def test_an_interrupted_run_does_not_write_over_a_finished_one(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    whole = track_video(two_animals.path, out, **blobs)
    blobs["pose"].events[blobs["pose"].calls + 9] = press_ctrl_c
    with pytest.raises(Interrupted):
        track_video(two_animals.path, out, **blobs)
    assert_same(read_annotations(out / "clip.tracks.json"), whole)
    assert_same(track_video(two_animals.path, out, resume=True, **blobs), whole)


def test_what_is_done_is_not_done_again(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    table = track_video(two_animals.path, tmp_path / "out", **blobs)
    calls = blobs["pose"].calls
    assert_same(track_video(two_animals.path, tmp_path / "out", resume=True, **blobs), table)
    assert blobs["pose"].calls == calls


def test_ctrl_c_ends_all_videos_and_the_second_press_ends_at_once(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    other = two_animals.path.with_name("other.mp4")
    other.write_bytes(two_animals.path.read_bytes())
    blobs["pose"].events[9] = press_ctrl_c
    outcomes = list(track_videos([two_animals.path, other], tmp_path / "out", **blobs))
    assert [outcome.code for outcome in outcomes] == [130]

    def twice() -> None:
        press_ctrl_c()
        time.sleep(0.1)  # two signals at once are one
        press_ctrl_c()

    blobs["pose"].events[blobs["pose"].calls + 5] = twice
    with pytest.raises(KeyboardInterrupt) as caught:
        track_video(two_animals.path, tmp_path / "two", **blobs)
    assert not isinstance(caught.value, Interrupted)
    assert not list((tmp_path / "two").iterdir())


@pytest.mark.usefixtures("often")
def test_a_killed_run_goes_on_from_its_last_checkpoint(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    """Whatever ends a run, what was saved last is there."""
    whole = track_video(two_animals.path, **blobs)
    out, pose = tmp_path / "out", blobs["pose"]
    pose.events[pose.calls + 30] = fail
    with pytest.raises(MemoryError):
        track_video(two_animals.path, out, **blobs)
    calls = pose.calls
    assert_same(track_video(two_animals.path, out, resume=True, **blobs), whole)
    assert pose.calls - calls < 30
    assert len(video_frames(out / "clip.pose.mp4")) == 46
