"""A video in segments: whole after any of them, and one file in the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.video.segments import SegmentedVideo

Numbers = Callable[..., np.ndarray]


@pytest.mark.parametrize("lengths", [[5], [1, 1], [2, 30, 4, 13]])
@pytest.mark.parametrize("fps", [25.0, 30000 / 1001, 7.5])
def test_segments_join_without_a_seam(
    lengths: list[int], fps: float, numbered_frame: Numbers, frame_number: Numbers, tmp_path: Path
) -> None:
    video = SegmentedVideo(tmp_path, 64, 48, fps)
    for number in range(sum(lengths)):
        video.write(numbered_frame(number))
        if number + 1 in np.cumsum(lengths):
            video.end_segment()
    assert video.count == len(lengths)
    video.join(tmp_path / "whole.mp4")
    with av.open(str(tmp_path / "whole.mp4")) as container:
        frames = list(container.decode(video=0))
        assert float(container.streams.video[0].average_rate) == pytest.approx(fps)
    numbers = [frame_number(frame.to_ndarray(format="rgb24")) for frame in frames]
    assert numbers == list(range(sum(lengths)))
    np.testing.assert_allclose([f.time for f in frames], np.arange(len(frames)) / fps, atol=1e-3)


def test_a_later_run_adds_to_what_is_there(
    numbered_frame: Numbers, frame_number: Numbers, tmp_path: Path
) -> None:
    first = SegmentedVideo(tmp_path, 64, 48, 25)
    for number in range(6):
        first.write(numbered_frame(number))
    first.end_segment()
    first.write(numbered_frame(99))
    first.discard_segment()
    second = SegmentedVideo(tmp_path, 64, 48, 25, count=first.count)
    for number in range(6, 9):
        second.write(numbered_frame(number))
    second.end_segment()
    second.end_segment()
    second.join(tmp_path / "whole.mp4")
    with av.open(str(tmp_path / "whole.mp4")) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert [frame_number(frame) for frame in frames] == list(range(9))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "overlay0000.mp4",
        "overlay0001.mp4",
        "whole.mp4",
    ]


def test_without_frames_there_is_no_video(tmp_path: Path) -> None:
    video = SegmentedVideo(tmp_path, 64, 48, 25)
    video.end_segment()
    video.join(tmp_path / "whole.mp4")
    assert not list(tmp_path.iterdir())


def test_a_segment_that_was_damaged_is_told(numbered_frame: Numbers, tmp_path: Path) -> None:
    video = SegmentedVideo(tmp_path, 64, 48, 25)
    video.write(numbered_frame(0))
    video.end_segment()
    (tmp_path / "overlay0000.mp4").write_bytes(b"")
    (tmp_path / "whole.mp4").write_text("before")
    with pytest.raises(InputError, match=r"whole\.mp4: cannot be written"):
        video.join(tmp_path / "whole.mp4")
    assert (tmp_path / "whole.mp4").read_text() == "before"
