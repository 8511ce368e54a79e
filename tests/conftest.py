"""Fixtures that several test folders use."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from aptv2.threads import set_environment

# Idle threads must not take time from other work on the machine; libraries read it when loaded.
set_environment()

import av  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

# A busy machine is no failure of the code.
settings.register_profile("aptv2", deadline=None)
settings.load_profile("aptv2")

# One thread: the networks here are tiny, and sums do not change their order between machines.
torch.set_num_threads(1)

# They hold modules that several test files import, such as `generate`, which makes APTv2 releases.
for _folder in ("app", "datasets", "evaluation", "inference", "models", "tracking", "weights"):
    sys.path.insert(0, str(Path(__file__).parent / _folder))

_BITS = 8


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of data and checkpoints beside the repository, which is not part of it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"needs the data folder {folder.name} beside the repository")
    return folder


@pytest.fixture(scope="session", params=["committed", "shared"])
def reference(request: pytest.FixtureRequest) -> Path:
    """The folder of numbers that ours must equal: those of this repository, and the reference's."""
    if request.param == "committed":
        return Path(__file__).parent / "reference"
    folder: Path = request.getfixturevalue("shared")
    return folder / "reference"


@pytest.fixture(scope="session")
def manifest() -> Callable[[str], dict[str, list[Any]]]:
    """Gives names, shapes and dtypes of an official checkpoint's state dict, in its order."""
    content = (Path(__file__).parent / "reference" / "manifests.json.gz").read_bytes()
    manifests: dict[str, dict[str, list[Any]]] = json.loads(gzip.decompress(content))
    return manifests.__getitem__


@pytest.fixture(scope="session")
def full_release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The annotation files of APTv2 in full size, without images; not to be changed."""
    import generate
    import release_clips

    clips = release_clips.full_size_clips()
    root = tmp_path_factory.mktemp("APTv2")
    return generate.write_release(root, clips, bare=release_clips.BARE, dirty=release_clips.DIRTY)


@pytest.fixture
def small_release(tmp_path: Path) -> Path:
    """A release of 30 clips with images, two of which no split names, and LabelMe files."""
    import generate
    import release_clips

    root, clips = tmp_path / "APTv2", release_clips.small_clips()
    return generate.write_release(root, clips, sizes=[(64, 48)], pictures=True, unnamed=2)


@pytest.fixture(scope="session")
def numbered_frame() -> Callable[..., np.ndarray]:
    """Makes a picture that shows its number as eight dark or light bars, with noise on them.

    The noise is there for the encoder: without it a whole video is smaller than its index.
    """

    def make(number: int, width: int = 64, height: int = 48) -> np.ndarray:
        bit = np.arange(width) * _BITS // width
        bars = np.where(number >> bit & 1, 200, 40)[None, :, None]
        noise = np.random.default_rng(number).integers(0, 30, (height, width, 1))
        return np.repeat(bars + noise, 3, axis=2).astype(np.uint8)

    return make


@pytest.fixture(scope="session")
def frame_number() -> Callable[[np.ndarray], int]:
    """Reads the number that :func:`numbered_frame` wrote."""

    def read(image: np.ndarray) -> int:
        bars = np.array_split(image.mean(axis=(0, 2)), _BITS)
        return sum(int(bar.mean() > 128) << bit for bit, bar in enumerate(bars))

    return read


@pytest.fixture
def make_clip(tmp_path: Path, numbered_frame: Callable[..., np.ndarray]) -> Callable[..., Path]:
    """Encodes a small video file; its container follows from its name."""

    def make(
        name: str = "clip.mp4",
        frames: int | Iterable[np.ndarray] = 12,
        *,
        size: tuple[int, int] = (64, 48),
        fps: float = 25,
        times: Sequence[float] | None = None,
        codec: str = "libx264",
        pixels: str = "yuv420p",
        rotation: int = 0,
        index_first: bool = True,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(frames, int):
            frames = [numbered_frame(number, *size) for number in range(frames)]
        muxer_options = {"movflags": "faststart"} if index_first and path.suffix == ".mp4" else {}
        with av.open(str(path), "w", container_options=muxer_options) as container:
            stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001))
            stream.width, stream.height, stream.pix_fmt = *size, pixels
            if codec == "libx264":
                # Key frames close together, and B-frames: what decoders have to put in order.
                stream.options = {"preset": "veryfast", "crf": "18", "g": "12"}
            else:
                stream.bit_rate = 4_000_000
            if times is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            if rotation:
                stream.set_display_rotation(rotation)
            for index, image in enumerate(frames):
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                if times is not None:
                    picture.time_base = Fraction(1, 1000)
                    picture.pts = round(times[index] * 1000)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        return path

    return make
