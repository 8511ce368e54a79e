"""Reading video files: every frame, in order, upright, at its time; and what is broken."""

from __future__ import annotations

import itertools
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from aptv2.errors import BrokenVideoError, InputError
from aptv2.video.reader import open_video
from aptv2.video.sources import VideoFrame

Clip = Callable[..., Path]


def read_until_broken(path: Path) -> tuple[list[VideoFrame], str]:
    """The frames before the break, and the message."""
    frames = []
    try:
        for frame in open_video(path):
            frames.append(frame)
    except BrokenVideoError as error:
        return frames, str(error)
    pytest.fail(f"{path.name} was read to its end")


def cut(path: Path, share: float) -> Path:
    """A copy of a file's beginning."""
    data = path.read_bytes()
    short = path.with_name(f"cut_{path.name}")
    short.write_bytes(data[: int(len(data) * share)])
    return short


class TestFrames:
    def test_every_frame_once_and_in_order(self, make_clip: Clip, frame_number: Callable) -> None:
        video = open_video(make_clip(frames=40))
        assert (video.width, video.height, video.fps, video.frame_count) == (64, 48, 25.0, 40)
        assert video.name == "clip"
        frames = list(video)
        assert [f.index for f in frames] == list(range(40))
        assert [frame_number(f.image) for f in frames] == list(range(40))
        np.testing.assert_allclose([f.time for f in frames], np.arange(40) / 25, atol=1e-3)
        assert {(f.image.shape, f.image.dtype) for f in frames} == {
            ((48, 64, 3), np.dtype(np.uint8))
        }
        assert all(f.image.flags.c_contiguous and f.image.flags.writeable for f in frames)

    def test_unpacks_to_index_time_and_image(self, make_clip: Clip) -> None:
        index, time, image = next(iter(open_video(make_clip())))
        assert (index, time, image.shape) == (0, 0.0, (48, 64, 3))

    def test_reads_anew_each_time(self, make_clip: Clip) -> None:
        video = open_video(make_clip())
        next(iter(video))
        assert len(list(video)) == len(list(video)) == 12

    @pytest.mark.parametrize("start", [1, 13, 39, 40, 500])
    def test_start_is_exact(self, make_clip: Clip, frame_number: Callable, start: int) -> None:
        frames = list(open_video(make_clip(frames=40), start=start))
        assert [f.index for f in frames] == list(range(start, 40))
        assert [frame_number(f.image) for f in frames] == list(range(start, 40))
        np.testing.assert_allclose([f.time for f in frames], np.arange(start, 40) / 25, atol=1e-3)

    @pytest.mark.parametrize(
        ("name", "codec", "pixels"),
        [
            ("clip.mkv", "libx264", "yuv420p"),
            ("clip.mov", "mpeg4", "yuv420p"),
            ("clip.avi", "mjpeg", "yuvj420p"),
            ("clip.webm", "libvpx", "yuv420p"),
            ("clip.ts", "libx264", "yuv420p"),
            ("clip.mkv", "libx264", "yuv420p10le"),
            ("clip.mkv", "ffv1", "gray"),
        ],
    )
    def test_containers_and_pixel_formats(
        self, make_clip: Clip, frame_number: Callable, name: str, codec: str, pixels: str
    ) -> None:
        video = open_video(make_clip(name, codec=codec, pixels=pixels))
        assert [frame_number(f.image) for f in video] == list(range(12))
        assert video.fps == 25
        assert video.frame_count == 12

    def test_grey_becomes_rgb(self, make_clip: Clip, numbered_frame: Callable) -> None:
        first = next(iter(open_video(make_clip("grey.mkv", 3, codec="ffv1", pixels="gray"))))
        assert first.image.shape == (48, 64, 3)
        np.testing.assert_array_equal(first.image[..., 0], first.image[..., 2])
        assert np.abs(first.image.astype(int) - numbered_frame(0)).max() <= 3

    @pytest.mark.parametrize("size", [(63, 47), (1, 1), (2, 90)])
    def test_odd_sizes(self, make_clip: Clip, size: tuple[int, int]) -> None:
        path = make_clip("odd.mkv", 3, size=size, codec="ffv1", pixels="yuv444p")
        video = open_video(path)
        assert (video.width, video.height) == size
        assert [f.image.shape for f in video] == [(size[1], size[0], 3)] * 3

    def test_variable_frame_rate_keeps_its_times(self, make_clip: Clip) -> None:
        times = [0.5, 0.54, 0.6, 1.0, 1.5, 1.52]
        video = open_video(make_clip(frames=6, times=times))
        expected = np.array(times) - times[0]
        np.testing.assert_allclose([f.time for f in video], expected, atol=1e-3)
        assert video.frame_count == 6

    @pytest.mark.parametrize("rotation", [90, 180, -90])
    def test_rotation_is_applied(self, make_clip: Clip, rotation: int) -> None:
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:24, :32] = (230, 30, 30)
        path = make_clip(frames=[picture] * 3, rotation=rotation)
        video = open_video(path)
        _, turned = cv2.VideoCapture(str(path)).read()
        first = next(iter(video)).image
        assert (video.height, video.width) == first.shape[:2] == turned.shape[:2]
        assert np.abs(first.astype(int) - turned[..., ::-1]).mean() < 2
        assert first.flags.c_contiguous

    def test_frames_that_an_edit_list_hides_are_not_missed(
        self, make_clip: Clip, frame_number: Callable
    ) -> None:
        # Phones trim like this: the packets stay, and the index says to show some of them only.
        path = make_clip(frames=40)
        data = bytearray(path.read_bytes())
        entry = data.find(b"elst") + 12
        assert struct.unpack_from(">I", data, entry) == (1600,)
        struct.pack_into(">I", data, entry, 600)
        path.write_bytes(data)
        video = open_video(path)
        assert [frame_number(f.image) for f in video] == list(range(15))
        assert video.frame_count == 15

    @pytest.mark.parametrize(
        ("name", "count", "size"),
        [("camel", 372, (960, 540)), ("dog_and_person", 289, (1280, 720))],
    )
    def test_shared_clips(self, shared: Path, name: str, count: int, size: tuple[int, int]) -> None:
        video = open_video(shared / "data" / "clips" / f"{name}.mp4", start=count - 3)
        assert (video.width, video.height) == size
        assert video.frame_count == count
        assert video.fps == pytest.approx(30000 / 1001)
        last = list(video)[-1]
        assert last.index == count - 1
        assert last.time == pytest.approx((count - 1) * 1001 / 30000, abs=1e-3)


class TestBroken:
    @pytest.mark.parametrize("share", [0.5, 0.75, 0.97])
    @pytest.mark.parametrize(
        ("name", "codec"),
        [("clip.mp4", "libx264"), ("clip.avi", "mpeg4"), ("clip.mov", "mpeg4")],
    )
    def test_a_cut_file_gives_its_whole_frames(
        self, make_clip: Clip, frame_number: Callable, name: str, codec: str, share: float
    ) -> None:
        path = make_clip(name, 100, codec=codec, size=(128, 96))
        if name == "clip.mov":
            path = moov_first(path)
        frames, message = read_until_broken(cut(path, share))
        assert 10 < len(frames) < 100
        assert [frame_number(f.image) for f in frames] == list(range(len(frames)))
        assert f"cut_{name} breaks at frame {len(frames)} of " in message
        assert "cut off" in message

    def test_no_frame_before_the_cut_is_lost(self, make_clip: Clip) -> None:
        path = make_clip(frames=60)
        with av.open(str(path)) as container:
            packets = [p for p in container.demux(video=0) if p.size]
        # In decoding order; so many whole packets are in front of the cut.
        ends = sorted(p.pos + p.size for p in packets)
        short = path.with_name("short.mp4")
        short.write_bytes(path.read_bytes()[: ends[36] + 3])
        frames, _ = read_until_broken(short)
        assert len(frames) == 37

    @pytest.mark.parametrize(("name", "codec"), [("clip.mp4", "libx264"), ("clip.avi", "mpeg4")])
    def test_a_cut_between_two_packets_is_noticed(
        self, make_clip: Clip, name: str, codec: str
    ) -> None:
        path = make_clip(name, 60, codec=codec)
        with av.open(str(path)) as container:
            ends = sorted(p.pos + p.size for p in container.demux(video=0) if p.size)
        short = path.with_name("short" + path.suffix)
        short.write_bytes(path.read_bytes()[: ends[29]])
        frames, message = read_until_broken(short)
        assert len(frames) == 30
        assert f"{short.name} breaks at frame 30 of " in message

    def test_a_cut_matroska_is_noticed(self, make_clip: Clip) -> None:
        frames, message = read_until_broken(cut(make_clip("clip.mkv", 100), 0.5))
        assert 20 < len(frames) < 80
        assert f"frame {len(frames)} of 100" in message

    def test_damage_in_the_middle(self, make_clip: Clip, frame_number: Callable) -> None:
        path = make_clip(frames=100)
        data = bytearray(path.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
        path.write_bytes(data)
        with pytest.warns(UserWarning, match=r"clip\.mp4: \d+ damaged frames are left out"):
            frames = list(open_video(path))
        lost = set(range(100)) - {f.index for f in frames}
        assert 1 < len(lost) < 30
        assert [f.index for f in frames][-1] == 99
        np.testing.assert_allclose([f.time for f in frames], [f.index / 25 for f in frames])
        # Frames between damaged ones may show the wrong picture until the next key frame.
        whole = [f for f in frames if not min(lost) - 3 <= f.index < max(lost) + 13]
        assert [frame_number(f.image) for f in whole] == [f.index for f in whole]
        assert len(whole) > 60

    def test_frames_that_change_size(self, make_clip: Clip, tmp_path: Path) -> None:
        joined = tmp_path / "joined.ts"
        parts = [make_clip("a.ts", 20), make_clip("b.ts", 20, size=(96, 64))]
        joined.write_bytes(b"".join(part.read_bytes() for part in parts))
        frames, message = read_until_broken(joined)
        assert len(frames) == 20
        assert "from 64 x 48 to 96 x 64 pixels" in message

    def test_a_break_is_told_when_starting_behind_it(self, make_clip: Clip) -> None:
        path = cut(make_clip(frames=100), 0.5)
        with pytest.raises(BrokenVideoError, match="breaks at frame"):
            list(open_video(path, start=90))

    def test_index_at_the_end_lost(self, make_clip: Clip) -> None:
        path = cut(make_clip(frames=50, index_first=False), 0.6)
        with pytest.raises(InputError, match=r"cut_clip\.mp4: the video is incomplete.*moov"):
            open_video(path)


class TestRefused:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"gone\.mp4: no such file or folder"):
            open_video(tmp_path / "gone.mp4")
        with pytest.raises(InputError, match="cannot be read: File name too long"):
            open_video(tmp_path / ("x" * 300))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"dear diary, today the cat slept\n" * 50, "is not a video that can be read"),
            (b"", "the file is empty"),
            (bytes(range(256)) * 40, "is not a video that can be read"),
        ],
    )
    def test_not_a_video(self, tmp_path: Path, content: bytes, message: str) -> None:
        path = tmp_path / "clip.mp4"
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            open_video(path)

    @pytest.mark.parametrize(
        "playlist",
        [
            "ffconcat version 1.0\nfile clip.mp4\n",
            "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nclip.mp4\n#EXT-X-ENDLIST\n",
        ],
    )
    def test_a_playlist_cannot_open_other_files(
        self, make_clip: Clip, tmp_path: Path, playlist: str
    ) -> None:
        make_clip()
        path = tmp_path / "list.mp4"
        path.write_text(playlist)
        with pytest.raises(InputError, match="is not a video that can be read"):
            open_video(path)

    def test_a_name_is_never_a_protocol(
        self, make_clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_clip("concat:clip.mp4")
        monkeypatch.chdir(tmp_path)
        assert len(list(open_video("concat:clip.mp4"))) == 12

    @pytest.mark.parametrize("cover", [False, True])
    def test_sound_only(self, tmp_path: Path, cover: bool) -> None:
        path = tmp_path / "song.mp4"
        with av.open(str(path), "w") as container:
            sound = container.add_stream("aac", rate=44100, layout="mono")
            if cover:
                picture = container.add_stream("mjpeg", rate=1)
                picture.width, picture.height, picture.pix_fmt = 32, 32, "yuvj420p"
                picture.disposition = av.stream.Disposition.attached_pic
                black = np.zeros((32, 32, 3), np.uint8)
                container.mux(picture.encode(av.VideoFrame.from_ndarray(black, format="rgb24")))
                container.mux(picture.encode(None))
            silence = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate = 44100
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
        with pytest.raises(InputError, match=r"song\.mp4: holds no video stream"):
            open_video(path)

    def test_huge_frames(self, make_clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
        path = make_clip(size=(640, 32))
        monkeypatch.setattr("aptv2.images.MAX_SIDE", 600)
        with pytest.raises(InputError, match="frames of 640 x 32 pixels are too large"):
            open_video(path)

    def test_unreadable(self, make_clip: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
        # Tests may run as root, which may read everything.
        def refuse(*_: object, **__: object) -> None:
            raise av.error.PermissionError(13, "Permission denied", "clip.mp4")

        path = make_clip()
        monkeypatch.setattr(av, "open", refuse)
        with pytest.raises(InputError, match="cannot be read: permission denied"):
            open_video(path)

    @pytest.mark.parametrize("options", [{"fps": 0}, {"fps": float("nan")}, {"start": -1}])
    def test_senseless_options(self, make_clip: Clip, options: dict) -> None:
        with pytest.raises(InputError):
            open_video(make_clip(), **options)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_length(make_clip: Clip, numbered_frame: Callable) -> None:
    frames = itertools.repeat(numbered_frame(1, 640, 360), 300)
    path = make_clip("long.avi", frames, size=(640, 360), codec="mpeg4")
    pages = {}
    for frame in open_video(path):
        if frame.index in (50, 299):
            pages[frame.index] = int(Path("/proc/self/statm").read_text().split()[1])
    # The 249 frames in between are 172 MB.
    assert (pages[299] - pages[50]) * os.sysconf("SC_PAGE_SIZE") < 40e6


def moov_first(path: Path) -> Path:
    """The same packets in a file whose index stands in front."""
    target = path.with_name(f"first_{path.name}")
    options = {"movflags": "faststart"}
    with av.open(str(path)) as source, av.open(str(target), "w", container_options=options) as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return target.replace(path)
