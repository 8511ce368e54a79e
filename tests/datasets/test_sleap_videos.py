"""SLEAP projects of several videos: they stay apart, and their pictures are found."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.images import read_image
from aptv2.inference.labelled_frames import write_labelled_frames

h5py = pytest.importorskip("h5py", reason="needs h5py")
sleap_io = pytest.importorskip("sleap_io", reason="needs sleap-io")

FRAMES = (2, 5)


@pytest.fixture
def project(make_clip: Callable[..., Path], tmp_path: Path) -> Any:
    """Labels of frames 2 and 5 of `cage a.mp4` and `cage b.mp4`, which is brighter and redder."""
    skeleton = sleap_io.Skeleton(["nose", "tail"])
    labelled = []
    for name, red in (("cage a", 40), ("cage b", 200)):
        image = np.full((48, 64, 3), (red, 60, 40), np.uint8)
        path = make_clip(f"{name}.mp4", [image] * 8)
        video = sleap_io.Video.from_filename(str(path))
        for index in FRAMES:
            points = np.array([[index + 10.0, 20], [30, red / 10]])
            instance = sleap_io.Instance.from_numpy(points, skeleton)
            labelled.append(sleap_io.LabeledFrame(video, index, [instance]))
    return sleap_io.Labels(labelled)


def red_of(folder: Path) -> list[tuple[str, int]]:
    table = read_annotations(folder / "annotations.json")
    images = [read_image(folder / "images" / name) for name in table.frames.names]
    assert all((image[:, :, 0] > image[:, :, 2] - 8).all() for image in images)
    return [
        (name, round(float(image[:, :, 0].mean()) / 40))
        for name, image in zip(table.frames.names, images, strict=True)
    ]


EXPECTED = [
    ("cage a/frame_000002.png", 1),
    ("cage a/frame_000005.png", 1),
    ("cage b/frame_000002.png", 5),
    ("cage b/frame_000005.png", 5),
]


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_of_several_videos(project: Any, tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("apart/p.pkg.slp" if packed else "p.slp")
    path.parent.mkdir(exist_ok=True)
    project.save(str(path), embed="user" if packed else False)
    table = read_annotations(path)
    assert table.videos == {1: "cage a.mp4", 2: "cage b.mp4"}
    assert write_labelled_frames(table, tmp_path / "out") == 4
    assert red_of(tmp_path / "out") == EXPECTED
    assert (read_annotations(tmp_path / "out").keypoints == table.keypoints).all()


def test_a_package_of_one_video(project: Any, tmp_path: Path) -> None:
    one = sleap_io.Labels(project.labeled_frames[2:])
    (tmp_path / "apart").mkdir()
    one.save(str(path := tmp_path / "apart" / "p.pkg.slp"), embed="user")
    assert write_labelled_frames(read_annotations(path), tmp_path / "out") == 2
    assert red_of(tmp_path / "out") == [("p.pkg_000002.png", 5), ("p.pkg_000005.png", 5)]


def test_damaged_packages_are_one_sentence(project: Any, tmp_path: Path) -> None:
    (tmp_path / "apart").mkdir()
    project.save(str(path := tmp_path / "apart" / "p.pkg.slp"), embed="user")
    with h5py.File(path, "a") as file:
        numbers = file["video0/frame_numbers"][()]
        del file["video0/frame_numbers"]
        file["video0/frame_numbers"] = numbers[:1]
    with pytest.raises(InputError, match="video0 has 2 pictures, but names 1 frames"):
        write_labelled_frames(read_annotations(path), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tables_name_the_video_of_each_row(project: Any, tmp_path: Path) -> None:
    project.save(str(path := tmp_path / "p.slp"), embed=False)
    for to, name in (("csv", "p.csv"), ("dlc-csv", "pDLC_aptv2.csv"), ("mot", "p.mot.txt")):
        done = CliRunner().invoke(app, ["export", str(path), "--to", to])
        assert done.exit_code == 0, done.output
        if to == "mot":
            assert (tmp_path / "p_cage a.mot.txt").exists()
            assert not (tmp_path / name).exists()
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["video"], row["frame"], row["keypoint"]) for row in rows}) == len(rows) == 8
    with (tmp_path / "pDLC_aptv2.csv").open(newline="") as file:
        sheet = [row[:3] for row in csv.reader(file)][3:]
    assert sheet[3] == ["labeled-data", "cage b", "frame_000005.png"]
    assert len(sheet) == 4
    # Our own file holds the names, and gives them back.
    again = CliRunner().invoke(
        app, ["data", "convert", str(path), str(tmp_path / "c.json"), "--to", "coco"]
    )
    assert again.exit_code == 0, again.output
    back = read_annotations(tmp_path / "c.json")
    assert back.videos == {1: "cage a.mp4", 2: "cage b.mp4"}
    assert back.frames.indices.tolist() == [2, 5, 2, 5]


def test_a_video_and_a_frame_named_twice_become_one(project: Any, tmp_path: Path) -> None:
    first = project.labeled_frames[0]
    again = sleap_io.Video.from_filename(first.video.filename)
    double = sleap_io.LabeledFrame(again, 2, [*first.instances])
    labels = sleap_io.Labels([*project.labeled_frames, double])
    labels.save(str(path := tmp_path / "p.slp"), embed=False)
    with pytest.warns(UserWarning, match="animals that appear twice, read once: 1"):
        table = read_annotations(path)
    assert (len(table), len(table.frames)) == (4, 4)
