"""Damaged packets in the middle: they are left out and counted, and no number or time moves."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from aptv2.errors import BrokenVideoError, InputError
from aptv2.video.damage import PatchedFile
from aptv2.video.reader import open_video
from aptv2.video.sources import VideoFrame

Clip = Callable[..., Path]
COUNT = 60


def damage(path: Path, *packets: int, whole: bool = True) -> Path:
    """A copy of a video with zeros in the place of some packets, or of their second half."""
    with av.open(str(path)) as container:
        places = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    for packet in packets:
        start, size = places[packet]
        begin = start if whole else start + size // 2
        data[begin : start + size] = bytes(start + size - begin)
    path.with_name(f"damaged_{path.name}").write_bytes(data)
    return path.with_name(f"damaged_{path.name}")


def read(path: Path) -> tuple[list[VideoFrame], list[str]]:
    """All frames, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frames = list(open_video(path))
    return frames, [str(w.message) for w in caught if "damaged" in str(w.message)]


def check(frames: list[VideoFrame], numbers: list[int]) -> None:
    assert [f.index for f in frames] == numbers
    np.testing.assert_allclose([f.time for f in frames], np.array(numbers) / 25, atol=2e-3)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("clip.avi", "mjpeg", "yuvj420p"),
        ("clip.mkv", "mjpeg", "yuvj420p"),
        ("clip.mov", "mjpeg", "yuvj420p"),
    ],
)
@pytest.mark.parametrize("packet", [0, 30])
def test_one_packet_costs_one_frame(
    make_clip: Clip, frame_number: Callable, name: str, codec: str, pixels: str, packet: int
) -> None:
    path = damage(make_clip(name, COUNT, codec=codec, pixels=pixels), packet)
    frames, warned = read(path)
    check(frames, [n for n in range(COUNT) if n != packet])
    assert [frame_number(f.image) for f in frames] == [f.index for f in frames]
    assert len(warned) == 1
    assert "1 damaged frame is left out" in warned[0]
    # From the same frames on, wherever reading starts.
    later = [f.index for f in open_video(path, start=31)]
    assert later == list(range(31, COUNT))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.avi", "clip.ts", "clip.mov"])
@pytest.mark.parametrize("packets", [(30,), (14, 31, 45)])
def test_no_number_moves_where_frames_are_reordered(
    make_clip: Clip, frame_number: Callable, name: str, packets: tuple[int, ...]
) -> None:
    path = damage(make_clip(name, COUNT), *packets)
    frames, warned = read(path)
    numbers = [f.index for f in frames]
    assert len(numbers) >= COUNT - 3 * len(packets)
    assert numbers[-1] == COUNT - 1
    check(frames, numbers)
    if len(numbers) < COUNT:
        assert f"{COUNT - len(numbers)} damaged frame" in warned[0]
    # After the next key frame, twelve frames apart at most, pictures are whole again.
    whole = [f for f in frames if f.index < min(packets) - 3 or f.index > max(packets) + 15]
    off = 1 if name.endswith("avi") else 0  # AVI does not say which of the reordered was lost
    assert all(abs(frame_number(f.image) - f.index) <= off for f in whole)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_frames_before_the_first_key_frame_are_counted(make_clip: Clip, name: str) -> None:
    frames, warned = read(damage(make_clip(name, COUNT), 0))
    assert 0 < frames[0].index <= 12
    check(frames, list(range(frames[0].index, COUNT)))
    assert f"{frames[0].index} damaged frame" in warned[0]


def test_a_damaged_end_breaks_off(make_clip: Clip) -> None:
    path = damage(make_clip("clip.mov", 20, codec="mjpeg", pixels="yuvj420p"), 18, 19)
    frames = []
    with pytest.raises(BrokenVideoError, match="breaks at frame 18 of 20: Invalid data"):
        frames.extend(open_video(path))
    path = damage(make_clip("all.mov", 3, codec="mjpeg", pixels="yuvj420p"), 0, 1, 2)
    with pytest.raises(InputError, match="no frame can be decoded"):
        open_video(path)


def test_a_whole_video_warns_of_nothing(make_clip: Clip) -> None:
    for name, codec in (("a.mkv", "libx264"), ("b.webm", "libvpx"), ("c.avi", "mpeg4")):
        times = [0.0, 0.04, 0.2, 0.24, 1.0, 1.04] if name != "c.avi" else None
        frames, warned = read(make_clip(name, 6, codec=codec, times=times))
        assert [f.index for f in frames] == list(range(6))
        assert warned == []


def test_a_patched_file_differs_in_the_patches_only(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(range(100)))
    with PatchedFile(path, {3: b"\xff", 50: b"\xfe"}) as file:
        assert file.read(3) == bytes([0, 1, 2])
        assert file.read(2) == bytes([255, 4])
        file.seek(49)
        assert file.read() == bytes([49, 254, *range(51, 100)])
