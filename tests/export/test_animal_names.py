"""The names that people give animals, through every format that has a place for them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.datasets import read_annotations
from aptv2.drawing import draw_overlay
from aptv2.errors import InputError
from aptv2.export import write, write_coco
from aptv2.tables import Frames, PoseTable


@pytest.fixture
def table() -> PoseTable:
    """Two animals in three frames; one has a name."""
    rng = np.random.default_rng(0)
    return PoseTable.make(
        Frames.make(3, sizes=np.tile([64, 48], (3, 1)), indices=range(3), times=np.arange(3) / 25),
        [0, 0, 1, 1, 2, 2],
        boxes=rng.uniform(1, 20, (6, 4)),
        keypoints=rng.uniform(0.1, 1, (6, 17, 3)),
        scores=rng.uniform(0.5, 1, 6),
        tracks=[1, 2] * 3,
        names={2: "Bélla"},
    )


def test_names_are_read_back(table: PoseTable, tmp_path: Path) -> None:
    write_coco(table, tmp_path / "a.tracks.json")
    assert read_annotations(tmp_path / "a.tracks.json").names == {2: "Bélla"}


def test_a_file_without_names_says_nothing_of_them(table: PoseTable, tmp_path: Path) -> None:
    write_coco(replace(table, names={}), tmp_path / "a.tracks.json")
    assert "tracks" not in json.loads((tmp_path / "a.tracks.json").read_bytes())
    write(replace(table, names={}), "csv", tmp_path, "a")
    assert next(csv.reader((tmp_path / "a.csv").open()))[-1] == "keypoint_score"


@pytest.mark.parametrize(
    ("tracks", "said"),
    [
        ([{"id": 2, "name": "a/b"}], 'track 0 .id 2.: "name" holds'),
        ([{"id": 2, "name": 7}], '"name" is not text'),
        ([{"id": "x", "name": "Bella"}], '"id" is not a whole number'),
        ([{"id": 1, "name": "Bella"}, {"id": 2, "name": "Bella"}], "two tracks have one name"),
    ],
)
def test_bad_names_are_one_sentence(
    tracks: list[Any], said: str, table: PoseTable, tmp_path: Path
) -> None:
    path = tmp_path / "a.tracks.json"
    write_coco(table, path)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"tracks": tracks}))
    with pytest.raises(InputError, match=said):
        read_annotations(path)


@pytest.mark.parametrize("tracks", [None, 3, [3], [{"id": 2}], [{"id": 99, "name": "Gone"}]])
def test_lists_of_other_tools_are_left_alone(tracks: Any, table: PoseTable, tmp_path: Path) -> None:
    path = tmp_path / "a.tracks.json"
    write_coco(table, path)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"tracks": tracks}))
    assert read_annotations(path).names == {}


def test_csv_has_a_column_of_names(table: PoseTable, tmp_path: Path) -> None:
    rows = list(csv.DictReader(write(table, "csv", tmp_path, "a").open(encoding="utf-8")))
    assert {(row["track_id"], row["name"]) for row in rows} == {("1", ""), ("2", "Bélla")}


def test_deeplabcut_calls_individuals_by_name(table: PoseTable, tmp_path: Path) -> None:
    rows = csv.reader(write(table, "dlc-csv", tmp_path, "a").open(encoding="utf-8"))
    individuals = [row for row in rows if row[0] == "individuals"]
    assert set(individuals[0][1:]) == {"track1", "Bélla"}
    alone = write(table[table.tracks == 2], "dlc-csv", tmp_path, "b").read_text(encoding="utf-8")
    assert "Bélla" in alone.splitlines()[1]


def test_sleap_nwb_and_parquet_hold_the_name(table: PoseTable, tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io")
    labels = sleap_io.load_slp(str(write(table, "slp", tmp_path, "a")), open_videos=False)
    assert [track.name for track in labels.tracks] == ["track1", "Bélla"]
    parquet = pytest.importorskip("pyarrow.parquet")
    column = parquet.read_table(write(table, "parquet", tmp_path, "a"))["name"].to_pylist()
    assert set(column) == {None, "Bélla"}
    pytest.importorskip("ndx_pose")
    pynwb = pytest.importorskip("pynwb")
    with pynwb.NWBHDF5IO(str(write(table, "nwb", tmp_path, "a")), "r") as file:
        behavior = file.read().processing["behavior"]
        assert {"track1", "Bélla"} <= set(behavior.data_interfaces)


def test_the_overlay_shows_the_name_in_plain_letters() -> None:
    ground = np.zeros((120, 160, 3), np.uint8)
    animal = ([[40, 60, 60, 40]], np.zeros((1, 17, 3)), [2], [0.9])

    def drawn(name: str) -> np.ndarray:
        return draw_overlay(ground, *animal, names={2: name})

    number = draw_overlay(ground, *animal)
    assert (drawn("Bella") != number).any()
    np.testing.assert_array_equal(drawn("Bélla"), drawn("Bella"))
    np.testing.assert_array_equal(drawn("白"), number)
