from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools.coco import COCO

from aptv2.datasets import read_coco, read_coco_results
from aptv2.errors import InputError
from aptv2.export import write_coco, write_coco_results
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable

IDS = st.integers(-(2**53), 2**53)
NUMBERS = st.floats(-1e6, 1e6, width=32)
SIZES = st.floats(0, 1e6, width=32)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).filter(
    lambda name: (
        "\0" not in name
        and ".." not in name
        and ":" not in name
        and not name.startswith(("/", "\\"))
    )
)
SKELETON = Skeleton(("left_ear", "right_ear", "tail"), limbs=((0, 2), (1, 2)), sigmas=(0.1, 0.2, 1))


def or_nan(numbers: st.SearchStrategy[float]) -> st.SearchStrategy[float]:
    return numbers | st.just(np.nan)


@st.composite
def tables(draw: st.DrawFn) -> PoseTable:
    """Odd tables: no frames, no animals, many in a frame, nothing known, everything known."""
    count = draw(st.integers(0, 4))
    rows = draw(st.integers(0, 8)) if count else 0
    skeleton = draw(st.sampled_from([ANIMAL17, SKELETON]))

    def column(values: st.SearchStrategy, length: int = rows, **unique: bool) -> list:
        return draw(st.lists(values, min_size=length, max_size=length, **unique))

    frames = Frames.make(
        ids=column(IDS, count, unique=True),
        names=column(NAMES, count),
        sizes=column(st.tuples(st.integers(0, 9999), st.integers(0, 9999)), count),
        clips=column(st.integers(-1, 3), count),
        indices=column(st.integers(0, 10**6), count),
        times=column(or_nan(st.floats(0, 1e6)), count),
    )
    categories = draw(st.dictionaries(st.integers(0, 99), NAMES, min_size=1, max_size=3))
    boxes = column(st.tuples(NUMBERS, NUMBERS, SIZES, SIZES) | st.just((np.nan,) * 4))
    return PoseTable.make(
        frames,
        column(st.integers(0, count - 1)) if count else [],
        boxes=boxes,
        keypoints=draw(hnp.arrays(np.float32, (rows, len(skeleton), 3), elements=NUMBERS)),
        scores=column(or_nan(st.floats(0, 1, width=32))),
        tracks=column(st.integers(-1, 10**9)),
        species=column(st.sampled_from([*categories, -1])),
        areas=column(or_nan(SIZES)),
        ids=column(IDS, unique=True),
        crowd=column(st.booleans()),
        skeleton=skeleton,
        categories=categories,
    )


def assert_same(table: PoseTable, other: PoseTable) -> None:
    for part, twin in ((table, other), (table.frames, other.frames)):
        for field in fields(part):
            value, copy = getattr(part, field.name), getattr(twin, field.name)
            if isinstance(value, np.ndarray):
                assert value.dtype == copy.dtype, field.name
                np.testing.assert_array_equal(value, copy, field.name)
            elif field.name != "frames":
                assert value == copy, field.name


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_what_is_written_is_read_back(table: PoseTable, tmp_path: Path) -> None:
    path = tmp_path / "clip.tracks.json"
    write_coco(table, path)
    # COCO's tools need an area, so the box's is written where there is none.
    assert_same(replace(table, areas=table.scale_areas), read_coco(path))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=tables())
def test_results_are_read_back(table: PoseTable, tmp_path: Path) -> None:
    table = replace(table, categories=dict(table.categories) | {-1: "animal"})
    path = tmp_path / "results.json"
    write_coco_results(table, path)
    expected = replace(
        table,
        scores=np.where(np.isnan(table.scores), np.float32(1), table.scores),
        ids=np.arange(1, len(table) + 1),
        crowd=np.zeros(len(table), bool),
    )
    assert_same(expected, read_coco_results(path, table))


@pytest.fixture
def walk(tmp_path: Path) -> PoseTable:
    """One animal in the second of two frames of a video."""
    keypoints = np.tile(np.float32([1.5, 2.25, 0.1]), (1, 17, 1))
    frames = Frames.make(2, sizes=[[64, 48]] * 2, indices=[0, 1], times=[0, 0.04])
    return PoseTable.make(
        frames,
        [1],
        boxes=[[1, 2, 3, 4]],
        keypoints=keypoints,
        scores=[0.9],
        tracks=[7],
        root=tmp_path / "clip.mp4",
    )


def test_the_file_is_what_the_format_says(walk: PoseTable, tmp_path: Path) -> None:
    path = tmp_path / "clip.tracks.json"
    write_coco(walk, path)
    document = json.loads(path.read_text())
    assert document["info"]["video"] == "clip.mp4"
    assert document["images"][1] == {
        "id": 2,
        "file_name": "",
        "width": 64,
        "height": 48,
        "frame_index": 1,
        "time": 0.04,
    }
    (animal,) = document["annotations"]
    assert animal.pop("keypoints") == [1.5, 2.25, 0.1] * 17
    assert animal == {
        "id": 1,
        "image_id": 2,
        "category_id": -1,
        "bbox": [1, 2, 3, 4],
        "area": 12,
        "iscrowd": 0,
        "num_keypoints": 17,
        "track_id": 7,
        "score": 0.9,
    }
    (category,) = document["categories"]
    assert category["keypoints"] == list(ANIMAL17.names)
    assert category["skeleton"][0] == [1, 2]


def test_pycocotools_reads_it(walk: PoseTable, tmp_path: Path) -> None:
    path = tmp_path / "clip.tracks.json"
    write_coco(walk, path)
    coco = COCO(str(path))
    assert coco.getAnnIds(imgIds=[2]) == [1]
    assert coco.loadCats(coco.getCatIds())[0]["name"] == "animal"


def test_the_video_beside_the_file_is_found_again(walk: PoseTable, tmp_path: Path) -> None:
    path = tmp_path / "clip.tracks.json"
    write_coco(walk, path)
    assert read_coco(path).root is None
    (tmp_path / "clip.mp4").touch()
    assert read_coco(path).root == tmp_path / "clip.mp4"


def test_a_keypoint_that_is_nan_is_written_as_absent(walk: PoseTable, tmp_path: Path) -> None:
    walk.keypoints[0, 3, 1] = np.nan
    write_coco(walk, tmp_path / "poses.json")
    write_coco_results(walk, tmp_path / "results.json")
    for table in (
        read_coco(tmp_path / "poses.json"),
        read_coco_results(tmp_path / "results.json"),
    ):
        assert table.keypoints[0, 3].tolist() == [0, 0, 0]
        assert table.keypoints[0, 4].tolist() == pytest.approx([1.5, 2.25, 0.1])


def test_a_name_that_is_no_unicode(walk: PoseTable, tmp_path: Path) -> None:
    walk.frames.names[:] = "caf\udce9.jpg"
    write_coco(walk, tmp_path / "poses.json")
    assert read_coco(tmp_path / "poses.json").frames.names[0] == "caf?.jpg"


def test_species_without_a_name_get_one(walk: PoseTable, tmp_path: Path) -> None:
    write_coco(replace(walk, species=np.array([4])), tmp_path / "poses.json")
    assert read_coco(tmp_path / "poses.json").categories == {4: "species 4"}


@pytest.mark.parametrize("write", [write_coco, write_coco_results])
def test_nothing_is_left_where_nothing_can_be_written(
    write: Callable[[PoseTable, Path], None], walk: PoseTable, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write(walk, tmp_path / "file" / "poses.json")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
