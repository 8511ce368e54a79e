from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from aptv2 import InputError
from aptv2.datasets.statistics import statistics
from aptv2.reports.figures import FIGURES
from aptv2.reports.statistics_page import write_statistics
from aptv2.tables import Frames, PoseTable

NAMES = [kind.name for kind in FIGURES]


@pytest.fixture(scope="module")
def table() -> PoseTable:
    """A clip of two frames: two dogs that walk, and then one more animal of an odd name."""
    keypoints = np.full((5, 17, 3), 2.0)
    keypoints[:, :, 0] = np.arange(5)[:, None]
    return PoseTable.make(
        Frames.make(
            names=["easy/1dog/v1/0.jpg", "easy/1dog/v1/1.jpg"], clips=[1, 1], indices=[0, 1]
        ),
        [0, 0, 1, 1, 1],
        boxes=[[0, 0, 9, 9], [20, 0, 9, 5], [1, 0, 9, 9], [21, 0, 9, 5], [50, 50, 8, 8]],
        keypoints=keypoints,
        tracks=[1, 2, 1, 2, 3],
        species=[1, 1, 1, 1, 2],
        categories={1: "dog", 2: "<b>犬 $x_1$"},
    )


@pytest.fixture(scope="module")
def written(table: PoseTable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of that table."""
    folder = tmp_path_factory.mktemp("statistics") / "out"
    assert write_statistics(statistics(table), folder, "Zoo & <co>") == []
    return folder


def test_all_files_are_written_and_whole(written: Path) -> None:
    wanted = {f"{name}.{kind}" for name in NAMES for kind in ("png", "svg")}
    assert {path.name for path in written.iterdir()} == wanted | {"index.html", "stats.json"}
    for name in NAMES:
        with Image.open(written / f"{name}.png") as image:
            assert image.width == 880
            assert len(image.convert("RGB").getcolors(2**24) or ()) > 20
        ElementTree.parse(written / f"{name}.svg")
    numbers = json.loads((written / "stats.json").read_text())
    assert numbers["totals"]["instances"] == 5
    assert numbers["crowding"] == {"animals": [2, 3], "frames": [1, 1], "instances": [2, 3]}
    assert [one["name"] for one in numbers["species"]] == ["dog", "<b>犬 $x 1$"]


def test_the_page_stands_alone(written: Path) -> None:
    page = (written / "index.html").read_text(encoding="utf-8")
    assert "<title>Zoo &amp; &lt;co&gt;</title>" in page
    assert page.count("<svg") == len(FIGURES)
    assert "<b>" not in page
    assert "<script" not in page
    # Nothing is fetched: the only addresses are names of XML vocabularies.
    assert not re.search(r'(?:src|href)="(?!#)|url\((?!#)|@import', page)
    ids = re.findall(r' id="([^"]*)"', page)
    assert len(set(ids)) == len(ids)
    used = set(re.findall(r'href="#([^"]*)"', page)) | set(re.findall(r"url\(#([^)]*)\)", page))
    assert used <= set(ids)
    # Ink and paper follow the screen.
    assert "prefers-color-scheme: dark" in page
    body = page.split("</style>", 1)[1]
    assert not re.search("#(1b2029|fefefe|5d6674|d8dce4)", body)
    assert "var(--ink)" in body


def test_what_cannot_be_drawn_is_said(table: PoseTable, written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    dogs = replace(table[table.species == 1], tracks=np.full(4, -1))
    left_out = write_statistics(statistics(dogs), tmp_path, "dogs")
    assert [sentence.split(":")[0] for sentence in left_out] == [
        "No figure of families and species",
        "No figure of crowding",
        "No figure of keypoint motion",
        "No figure of overlap of neighbouring frames",
    ]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert page.count('class="missing"') == 4
    assert "Every frame with an animal holds 2." in page
    # The figures of the earlier run went.
    assert not list(tmp_path.glob("motion.*"))
    assert (tmp_path / "aspect.png").is_file()


def test_an_empty_data_set_has_a_page(table: PoseTable, tmp_path: Path) -> None:
    assert len(write_statistics(statistics(table[:0]), tmp_path, "none")) == len(FIGURES)
    assert (tmp_path / "index.html").is_file()


def test_many_species(table: PoseTable, tmp_path: Path) -> None:
    count = 200
    many = PoseTable.make(
        Frames.make(count),
        np.arange(count),
        species=np.arange(count),
        categories={key: f"species number {key}" for key in range(count)},
    )
    write_statistics(statistics(many), tmp_path, "many")
    with Image.open(tmp_path / "species.png") as image:
        assert image.height < 3000
    assert "140 more" in (tmp_path / "species.svg").read_text()


def test_the_same_numbers_give_the_same_bytes(
    table: PoseTable, written: Path, tmp_path: Path
) -> None:
    write_statistics(statistics(table), tmp_path, "Zoo & <co>")
    for path in written.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def test_a_place_that_cannot_be_written(table: PoseTable, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_statistics(statistics(table), tmp_path / "file", "x")
