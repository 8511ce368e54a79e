"""COCO files that are not as they should be: each fault is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aptv2.datasets.coco import parse_coco, read_coco
from aptv2.errors import InputError
from aptv2.tables import PoseTable

Save = Callable[..., Path]
Document = dict[str, Any]


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("images", {}, "list of image records"),
        ("images/1", 5, "image 1 (from 0) is not an object"),
        ("images/1/id", "REMOVE", 'image 1: "id" is missing'),
        ("images/1/id", 7, '"id" is 7 again'),
        ("images/1/id", "3", 'image 1 (id 3): "id" is not a whole number'),
        ("images/1/id", 3.5, '"id" is not a whole number'),
        ("images/1/id", 10**30, '"id" is not a whole number'),
        ("images/1/id", None, '"id" is not a whole number'),
        ("images/0/file_name", 5, 'image 0 (id 7): "file_name" is not text'),
        ("images/0/file_name", "../../etc/passwd", "leads out of the image folder"),
        ("images/0/file_name", "a\\..\\..\\b.jpg", "leads out of the image folder"),
        ("images/0/file_name", "/etc/passwd", "leads out of the image folder"),
        ("images/0/file_name", "C:\\a.jpg", "leads out of the image folder"),
        ("images/0/width", -64, 'image 0 (id 7): "width" has a negative size'),
        ("images/0/width", 2**40, "beyond all bounds"),
        ("images/0/height", [48], '"height" is not a whole number'),
        ("images/0/video_id", "v1", '"video_id" is not a whole number'),
        ("images/0/time", "now", '"time" is not a number'),
        ("annotations", None, "list of annotation records"),
        ("annotations/1", None, "annotation 1 (from 0) is not an object"),
        ("annotations/1/id", 11, '"id" is 11 again, which another annotation has'),
        ("annotations/1/image_id", 9, '(id 12): "image_id" is 9, which no image has'),
        ("annotations/1/image_id", "REMOVE", '"image_id" is missing'),
        ("annotations/1/category_id", 2, '"category_id" is 2, which no category has'),
        ("annotations/1/bbox", [1, 2, 3], '"bbox" does not hold 4 numbers'),
        ("annotations/1/bbox", "wide", '"bbox" is not a list of numbers'),
        ("annotations/1/bbox", [1, 2, "3", 4], '"bbox" holds something that is not a number'),
        ("annotations/1/bbox", [1, 2, -3, 4], '"bbox" has a negative size'),
        ("annotations/1/bbox", [1, 2, float("nan"), 4], '"bbox" holds NaN'),
        ("annotations/1/bbox", [1, float("inf"), 3, 4], '"bbox" holds NaN, infinity'),
        ("annotations/1/bbox", [1, 2, 10**400, 4], '"bbox" holds something that is not a number'),
        ("annotations/1/area", float("nan"), '"area" holds NaN'),
        ("annotations/1/area", -1, '"area" has a negative size'),
        ("annotations/1/keypoints", "REMOVE", '"keypoints" is missing'),
        ("annotations/1/keypoints", [0] * 50, '"keypoints" does not hold 51 numbers'),
        ("annotations/1/keypoints", [[0, 0, 0]] * 17, '"keypoints" does not hold 51 numbers'),
        ("annotations/1/keypoints/50", None, '"keypoints" holds something that is not a number'),
        ("annotations/1/keypoints/50", float("nan"), '"keypoints" holds NaN'),
        ("annotations/1/keypoints/50", 1e39, '"keypoints" holds NaN, infinity or a number beyond'),
        ("annotations/1/score", "high", '"score" is not a number'),
        ("annotations/1/track_id", 1.5, '"track_id" is not a whole number'),
        ("categories", "REMOVE", "list of category records is missing"),
        ("categories/1/id", 1, '"id" is 1 again'),
        ("categories/1/name", "REMOVE", 'category 1 (id 5): "name" is missing'),
        ("categories/0/keypoints", "eye", "not a list of keypoint names"),
        ("categories/0/keypoints", ["eye", "eye"], "keypoint names repeat"),
        ("categories/0/keypoints", ["eye"], "category: a limb names a keypoint outside 0 to 0"),
        ("categories/1/keypoints", ["eye"] * 17, '"keypoints" lists other keypoints than'),
        ("images/0/file_name", "a\0.jpg", "holds a zero byte"),
    ],
)
def test_faults_are_named(
    document: Document, save: Save, where: str, value: Any, words: str
) -> None:
    *parents, last = (int(part) if part.isdecimal() else part for part in where.split("/"))
    spot: Any = document
    for part in parents:
        spot = spot[part]
    if value == "REMOVE":
        del spot[last]
    else:
        spot[last] = value
    path = save(document)
    with pytest.raises(InputError) as caught:
        read_coco(path)
    message = str(caught.value)
    assert str(path) in message
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize("cut", [0, 1, 100, -2])
def test_a_truncated_file(document: Document, tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cut.json"
    path.write_text(json.dumps(document)[:cut])
    with pytest.raises(InputError, match=r"cut\.json is not valid JSON.*cut off"):
        read_coco(path)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"[" * 100_000, b"1" * 5000, b"\x89PNG\r\n"])
def test_what_is_not_json(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "poses.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"poses\.json"):
        read_coco(path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.json does not exist"):
        read_coco(tmp_path / "nothing.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_coco(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


def spots(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, item in inner:
            found += spots(item, (*path, key)) if isinstance(item, dict | list) else [(*path, key)]
    return found


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_value_anywhere_reads_or_is_refused(document: Document, data: st.DataObject) -> None:
    broken = copy.deepcopy(document)
    *parents, last = data.draw(st.sampled_from(spots(broken)))
    spot: Any = broken
    for part in parents:
        spot = spot[part]
    spot[last] = data.draw(JSON)
    try:
        table = parse_coco(broken, Path("broken.json"))
    except InputError:
        return
    assert isinstance(table, PoseTable)
    assert np.isfinite(table.keypoints).all()
