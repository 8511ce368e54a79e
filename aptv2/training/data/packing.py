"""Writing packs: `aptv2 data pack`. See `aptv2.training.data.pack` for what they hold."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from rich.console import Console
from rich.progress import track
from safetensors.numpy import save

from aptv2 import crops
from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.images import read_image
from aptv2.tables import PoseTable
from aptv2.threads import usable_cpus
from aptv2.training.augmentation import half_bodies, scale_limits
from aptv2.training.data.pack import (
    FORMAT,
    INDEX,
    PER_SHARD,
    Manifest,
    Pack,
    index_arrays,
    open_shard,
    shard_path,
)
from aptv2.training.data.pose import cleaned, usable, with_sizes
from aptv2.training.recipes import Augmentation, Recipe

QUALITY = 90
STEP = 2 ** (1 / 3)  # between the resolutions of two levels, at most


class Part(NamedTuple):
    """What a level shows: the frame's pixels from x0, y0 up to x1, y1, at a resolution."""

    x0: int
    y0: int
    x1: int
    y1: int
    resolution: float  # level pixels per frame pixel


class Packed(NamedTuple):
    """What a call of :func:`write_pack` did."""

    animals: int
    shards: int
    kept: int  # shards that were there already
    size: int  # bytes


def strongest(recipe: Recipe) -> tuple[tuple[int, int], Augmentation]:
    """Height and width of a recipe's largest pose crops, and the strongest of its augmentations.

    Raises
    ------
    InputError
        Where no stage of the recipe trains pose.
    """
    stages = [stage for stage in recipe.stages if "pose" in stage.tasks]
    if not stages:
        raise InputError("the recipe has no stage that trains pose: there are no crops to pack.")
    varied = [stage.augmentation for stage in stages]
    normal = [each for each in varied if each.scale_law == "normal"]
    return max(stage.tasks["pose"].size for stage in stages), Augmentation(
        scale=max(each.scale for each in varied),
        # Its lower limit is the wider one.
        scale_law="normal" if normal else "log-uniform",
        rotation=max(each.rotation for each in varied),
        shift=max(each.shift for each in varied),
        half_body=max(each.half_body for each in varied),
    )


def write_pack(
    source: Path,
    output: Path,
    size: tuple[int, int] = (256, 256),
    settings: Augmentation | None = None,
    *,
    workers: int | None = None,
    progress: bool = False,
) -> Packed:
    """Pack the animals of a data set that pose can be learnt from.

    Goes on where an earlier call stopped, also one that was killed: shards that are whole and
    made from the same images and annotations for the same crops are kept.

    Parameters
    ----------
    source
        Annotations of any format.
    output
        Folder of the pack.
    size
        Height and width of the largest crops that training will take.
    settings
        The strongest augmentation that training will use.
    workers
        Threads; default: one a core.
    progress
        Show a progress bar.

    Raises
    ------
    InputError
        Where the annotations or an image cannot be read, no animal is usable, or `output` holds
        something else.
    """
    settings = settings or Augmentation()
    table = read_annotations(source)
    table = table[usable(table)]
    if not len(table):
        raise InputError(f"{source}: no animal has both a box and a labelled keypoint.")
    table = with_sizes(table.with_frames(np.unique(table.frame)))
    table = table[np.argsort(table.frame, kind="stable")]
    plan = {
        "format": FORMAT,
        "size": size,
        "augmentation": settings.model_dump(),
        "quality": QUALITY,
    }
    parts = [table[at : at + PER_SHARD] for at in range(0, len(table), PER_SHARD)]
    fingerprints = [_fingerprint(part, plan) for part in parts]
    manifest = Manifest(
        source=str(source),
        size=size,
        augmentation=settings,
        quality=QUALITY,
        names=list(table.frames.names),
        skeleton=table.skeleton,
        categories=dict(table.categories),
        shards=fingerprints,
    )
    _prepare(output, manifest)
    missing = [
        number
        for number, part in enumerate(parts)
        if not _is_whole(shard_path(output, number), fingerprints[number], len(part))
    ]

    def write(number: int) -> None:
        content = _shard(parts[number], size, settings, fingerprints[number])
        with atomic_write(shard_path(output, number)) as temporary:
            temporary.write_bytes(content)

    pool = ThreadPoolExecutor(workers or usable_cpus())
    try:
        written = pool.map(write, missing)
        console = Console(stderr=True)
        total = len(missing)
        list(track(written, "Packing", total, console=console, disable=not progress))
    finally:
        pool.shutdown(cancel_futures=True)
    with atomic_write(output / INDEX) as temporary:
        metadata = {"manifest": manifest.model_dump_json()}
        temporary.write_bytes(save(index_arrays(table), metadata=metadata))
    files = [shard_path(output, number) for number in range(len(parts))]
    size_in_bytes = sum(file.stat().st_size for file in [*files, output / INDEX])
    return Packed(len(table), len(parts), len(parts) - len(missing), size_in_bytes)


def _prepare(output: Path, manifest: Manifest) -> None:
    """Make the folder, or refuse to write into one that holds something else."""
    if output.is_file():
        raise InputError(f"{output}: is a file; give a folder for the pack.")
    if (output / INDEX).exists():
        if Pack(output).manifest.shards != manifest.shards:
            raise InputError(f"{output}: holds another pack; give another folder or delete it.")
        return
    others = [p.name for p in output.glob("*") if not p.name.startswith(("crops-", ".crops-"))]
    if others:
        raise InputError(f"{output}: holds other files ({min(others)}); give an empty folder.")
    for leftover in output.glob(".crops-*"):  # of a run that was killed
        leftover.unlink(missing_ok=True)


def _is_whole(path: Path, fingerprint: str, animals: int) -> bool:
    try:
        open_shard(path, fingerprint, animals)
    except InputError:
        return False
    return True


def _fingerprint(table: PoseTable, plan: dict[str, object]) -> str:
    """Of all that a shard's pixels follow from: annotations, image files and settings."""
    files = []
    for frame in np.unique(table.frame):
        path = _path(table, frame)
        try:
            status = path.stat()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}).") from None
        files.append((table.frames.names[frame], status.st_size, status.st_mtime_ns))
    digest = hashlib.sha256(json.dumps([plan, files]).encode())
    for array in (table.ids, table.frame, table.boxes, table.keypoints):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _path(table: PoseTable, frame: int) -> Path:
    return Path(table.root or ".") / table.frames.names[frame]


def _shard(
    table: PoseTable, size: tuple[int, int], settings: Augmentation, fingerprint: str
) -> bytes:
    """The content of a shard file."""
    jpegs: list[bytes] = []
    counts, low, scales = [], [], []
    inside = cleaned(table).boxes  # what crops of the paper's networks are made of
    shown, image = -1, np.empty((0, 0, 3), np.uint8)
    for row in range(len(table)):
        if table.frame[row] != shown:
            shown = table.frame[row]
            image = read_image(_path(table, shown))
        frame_size = (image.shape[1], image.shape[0])
        halves = half_bodies(table.keypoints[row], table.skeleton) if settings.half_body else []
        boxes = np.array([table.boxes[row], inside[row], *halves])
        levels = plan_levels(boxes, frame_size, size, settings)
        counts.append(len(levels))
        for part in levels:
            pixels, scale = _resized(image, part)
            jpegs.append(simplejpeg.encode_jpeg(pixels, QUALITY, "RGB", "420"))
            low.append((part.x0, part.y0))
            scales.append(scale)
    arrays: dict[str, np.ndarray] = {
        "jpegs": np.frombuffer(b"".join(jpegs), np.uint8),
        "first": np.cumsum([0, *counts], dtype=np.int64),
        "ends": np.cumsum([len(jpeg) for jpeg in jpegs], dtype=np.int64),
        "checksums": np.array([zlib.crc32(jpeg) for jpeg in jpegs], np.uint32),
        "low": np.array(low, np.int32),
        "scales": np.array(scales, np.float64),
    }
    return save(arrays, metadata={"fingerprint": fingerprint})


def _resized(image: np.ndarray, part: Part) -> tuple[np.ndarray, tuple[float, float]]:
    """The pixels of a level, and level pixels per frame pixel across and down."""
    shown = image[part.y0 : part.y1, part.x0 : part.x1]
    width, height = part.x1 - part.x0, part.y1 - part.y0
    # Rounded up: never coarser than planned.
    new = math.ceil(width * part.resolution), math.ceil(height * part.resolution)
    if new == (width, height):
        return np.ascontiguousarray(shown), (1.0, 1.0)
    return cv2.resize(shown, new, interpolation=cv2.INTER_AREA), (new[0] / width, new[1] / height)


def plan_levels(
    boxes: np.ndarray, frame_size: tuple[int, int], size: tuple[int, int], settings: Augmentation
) -> list[Part]:
    """The levels of one animal, from fine to coarse.

    Parameters
    ----------
    boxes
        float (N, 4) xywh: the animal's box, as it is and cleaned, and those of its halves, if they
        are used.
    frame_size
        Width and height of the frame.
    size
        Height and width of the crops.
    settings
        How crops are varied at most.
    """
    centres, extents = crops.crop_frames(boxes, size)
    smallest, largest = scale_limits(settings)
    natural = size[1] / extents[:, 0]  # crop pixels per frame pixel before the scale varies
    finest, coarsest = min(1.0, natural.max() / smallest), min(1.0, natural.min() / largest)
    count = max(1, math.ceil(math.log(finest / coarsest) / math.log(STEP) - 1e-6))
    resolutions = [float(r) for r in np.geomspace(finest, coarsest, count + 1)[:count]]
    levels = []
    for resolution, coarser in zip(resolutions, [*resolutions[1:], 0.0], strict=True):
        # A coarser level serves the crops that show more of the frame than these.
        factors = np.minimum(largest, natural / max(coarser, 1e-9))
        used = factors >= smallest
        reach = _reach(extents[used], factors[used, None], settings)
        corners = np.concatenate([centres[used] - reach, centres[used] + reach])
        spare = 2 / resolution  # for interpolation
        bounds = np.array(frame_size)
        low = np.clip(np.floor(corners.min(axis=0) - spare), 0, bounds - 1).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0) + spare) + 1, low + 1, bounds).astype(int)
        levels.append(Part(int(low[0]), int(low[1]), int(high[0]), int(high[1]), resolution))
    return levels


def _reach(extents: np.ndarray, factors: np.ndarray, settings: Augmentation) -> np.ndarray:
    """How far crops reach from the middle of their box, (N, 2), however they turn and shift."""
    sides = extents * factors / 2
    other = sides[:, ::-1]
    angle = np.minimum(np.deg2rad(settings.rotation), np.arctan2(other, sides))
    return sides * np.cos(angle) + other * np.sin(angle) + settings.shift * extents
