"""Folders of images: order and times; and images that do not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aptv2.errors import BrokenVideoError, InputError
from aptv2.video.reader import open_video

PICTURE = np.zeros((30, 40, 3), np.uint8)
PICTURE[:10] = (200, 40, 40)
PICTURE[10:, :15] = (40, 200, 90)
FORMATS = ["jpg", "png", "bmp", "tif", "webp"]


def save(path: Path, image: np.ndarray = PICTURE, **options: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path, **options)
    return path


class TestFolder:
    def test_natural_order_and_times(
        self, tmp_path: Path, numbered_frame: Callable, frame_number: Callable
    ) -> None:
        for number in range(12):
            save(tmp_path / "run_1" / f"frame{number}.png", numbered_frame(number))
        (tmp_path / "run_1" / "notes.txt").write_text("the cat was asleep")
        (tmp_path / "run_1" / "._frame0.png").write_bytes(b"what macOS leaves on a USB stick")
        video = open_video(tmp_path / "run_1", fps=10)
        assert (video.width, video.height, video.fps, video.frame_count) == (64, 48, 10, 12)
        assert video.name == "run_1"
        frames = list(video)
        assert [frame_number(f.image) for f in frames] == list(range(12))
        assert [f.index for f in frames] == list(range(12))
        np.testing.assert_allclose([f.time for f in frames], np.arange(12) / 10)

    def test_25_frames_per_second_unless_told(self, tmp_path: Path) -> None:
        save(tmp_path / "0.png")
        assert open_video(tmp_path).fps == 25

    def test_start(self, tmp_path: Path) -> None:
        for number in range(5):
            save(tmp_path / f"{number}.png")
        assert [(f.index, f.time) for f in open_video(tmp_path, start=3)] == [(3, 0.12), (4, 0.16)]
        assert list(open_video(tmp_path, start=5)) == []

    def test_formats_may_be_mixed(self, tmp_path: Path) -> None:
        for number, suffix in enumerate(FORMATS):
            save(tmp_path / f"{number}.{suffix.upper()}")
        frames = list(open_video(tmp_path))
        assert len(frames) == len(FORMATS)
        for frame in frames:
            assert np.abs(frame.image.astype(int) - PICTURE).mean() < 5
            assert frame.image.flags.writeable

    def test_one_pixel_images(self, tmp_path: Path) -> None:
        for number in range(3):
            save(tmp_path / f"{number}.png", np.full((1, 1, 3), 7, np.uint8))
        assert [f.image.tolist() for f in open_video(tmp_path)] == [[[[7, 7, 7]]]] * 3

    def test_different_sizes(self, tmp_path: Path) -> None:
        save(tmp_path / "1.png")
        save(tmp_path / "2.png")
        save(tmp_path / "10.png", PICTURE[:20])
        with pytest.raises(InputError, match=r"10\.png: is 40 x 20 pixels but 1\.png is 40 x 30"):
            open_video(tmp_path)

    def test_no_images(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no images"):
            open_video(tmp_path)

    def test_a_file_that_is_no_image(self, tmp_path: Path) -> None:
        save(tmp_path / "1.png")
        (tmp_path / "2.png").write_text("not a picture")
        with pytest.raises(InputError, match=r"2\.png: is not an image"):
            open_video(tmp_path)

    @pytest.mark.parametrize("suffix", ["jpg", "png", "bmp"])
    def test_a_damaged_image_ends_the_video_where_it_is(self, tmp_path: Path, suffix: str) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
        for number in range(4):
            path = save(tmp_path / f"{number}.{suffix}", noise)
        damaged = tmp_path / f"2.{suffix}"
        data = path.read_bytes()
        damaged.write_bytes(data[: len(data) * 6 // 10])
        frames = iter(open_video(tmp_path))
        assert [next(frames).index, next(frames).index] == [0, 1]
        with pytest.raises(
            BrokenVideoError, match=rf"breaks at frame 2: .*2\.{suffix}: this image"
        ):
            next(frames)
