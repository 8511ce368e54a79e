from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.datasets.coco import read_coco
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17

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
