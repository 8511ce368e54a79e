"""Packs: the crops of a data set in a few large files, so that training need not wait for pixels.

A pack is a folder. `pack.safetensors` holds the table and how the pack was made; it is written
last, so a folder that has it is complete. `crops-00000.safetensors` and so on hold the pixels.

The part of the frame that the strongest augmentation can reach is kept of each animal, as JPEGs
of several resolutions: the more of its surroundings a crop shows, the coarser they may be. So each
level shows a part of its own, no level is much larger than a crop, and a crop is decoded from the
coarsest level that is as fine as itself. None is finer than the frame.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import simplejpeg
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import safe_open

from aptv2 import crops
from aptv2.errors import InputError
from aptv2.images import check_size
from aptv2.skeleton import Skeleton
from aptv2.tables import Frames, PoseTable
from aptv2.training.augmentation import scale_limits
from aptv2.training.recipes import Augmentation

INDEX = "pack.safetensors"
PER_SHARD = 256  # animals

# Counts up when the levels come to cover something else, so that older packs are refused and older
# shards are packed again. 2: crops around boxes as MMPose reads them.
FORMAT: Final = "aptv2 pack 2"
_FINE_ENOUGH = 0.999  # of a crop's resolution: rounding is no reason to decode a finer level


class Manifest(BaseModel):
    """Metadata of a pack, beside the arrays of its table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["aptv2 pack 2"] = FORMAT
    source: str  # what was packed
    size: tuple[int, int]  # height and width of the largest crops
    augmentation: Augmentation  # the strongest
    quality: int  # of the JPEGs
    names: list[str]  # of the frames
    skeleton: Skeleton
    categories: dict[int, str]
    shards: list[str]  # their fingerprints


@dataclass(frozen=True)
class Shard:
    """The pixels of up to `PER_SHARD` animals, in the table's order; levels from fine to coarse.

    Parameters
    ----------
    jpegs
        uint8 (bytes,): all levels of all animals, one behind the other.
    first
        int64 (animals + 1,): where the levels of each animal begin among all levels.
    ends
        int64 (levels,): where the JPEG of each level ends.
    checksums
        uint32 (levels,): CRC-32 of the JPEG.
    low
        int32 (levels, 2): x and y of the level's first pixel in the frame.
    scales
        float64 (levels, 2): level pixels per frame pixel, across and down.
    """

    jpegs: Any  # an array, or what reads slices of one from a file
    first: np.ndarray
    ends: np.ndarray
    checksums: np.ndarray
    low: np.ndarray
    scales: np.ndarray


_SHARD_TYPES = {"first": "int64", "ends": "int64", "checksums": "uint32", "low": "int32"}


def shard_path(pack: Path, number: int) -> Path:
    """Path of a shard."""
    return pack / f"crops-{number:05d}.safetensors"


def open_shard(path: Path, fingerprint: str, animals: int) -> Shard:
    """A shard whose JPEGs stay in the file until they are asked for.

    Raises
    ------
    InputError
        Where it is missing, cut off, or not the shard with this fingerprint.
    """
    if not path.is_file():
        raise InputError(f"{path}: is missing; pack again into the same folder to add it.")
    try:
        file = safe_open(path, framework="numpy")
        said = (file.metadata() or {}).get("fingerprint")
        small = {f.name: file.get_tensor(f.name) for f in fields(Shard) if f.name != "jpegs"}
        shard = Shard(jpegs=file.get_slice("jpegs"), **small)
        sound = _is_sound(shard, animals)
    except Exception as error:  # The library raises whatever a malformed file leads it to.
        raise _broken(path, f"is damaged or cut off ({error})") from None
    if said != fingerprint:
        raise _broken(path, "belongs to another pack")
    if not sound:
        raise _broken(path, "holds levels that cannot be")
    return shard


def _broken(path: Path, why: str) -> InputError:
    return InputError(f"{path}: {why}; delete it and run aptv2 data pack again.")


def _is_sound(shard: Shard, animals: int) -> bool:
    count = len(shard.ends)
    return (
        all(getattr(shard, name).dtype == kind for name, kind in _SHARD_TYPES.items())
        and shard.jpegs.get_dtype() == "U8"
        and shard.first.shape == (animals + 1,)
        and shard.first[0] == 0
        and shard.first[-1] == count
        and bool((np.diff(shard.first) > 0).all())
        and shard.checksums.shape == (count,)
        and shard.low.shape == shard.scales.shape == (count, 2)
        and bool((np.diff(shard.ends, prepend=0) > 0).all())
        and [shard.ends[-1]] == shard.jpegs.get_shape()
        and bool((shard.low >= 0).all() and ((shard.scales > 0) & (shard.scales <= 1)).all())
    )


class Pack:
    """A pack that was written by `aptv2 data pack`.

    Parameters
    ----------
    path
        Its folder.

    Attributes
    ----------
    manifest
        How it was made.
    table
        Its animals, in pixels of their original frames.

    Raises
    ------
    InputError
        Where the folder is no finished pack, or its index is damaged.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.manifest, self.table = _read_index(self.path / INDEX)
        self._places = {int(animal): row for row, animal in enumerate(self.table.ids)}
        self._shards: dict[int, Shard] = {}
        self._checked: set[tuple[int, int]] = set()

    def __reduce__(self) -> tuple[type[Pack], tuple[Path]]:
        return Pack, (self.path,)  # open files do not travel to a loader's processes

    def __len__(self) -> int:
        return len(self.table)

    @property
    def fingerprint(self) -> str:
        """Of its pixels and annotations."""
        return hashlib.sha256("".join(self.manifest.shards).encode()).hexdigest()

    def require(self, size: tuple[int, int], settings: Augmentation) -> None:
        """Refuse crops that reach beyond what was packed, or are finer.

        Raises
        ------
        InputError
            Where they do.
        """
        made, (height, width) = self.manifest.augmentation, self.manifest.size
        if size[0] * width != size[1] * height or size[0] > height:
            raise self._too_weak(f"crops of {height} x {width}", f"{size[0]} x {size[1]}")
        (small, large), (least, most) = scale_limits(made), scale_limits(settings)
        if least < small - 1e-9 or most > large + 1e-9:
            raise self._too_weak(
                f"scales of {small:.3g} to {large:.3g}", f"{least:.3g} to {most:.3g}"
            )
        for name in ("rotation", "shift"):
            if getattr(settings, name) > getattr(made, name):
                raise self._too_weak(
                    f"{name} {getattr(made, name):g}", f"{getattr(settings, name):g}"
                )
        if settings.half_body and not made.half_body:
            raise self._too_weak("whole bodies", "half bodies too")

    def _too_weak(self, made: str, wanted: str) -> InputError:
        return InputError(
            f"{self.path}: was packed for {made}, this run wants {wanted}; pack again with the "
            "run's recipe."
        )

    def crop(
        self,
        table: PoseTable,
        row: int,
        matrix: np.ndarray,
        size: tuple[int, int],
        border: Sequence[int],
    ) -> np.ndarray:
        """The pixels around an animal; see :class:`aptv2.training.data.pose.Pixels`.

        Raises
        ------
        InputError
            Where the animal is not in the pack, or its pixels are damaged.
        """
        place = self._places.get(int(table.ids[row]))
        if place is None:
            raise InputError(f"{self.path}: does not hold annotation {table.ids[row]}; pack again.")
        number, animal = divmod(place, PER_SHARD)
        shard = self._shard(number)
        first, end = shard.first[animal : animal + 2]
        fine = shard.scales[first:end].min(axis=1) >= _FINE_ENOUGH * crops.scale_of(matrix)
        # Levels go from fine to coarse: the last that is fine enough, or the finest there is.
        level = int(first + max(np.count_nonzero(fine) - 1, 0))
        image = self._decode(number, shard, level)
        matrix = crops.for_part(matrix, shard.low[level], shard.scales[level])
        return crops.sample(image, matrix[None], size, border)[0]

    def _shard(self, number: int) -> Shard:
        if number not in self._shards:
            animals = min(PER_SHARD, len(self) - number * PER_SHARD)
            path = shard_path(self.path, number)
            self._shards[number] = open_shard(path, self.manifest.shards[number], animals)
        return self._shards[number]

    def _decode(self, number: int, shard: Shard, level: int) -> np.ndarray:
        start = int(shard.ends[level - 1]) if level else 0
        data = shard.jpegs[start : int(shard.ends[level])]
        path = shard_path(self.path, number)
        if (number, level) not in self._checked:  # once in a process
            if zlib.crc32(data) != shard.checksums[level]:
                raise _broken(path, "its pixels have changed")
            self._checked.add((number, level))
        try:
            height, width, *_ = simplejpeg.decode_jpeg_header(data)
            check_size(path, width, height)
            return simplejpeg.decode_jpeg(data, "RGB")
        except ValueError as error:
            raise _broken(path, f"holds pixels that cannot be decoded ({error})") from None


def index_arrays(table: PoseTable) -> dict[str, np.ndarray]:
    """The arrays of a table and, as `frames.…`, of its frames; texts are in the manifest."""
    rows = {f.name: getattr(table, f.name) for f in fields(table)}
    frames = {f"frames.{f.name}": getattr(table.frames, f.name) for f in fields(table.frames)}
    return {
        name: np.ascontiguousarray(array)
        for name, array in {**rows, **frames}.items()
        if isinstance(array, np.ndarray) and array.dtype != object
    }


def _read_index(path: Path) -> tuple[Manifest, PoseTable]:
    if not path.is_file():
        raise InputError(f"{path.parent}: is no finished pack; run aptv2 data pack (again).")
    try:
        with safe_open(path, framework="numpy") as file:
            manifest = Manifest.model_validate_json((file.metadata() or {}).get("manifest", ""))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        frames = {k.removeprefix("frames."): arrays.pop(k) for k in list(arrays) if "." in k}
        table = PoseTable.make(
            Frames.make(names=manifest.names, **frames),
            arrays.pop("frame"),
            skeleton=manifest.skeleton,
            categories=manifest.categories,
            **arrays,
        )
        if len(manifest.shards) != -(-len(table) // PER_SHARD):
            raise ValueError(f"{len(manifest.shards)} shards for {len(table)} animals")
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"]) or "manifest"
        raise InputError(
            f"{path}: is no pack of this version ({where}: {problem['msg']}); delete the folder "
            "and run aptv2 data pack again."
        ) from None
    except Exception as error:  # As above.
        raise InputError(f"{path}: is damaged or cut off ({error}); pack again.") from None
    return manifest, table
