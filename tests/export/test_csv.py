from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from aptv2.datasets import read_annotations
from aptv2.export import write_coco, write_csv
from aptv2.skeleton import Skeleton
from aptv2.tables import Frames, PoseTable

SKELETON = Skeleton(("nose", "tail"))


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_one_row_a_keypoint(tmp_path: Path) -> None:
    table = PoseTable.make(
        Frames.make(2, indices=[0, 1], times=[0, 1 / 30]),
        [1, 0, 1],
        boxes=[[1, 2, 3, 4], [5.12345, 6, 7, 8], [9, 9, 9, 9]],
        keypoints=[[[1, 2, 0.5], [3.33333, 4, 0.25]]] * 2 + [[[0, 0, 0], [1, 1, 1]]],
        scores=[0.5, 0.25, 1],
        tracks=[2, 1, 1],
        species=[4, 4, 4],
        categories={4: "spider monkey"},
        skeleton=SKELETON,
    )
    write_csv(table, tmp_path / "clip.csv")
    rows = read(tmp_path / "clip.csv")
    assert [(row["frame"], row["track_id"], row["keypoint"]) for row in rows] == [
        ("0", "1", "nose"),
        ("0", "1", "tail"),
        ("1", "1", "nose"),
        ("1", "1", "tail"),
        ("1", "2", "nose"),
        ("1", "2", "tail"),
    ]
    assert rows[1] == {
        "frame": "0",
        "time": "0.0",
        "track_id": "1",
        "species": "spider monkey",
        "animal_score": "0.25",
        "x": "5.123",
        "y": "6.0",
        "width": "7.0",
        "height": "8.0",
        "keypoint": "tail",
        "keypoint_x": "3.333",
        "keypoint_y": "4.0",
        "keypoint_score": "0.25",
    }
    assert rows[5]["time"] == "0.033333"
    unseen = rows[2]
    assert (unseen["keypoint_x"], unseen["keypoint_y"], unseen["keypoint_score"]) == ("", "", "0.0")


def test_what_is_unknown_is_empty_and_images_are_named(tmp_path: Path) -> None:
    frames = Frames.make(names=["a, b.jpg"])
    table = PoseTable.make(frames, [0], keypoints=np.ones((1, 2, 3)), skeleton=SKELETON)
    write_csv(table, tmp_path / "poses.csv")
    row = read(tmp_path / "poses.csv")[0]
    known = {name: value for name, value in row.items() if value}
    assert known == {
        "keypoint": "nose",
        "keypoint_x": "1.0",
        "keypoint_y": "1.0",
        "keypoint_score": "1.0",
        "image": "a, b.jpg",
    }


def test_no_animal_leaves_the_header(tmp_path: Path) -> None:
    write_csv(PoseTable.make(Frames.make(3), []), tmp_path / "clip.csv")
    assert (tmp_path / "clip.csv").read_text().startswith("frame,time,track_id,")
    assert read(tmp_path / "clip.csv") == []


def test_times_of_a_variable_rate_and_a_long_gap_are_kept(tmp_path: Path) -> None:
    """In tables and in our own file, to the microsecond; frame numbers stay too."""
    times, indices = [0.0, 0.04, 0.5, 3.504167], [0, 1, 9, 40]
    table = PoseTable.make(
        Frames.make(indices=indices, times=times),
        [0, 1, 2, 3],
        keypoints=np.ones((4, 2, 3)),
        scores=[1] * 4,
        tracks=[1] * 4,
        skeleton=SKELETON,
    )
    write_csv(table, tmp_path / "clip.csv")
    rows = read(tmp_path / "clip.csv")[::2]
    assert [float(row["time"]) for row in rows] == times
    assert [int(row["frame"]) for row in rows] == indices
    write_coco(table, tmp_path / "clip.tracks.json")
    back = read_annotations(tmp_path / "clip.tracks.json")
    assert back.frames.times.tolist() == times
    assert back.frames.indices.tolist() == indices
