"""SLEAP files that are damaged or hostile; good ones are in `export/test_round_trips.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aptv2.datasets import hdf5, read_annotations
from aptv2.errors import InputError
from aptv2.export import write
from aptv2.tables import Frames, PoseTable

h5py = pytest.importorskip("h5py", reason="needs h5py")
pytest.importorskip("sleap_io", reason="needs sleap-io")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    keypoints = np.full((3, 17, 3), 0.5)
    table = PoseTable.make(
        Frames.make(indices=[0, 1, 2]),
        [0, 1, 2],
        keypoints=keypoints,
        scores=[1] * 3,
        tracks=[1, 1, 2],
    )
    return write(table, "slp", tmp_path, "clip")


def set_field(name: str, field: str, value: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        values = file[name][()]
        values[field][0] = value
        file[name][...] = values

    return change


def replace(name: str, **how: Any) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]
        file.create_dataset(name, **how)

    return change


def outside(file: Any) -> None:
    file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")


def soft(file: Any) -> None:
    file["loop"] = h5py.SoftLink("/loop")


def raw(file: Any) -> None:
    file.create_dataset("x", (8,), "u1", external=[("/etc/passwd", 0, 8)])


def view(file: Any) -> None:
    layout = h5py.VirtualLayout((8,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (8,))
    file.create_virtual_dataset("x", layout)


def climb(file: Any) -> None:
    images = {"filename": "1.png", "filenames": ["../../a/1.png", "b/2.png", "c/3.png"]}
    del file["videos_json"]
    file.create_dataset("videos_json", data=[json.dumps({"backend": images})])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (outside, "'elsewhere' is a link to elsewhere"),
        (soft, "'loop' is a link to elsewhere"),
        (raw, "'x' lies in other files"),
        (view, "'x' lies in other files"),
        (replace("points", shape=(10**9, 10), dtype="f8", chunks=True), "more than a gigabyte"),
        (replace("instances", data=[1, 2]), "is broken"),
        (replace("tracks_json", data=["{"]), "is broken"),
        (replace("tracks_json", data=["[" * 10**5]), "is broken"),
        (set_field("instances", "point_id_end", 2**40), "have more points than the file holds"),
        (set_field("instances", "skeleton", 7), "is broken"),
        (set_field("frames", "video", 9), "is broken"),
        (set_field("frames", "frame_idx", 2**62), "there is no frame"),
        (climb, "an image's name '../../a/1.png' leads out of the image folder"),
        (set_field("pred_points", "x", np.inf), "infinite or beyond all bounds"),
    ],
)
def test_faults_are_one_sentence(path: Path, change: Callable[[Any], None], words: str) -> None:
    with h5py.File(path, "a") as file:
        change(file)
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_texts_that_are_large_together(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "_MOST_BYTES", 10**6)
    with h5py.File(path, "a") as file:
        del file["tracks_json"]
        file.create_dataset("tracks_json", data=["x" * 10**5] * 11)
    with pytest.raises(InputError, match="'tracks_json' holds more than a gigabyte"):
        read_annotations(path)


def test_a_text_said_to_be_longer_than_its_file(path: Path) -> None:
    """HDF5 made room for four gigabytes before it looked."""
    with h5py.File(path, "r") as file:
        texts = file["tracks_json"].id
        place = texts.get_chunk_info(0).byte_offset if file["tracks_json"].chunks else None
        start = texts.get_offset() if place is None else place
    content = bytearray(path.read_bytes())
    content[start : start + 4] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(InputError, match="'tracks_json' has a text longer than the file"):
        read_annotations(path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused(path: Path, data: st.DataObject) -> None:
    good = path.read_bytes()
    start = data.draw(st.integers(0, len(good)))
    end = start + data.draw(st.integers(0, 12))
    tail = b"" if data.draw(st.booleans()) else good[end:]
    path.write_bytes(good[:start] + data.draw(st.binary(max_size=8)) + tail)
    said = ""
    try:
        keypoints = read_annotations(path).keypoints
    except InputError as error:
        said = str(error)
    finally:
        path.write_bytes(good)
    assert str(path) in said if said else np.isfinite(keypoints).all()


def test_what_is_missing_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sleap_io", None)
    with pytest.raises(InputError, match=r"needs sleap-io \(pip install 'aptv2\[sleap\]'\)"):
        read_annotations(path)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match=r"needs h5py \(pip install 'aptv2\[hdf5\]'\)"):
        read_annotations(path)
