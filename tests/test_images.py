"""Images: depth, alpha, rotation, scaled decoding; and files that are refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from aptv2.errors import InputError
from aptv2.images import image_size, read_image, read_shrunk

PICTURE = np.zeros((30, 40, 3), np.uint8)
PICTURE[:10] = (200, 40, 40)
PICTURE[10:, :15] = (40, 200, 90)


def save(path: Path, image: np.ndarray = PICTURE, **options: object) -> Path:
    Image.fromarray(image).save(path, **options)
    return path


class TestReadImage:
    @pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1"])
    def test_every_mode_becomes_rgb(self, tmp_path: Path, mode: str) -> None:
        original = Image.fromarray(PICTURE).convert(mode)
        path = tmp_path / "a.tif"
        original.save(path)
        image = read_image(path)
        assert (image.shape, image.dtype) == ((30, 40, 3), np.uint8)
        assert np.abs(image.astype(int) - np.asarray(original.convert("RGB"))).max() <= 1

    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    def test_jpeg_modes(self, tmp_path: Path, mode: str) -> None:
        original = Image.fromarray(PICTURE).convert(mode)
        original.save(tmp_path / "a.jpg", quality=95)
        image = read_image(tmp_path / "a.jpg")
        assert np.abs(image.astype(int) - np.asarray(original.convert("RGB"))).mean() < 3

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    @pytest.mark.parametrize("channels", [1, 3, 4])
    def test_16_bit_keeps_the_upper_byte(self, tmp_path: Path, suffix: str, channels: int) -> None:
        values = np.arange(0, 65536, 80, dtype=np.uint16)[:800].reshape(20, 40)
        path = tmp_path / f"deep.{suffix}"
        cv2.imwrite(str(path), np.squeeze(np.repeat(values[..., None], channels, axis=2)))
        image = read_image(path)
        np.testing.assert_array_equal(image, np.repeat((values >> 8)[..., None], 3, axis=2))

    @pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation(self, tmp_path: Path, suffix: str, orientation: int) -> None:
        # How the tag's values say that rows and columns are stored, undone.
        upright = {
            1: PICTURE,
            2: PICTURE[:, ::-1],
            3: PICTURE[::-1, ::-1],
            4: PICTURE[::-1],
            5: PICTURE.swapaxes(0, 1),
            6: np.rot90(PICTURE, -1),
            7: PICTURE[::-1, ::-1].swapaxes(0, 1),
            8: np.rot90(PICTURE, 1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = save(tmp_path / f"turned.{suffix}", exif=exif)
        image = read_image(path)
        assert image.shape == upright.shape
        assert image_size(path) == (image.shape[1], image.shape[0])
        assert np.abs(image.astype(int) - upright).mean() < 6

    def test_a_bomb_is_refused_before_it_is_decoded(self, tmp_path: Path) -> None:
        def chunk(kind: bytes, data: bytes) -> bytes:
            checksum = zlib.crc32(kind + data)
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

        header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
        pixels = zlib.compress(bytes(1000))
        path = tmp_path / "bomb.png"
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", pixels)
            + chunk(b"IEND", b"")
        )
        with pytest.raises(InputError, match=r"bomb\.png"):
            image_size(path)
        with pytest.raises(InputError, match=r"bomb\.png"):
            read_image(path)

    def test_too_large(self, tmp_path: Path) -> None:
        path = save(tmp_path / "long.png", np.zeros((1, 16385, 3), np.uint8))
        with pytest.raises(InputError, match="frames of 16385 x 1 pixels are too large"):
            read_image(path)

    def test_other_formats_are_refused(self, tmp_path: Path) -> None:
        Image.fromarray(PICTURE).save(tmp_path / "a.ppm")
        path = (tmp_path / "a.ppm").rename(tmp_path / "a.png")
        with pytest.raises(InputError, match="is not an image that can be read"):
            read_image(path)


class TestReadShrunk:
    @pytest.mark.parametrize(
        ("most", "shrink"), [(0.3, 1), (1.9, 1), (2, 2), (3.9, 2), (5, 4), (8, 8), (100, 8)]
    )
    def test_pixels_are_means_of_blocks(self, shared: Path, most: float, shrink: int) -> None:
        path = shared / "data/ap10k_sample/000000037516.jpg"
        full = read_image(path)
        small, found = read_shrunk(path, most)
        assert found == shrink
        assert small.shape == (-(-867 // shrink), -(-1200 // shrink), 3)
        whole = full[: 864 // shrink * shrink]
        means = cv2.resize(whole, (1200 // shrink, 864 // shrink), interpolation=cv2.INTER_AREA)
        assert cv2.PSNR(small[: 864 // shrink], means) > 36

    @pytest.mark.parametrize("size", [(1, 1), (7, 9), (17, 8), (63, 65)])
    @pytest.mark.parametrize("shrink", [2, 4, 8])
    def test_odd_sizes_are_rounded_up(
        self, tmp_path: Path, size: tuple[int, int], shrink: int
    ) -> None:
        path = save(tmp_path / "a.jpg", np.full((*size, 3), 90, np.uint8))
        small, found = read_shrunk(path, shrink)
        assert found == shrink
        assert small.shape[:2] == tuple(-(-side // shrink) for side in size)
        assert np.abs(small.astype(int) - 90).max() <= 2

    def test_only_upright_jpegs_are_shrunk(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        turned = save(tmp_path / "turned.jpg", exif=exif)
        for path in (turned, save(tmp_path / "a.png")):
            image, shrink = read_shrunk(path, 8)
            assert shrink == 1
            np.testing.assert_array_equal(image, read_image(path))

    def test_a_file_that_is_cut_off_is_refused(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
        path = save(tmp_path / "a.jpg", noise)
        path.write_bytes(path.read_bytes()[:-400])
        with pytest.raises(InputError, match=r"a\.jpg: this image is damaged or cut off"):
            read_shrunk(path, 4)
