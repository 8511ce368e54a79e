"""Tidy Parquet: the columns of the tidy CSV, typed, for pandas, R's arrow, DuckDB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aptv2.files import atomic_write
from aptv2.tables import PoseTable

_ROWS = 100_000  # animals that are turned into rows at a time


def write_parquet(table: PoseTable, path: str | Path) -> None:
    """Write a table with one row a keypoint; the columns are those of :func:`write_csv`, in its
    order.

    Numbers are not rounded. What is not known is null, and so are the coordinates of a keypoint
    whose score is 0. The column `image` is always there. The file's metadata holds the frame size
    under `width` and `height`, where all frames are of one, and the source under `source`.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    from pyarrow import parquet

    metadata = {"source": "" if table.root is None else str(table.root)}
    sizes = np.unique(table.frames.sizes, axis=0)
    if len(sizes) == 1:
        metadata |= {"width": str(sizes[0, 0]), "height": str(sizes[0, 1])}
    videos = table.video_names
    order = np.lexsort((table.tracks, table.frame))
    schema = _rows(table, videos, order[:0]).schema.with_metadata(metadata)
    with (
        atomic_write(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        for start in range(0, len(order), _ROWS):
            writer.write_table(_rows(table, videos, order[start : start + _ROWS]).cast(schema))


def _rows(table: PoseTable, videos: np.ndarray, rows: np.ndarray) -> Any:
    """One row a keypoint of these animals, as an Arrow table; `videos` has a name a frame."""
    import pyarrow

    count = len(table.skeleton)
    frames = table.frames[table.frame[rows]]
    animals = table[rows]

    def column(values: np.ndarray, unknown: np.ndarray, kind: Any, repeat: int = count) -> Any:
        repeated, missing = np.repeat(values, repeat), np.repeat(unknown, repeat)
        return pyarrow.array(repeated, kind, mask=missing)

    def number(values: np.ndarray, kind: Any, repeat: int = count) -> Any:
        return column(values, np.isnan(values), kind, repeat)

    species = np.array([table.categories.get(key, "") for key in animals.species.tolist()], object)
    keypoints = animals.keypoints.reshape(-1, 3)
    absent = ~(keypoints[:, 2] > 0)
    place = np.where(absent[:, None], np.nan, keypoints[:, :2])
    wide, whole, text = pyarrow.float64(), pyarrow.int64(), pyarrow.string()
    real = pyarrow.float32()
    names = np.tile(np.array(table.skeleton.names, object), len(rows))
    images = np.array([_text(name) for name in frames.names], object)
    name = {}
    if table.names:
        given = np.array([table.names.get(track, "") for track in animals.tracks.tolist()], object)
        name["name"] = column(given, given == "", text)
    video = {}
    if any(videos):
        shown = np.array([_text(name) for name in videos[table.frame[rows]]], object)
        video["video"] = column(shown, shown == "", text)
    columns = {
        "frame": column(frames.indices, frames.indices == -1, whole),
        "time": number(frames.times, wide),
        "track_id": column(animals.tracks, animals.tracks == -1, whole),
        "species": column(species, species == "", text),
        "animal_score": number(animals.scores, real),
        **{
            name: number(animals.boxes[:, side], real)
            for side, name in enumerate(("x", "y", "width", "height"))
        },
        "keypoint": pyarrow.array(names, text),
        "keypoint_x": number(place[:, 0], real, 1),
        "keypoint_y": number(place[:, 1], real, 1),
        "keypoint_score": number(keypoints[:, 2], real, 1),
        **name,
        "image": column(images, images == "", text),
        **video,
    }
    return pyarrow.table(columns)


def _text(name: str) -> str:
    """A file name that is valid Unicode: not every name on a disk is."""
    return name.encode("utf-8", "replace").decode("utf-8")
