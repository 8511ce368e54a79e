"""Writing videos: what was written comes back, and only whole files appear."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.video.prefetch import WriteBehind
from aptv2.video.reader import open_video
from aptv2.video.writer import VideoWriter


def write(path: Path, frames: list[np.ndarray], fps: float = 25, **options: bool) -> Path:
    height, width = frames[0].shape[:2]
    with VideoWriter(path, width, height, fps, **options) as writer:
        for frame in frames:
            writer.write(frame)
    return path


def test_comes_back_as_written(
    tmp_path: Path, numbered_frame: Callable, frame_number: Callable
) -> None:
    path = write(tmp_path / "out.mp4", [numbered_frame(n) for n in range(30)])
    video = open_video(path)
    assert (video.width, video.height, video.fps, video.frame_count) == (64, 48, 25, 30)
    frames = list(video)
    assert [frame_number(f.image) for f in frames] == list(range(30))
    np.testing.assert_allclose([f.time for f in frames], np.arange(30) / 25, atol=1e-3)
    assert list(tmp_path.iterdir()) == [path]


def test_is_what_players_want(tmp_path: Path, numbered_frame: Callable) -> None:
    path = write(tmp_path / "out.mp4", [numbered_frame(0)] * 3, fps=29.97002997)
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == Fraction(30000, 1001)


@pytest.mark.parametrize("size", [(64, 48), (1280, 720)])
def test_colours_are_kept(tmp_path: Path, size: tuple[int, int]) -> None:
    # Players of untagged files take small ones for BT.601 and large ones for BT.709.
    colours = [[(230, 30, 30), (30, 200, 60)], [(40, 60, 220), (250, 240, 10)]]
    width, height = size
    frame = np.kron(np.array(colours, np.uint8), np.ones((height // 2, width // 2, 1), np.uint8))
    path = write(tmp_path / "out.mp4", [frame] * 2)
    _, seen = cv2.VideoCapture(str(path)).read()
    for image in (next(iter(open_video(path))).image, seen[..., ::-1]):
        middles = image[height // 4 :: height // 2, width // 4 :: width // 2]
        assert np.abs(middles.astype(int) - colours).max() <= 5


@pytest.mark.parametrize("size", [(63, 47), (1, 1), (64, 1), (3, 90)])
def test_odd_sizes_are_padded(tmp_path: Path, size: tuple[int, int]) -> None:
    width, height = size
    path = write(tmp_path / "out.mp4", [np.full((height, width, 3), 200, np.uint8)] * 3)
    video = open_video(path)
    assert (video.width, video.height) == (width + width % 2, height + height % 2)
    frames = [f.image for f in video]
    assert len(frames) == 3
    assert np.abs(frames[0][:height, :width].astype(int) - 200).mean() < 20


def test_without_h264_it_is_mpeg4(
    tmp_path: Path,
    numbered_frame: Callable,
    frame_number: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    path = write(tmp_path / "out.mp4", [numbered_frame(n) for n in range(5)], fps=29.97)
    assert [frame_number(f.image) for f in open_video(path)] == list(range(5))
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"


def test_an_old_file_stays_until_the_new_one_is_whole(
    tmp_path: Path, numbered_frame: Callable
) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("old")
    with VideoWriter(path, 64, 48, 25) as writer:
        for number in range(40):
            writer.write(numbered_frame(number))
        assert path.read_text() == "old"
    assert len(list(open_video(path))) == 40


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_where_the_body_fails(
    tmp_path: Path, numbered_frame: Callable, keep: bool, error: type[BaseException]
) -> None:
    path = tmp_path / "out.mp4"

    def body() -> None:
        with VideoWriter(path, 64, 48, 25, keep=keep) as writer:
            for number in range(7):
                writer.write(numbered_frame(number))
            raise error

    with pytest.raises(error):
        body()
    assert list(tmp_path.iterdir()) == ([path] if keep else [])
    if keep:
        assert len(list(open_video(path))) == 7


def test_no_frames_no_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 64, 48, 25):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file/out\.mp4 cannot be written"):
        VideoWriter(tmp_path / "file" / "out.mp4", 64, 48, 25)


def test_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").mkdir()
    with pytest.raises(InputError, match=r"out\.mp4 is a folder"):
        VideoWriter(tmp_path / "out.mp4", 64, 48, 25)
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_name_is_never_a_protocol(
    tmp_path: Path, numbered_frame: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("pipe:1.mp4"), [numbered_frame(0)])
    assert len(list(open_video("pipe:1.mp4"))) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("count", [3, 40])  # It shows at the end, or while writing.
def test_a_full_disk(
    tmp_path: Path, keep: bool, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.mp4"
    path.write_text("old")
    monkeypatch.setattr("aptv2.files.temporary_name", lambda suffix: f".out.0{suffix}")
    (tmp_path / ".out.0.mp4").symlink_to("/dev/full")
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write(path, [noise] * count, keep=keep)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


def test_a_frame_of_another_size_is_a_mistake(tmp_path: Path, numbered_frame: Callable) -> None:
    with (
        pytest.raises(ValueError, match=r"not uint8 \(48, 64, 3\)"),
        VideoWriter(tmp_path / "out.mp4", 64, 48, 25) as writer,
    ):
        writer.write(numbered_frame(0, 32, 32))


def test_behind_a_thread(tmp_path: Path, numbered_frame: Callable, frame_number: Callable) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 64, 48, 25) as writer, WriteBehind(writer.write) as behind:
        for number in range(30):
            behind.put(numbered_frame(number))
    assert [frame_number(f.image) for f in open_video(path)] == list(range(30))
