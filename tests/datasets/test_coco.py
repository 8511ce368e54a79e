from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aptv2.datasets.coco import parse_coco, read_coco
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17
from aptv2.tables import PoseTable

Save = Callable[..., Path]
Document = dict[str, Any]


def test_every_field_arrives(document: Document, save: Save) -> None:
    table = read_coco(save(document))
    assert table.frames.ids.tolist() == [7, 3]
    assert table.frames.names.tolist() == ["b.jpg", "a.jpg"]
    assert table.frames.sizes.tolist() == [[64, 48], [32, 24]]
    assert table.frame.tolist() == [0, 0]
    assert table.ids.tolist() == [11, 12]
    assert table.boxes.tolist() == [[1, 2, 30, 20.5], [0, 0, 5, 5]]
    assert table.areas.tolist() == [500, 25]
    assert table.crowd.tolist() == [False, True]
    assert table.species.tolist() == [1, 5]
    assert table.categories == {1: "dog", 5: "cat"}
    assert table.keypoints[0, 3].tolist() == [13.5, 20, 2]
    assert np.isnan(table.scores).all()
    assert table.tracks.tolist() == [-1, -1]


def test_num_keypoints_is_not_believed(document: Document, save: Save) -> None:
    assert read_coco(save(document)).num_keypoints.tolist() == [17, 0]


def test_clips_tracks_and_order_by_file_name(document: Document, save: Save) -> None:
    document["images"] = [
        {"id": 1, "file_name": "x/10.jpg", "video_id": 4},
        {"id": 2, "file_name": "y/0.jpg", "video_id": 2},
        {"id": 3, "file_name": "x/9.jpg", "video_id": 4},
        {"id": 4, "file_name": "alone.jpg"},
    ]
    for annotation, image, track in zip(document["annotations"], (1, 3), (8, 9), strict=True):
        annotation |= {"image_id": image, "track_id": track}
    table = read_coco(save(document))
    assert table.frames.clips.tolist() == [4, 2, 4, -1]
    assert table.frames.indices.tolist() == [1, 0, 0, -1]
    assert table.frame.tolist() == [0, 2]
    assert table.tracks.tolist() == [8, 9]
    assert table.frames.sizes.tolist() == [[0, 0]] * 4


def test_our_own_fields_are_kept(document: Document, save: Save) -> None:
    document["images"][0] |= {"frame_index": 5, "time": 0.2, "video_id": 1}
    document["annotations"][0]["score"] = 0.25
    table = read_coco(save(document))
    assert table.frames.indices.tolist() == [5, -1]
    assert table.frames.times[0] == 0.2
    assert np.isnan(table.frames.times[1])
    assert table.scores[0] == 0.25


@pytest.mark.parametrize("place", ["images", "data", "../data", "../images", "../train", ".", ".."])
def test_root_is_where_the_images_are(document: Document, save: Save, place: str) -> None:
    document["images"][0]["file_name"] = "x" * 5000
    path = save(document, "annotations/keypoints_train.json")
    folder = path.parent / place
    folder.mkdir(exist_ok=True)
    (folder / "a.jpg").touch()
    root = read_coco(path).root
    assert root is not None
    assert (root / "a.jpg").exists()
    assert root.resolve() == folder.resolve()


def test_root_of_a_video_a_given_root_and_no_root(document: Document, save: Save) -> None:
    path = save(document)
    assert read_coco(path).root is None
    assert read_coco(path, root="/pictures").root == Path("/pictures")
    for image in document["images"]:
        image["file_name"] = ""
    document["info"] = {"video": "clip.mp4"}
    video = path.parent / "clip.mp4"
    assert read_coco(save(document)).root is None
    video.touch()
    assert read_coco(save(document)).root == video
    document["info"] = {"video": "../clip.mp4"}
    assert read_coco(save(document, "sub/poses.json")).root is None


def test_other_spellings_of_the_17_keypoints(document: Document, save: Save) -> None:
    sides = ["Shoulder", "Elbow", "F_Paw"], ["Hip", "Knee", "B_Paw"]
    document["categories"][0]["keypoints"] = [
        *["L_Eye", "R_Eye", "Nose", "Neck", "Root of tail"],
        *[f"{side}_{keypoint}" for keypoints in sides for side in "LR" for keypoint in keypoints],
    ]
    assert read_coco(save(document)).skeleton is ANIMAL17


def test_other_keypoints_bring_their_own_skeleton(document: Document, save: Save) -> None:
    for category in document["categories"]:
        category |= {
            "keypoints": ["beak", "left_wing", "right_wing"],
            "skeleton": [[1, 2], [1, 3]],
            "sigmas": [0.1, 0.2, 0.3],
        }
    for annotation in document["annotations"]:
        annotation["keypoints"] = [1, 2, 1] * 3
    skeleton = read_coco(save(document)).skeleton
    assert skeleton.names == ("beak", "left_wing", "right_wing")
    assert skeleton.limbs == ((0, 1), (0, 2))
    assert skeleton.sigmas == (0.1, 0.2, 0.3)
    assert skeleton.pairs == ((1, 2),)


def test_left_and_right_where_names_do_not_tell(document: Document, save: Save) -> None:
    for category in document["categories"]:
        category |= {
            "keypoints": ["beak", "port", "starboard"],
            "skeleton": [[0, 1], [0, 2]],
            "flip_pairs": [["port", "starboard"]],
        }
    for annotation in document["annotations"]:
        annotation["keypoints"] = [1, 2, 1] * 3
    skeleton = read_coco(save(document)).skeleton
    assert skeleton.pairs == ((1, 2),)
    # A limb of keypoint 0: this file does not count from 1.
    assert skeleton.limbs == ((0, 1), (0, 2))
    for category in document["categories"]:
        category["skeleton"] = [[1, float("inf")]]
    with pytest.raises(InputError, match='"skeleton" is not a list of pairs of whole'):
        read_coco(save(document))
    document["categories"][0]["skeleton"] = []
    for key, wrong, words in (
        *(("flip_pairs", pairs, "is not a list of pairs") for pairs in (5, ["port"], [[1, 2]])),
        ("flip_pairs", [["port", "wing"]], '"flip_pairs" is not a list of pairs of its keypoints'),
        ("flip_pairs", [["port", "port"]], "category: a keypoint is in two left-right pairs"),
        ("sigmas", ["wide"], '"sigmas" is not a list of numbers'),
        ("sigmas", [0.1], "category: keypoints: 3, sigmas: 1"),
    ):
        broken = copy.deepcopy(document)
        broken["categories"][0][key] = wrong
        with pytest.raises(InputError, match=re.escape(words)):
            read_coco(save(broken))


def test_boxes_alone_are_enough_where_no_category_has_keypoints(
    document: Document, save: Save
) -> None:
    for category in document["categories"]:
        del category["keypoints"]
    for annotation in document["annotations"]:
        del annotation["keypoints"]
    table = read_coco(save(document))
    assert table.keypoints.shape == (2, 17, 3)
    assert not table.keypoints.any()


def test_keypoints_are_enough(document: Document, save: Save) -> None:
    del document["annotations"][1]["bbox"]
    document["annotations"][1]["keypoints"] = [10, 10, 2, 40, 50, 2] + [0] * 45
    table = read_coco(save(document))
    assert np.isnan(table.boxes[1]).all()
    assert not np.isnan(table.with_keypoint_boxes().boxes[1]).any()


def test_an_animal_of_a_category_without_keypoints(document: Document, save: Save) -> None:
    document["categories"].append({"id": 77, "name": "bowl"})
    document["annotations"][1] |= {"category_id": 77}
    del document["annotations"][1]["keypoints"]
    table = read_coco(save(document))
    assert table.species[1] == 77
    assert table.num_keypoints[1] == 0


def test_names_written_on_windows(document: Document, save: Save) -> None:
    for image in document["images"]:
        image["file_name"] = "day1\\" + image["file_name"]
    path = save(document)
    (path.parent / "day1").mkdir()
    (path.parent / "day1" / document["images"][0]["file_name"].rpartition("\\")[2]).touch()
    table = read_coco(path)
    assert table.root == path.parent
    assert (table.root / table.frames.names[0]).is_file()


def test_null_is_unknown(document: Document, save: Save) -> None:
    document["annotations"][0] |= {"bbox": None, "keypoints": None, "track_id": None, "area": None}
    table = read_coco(save(document))
    assert np.isnan(table.boxes[0]).all()
    assert np.isnan(table.areas[0])
    assert table.num_keypoints[0] == 0


def test_empty_lists(document: Document, save: Save) -> None:
    table = read_coco(save(document | {"annotations": []}))
    assert (len(table), len(table.frames)) == (0, 2)
    table = read_coco(save(document | {"annotations": [], "images": []}))
    assert (len(table), len(table.frames)) == (0, 0)


def test_byte_order_mark(document: Document, tmp_path: Path) -> None:
    path = tmp_path / "poses.json"
    path.write_text(json.dumps(document), encoding="utf-8-sig")
    assert len(read_coco(path)) == 2


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


def test_animal_pose(shared: Path) -> None:
    table = read_coco(shared / "data/animal_pose/train.json")
    assert (len(table.frames), len(table)) == (3743, 4971)
    assert table.skeleton is ANIMAL17
    assert sorted(table.categories.values()) == ["cat", "cow", "dog", "horse", "sheep"]
    assert table.root is not None
    assert (table.root / table.frames.names[-1]).is_file()


def test_apt_layout(shared: Path) -> None:
    table = read_coco(shared / "data/davis/apt_layout/annotations/val_annotations.json")
    assert (len(table.frames), len(table)) == (194, 194)
    assert np.bincount(table.frames.clips).tolist() == [0, 90, 104]
    assert table.frames.indices.max() == 103
    assert np.count_nonzero(table.num_keypoints) == 39
    assert table.root is not None
    assert (table.root / table.frames.names[0]).is_file()


def test_ap10k(shared: Path) -> None:
    table = read_coco(shared / "data/ap10k_sample/test_ap10k.json")
    assert table.num_keypoints.tolist() == [16, 16]
    assert len(table.categories) == 54
    assert table.root == shared / "data/ap10k_sample"
