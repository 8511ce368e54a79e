"""LabelMe files beside the frames, as APTv2 comes with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.datasets import read_annotations, read_labelme
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17

Save = Callable[..., Path]
Document = dict[str, Any]


def shape(label: str, *points: list[float], group: int | None = None, **more: Any) -> Document:
    kind = "point" if len(points) == 1 else "rectangle"
    return {"label": label, "points": list(points), "group_id": group, "shape_type": kind} | more


def labelme(*shapes: Document, **more: Any) -> Document:
    return {
        "version": "5.2.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "C:\\work\\0000.jpg",
        "imageData": None,
        "imageHeight": 48,
        "imageWidth": 64,
    } | more


TWO = labelme(
    shape("animal", [30, 40], [10, 20], group=7),
    shape("nose", [11, 21], group=7),
    shape("L_F_Paw", [12.5, 22], group=7),
    shape("animal", [0, 0], [5, 6], group=2),
)


def test_a_clip(save: Save, tmp_path: Path) -> None:
    for number in (0, 2, 10, 9):
        (tmp_path / f"10gorilla/v1C1/{number}.jpg").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"10gorilla/v1C1/{number}.jpg").touch()
    save(TWO, "10gorilla/v1C1/0.json")
    save(labelme(), "10gorilla/v1C1/10.json")
    table = read_annotations(tmp_path / "10gorilla/v1C1")
    assert table.frames.names.tolist() == ["0.jpg", "2.jpg", "9.jpg", "10.jpg"]
    assert table.frames.indices.tolist() == [0, 1, 2, 3]
    assert table.frames.sizes.tolist() == [[64, 48], [0, 0], [0, 0], [64, 48]]
    assert table.frame.tolist() == [0, 0]
    assert table.tracks.tolist() == [7, 2]
    assert table.boxes.tolist() == [[10, 20, 20, 20], [0, 0, 5, 6]]
    assert table.skeleton is ANIMAL17
    assert table.keypoints[0, 2].tolist() == [11, 21, 2]
    assert table.keypoints[0, 7].tolist() == [12.5, 22, 2]
    assert table.num_keypoints.tolist() == [2, 0]
    assert table.categories == {1: "gorilla"}


def test_a_tree_with_a_loop_of_links(save: Save, tmp_path: Path) -> None:
    save(TWO, "easy/11spider-monkey/v2/0000.json")
    save(TWO, "easy/11spidermonkey/v10/0000.json")
    save(TWO, "hard/7chimps/v1/0000.json")
    (tmp_path / "easy/again").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "easy/itself").symlink_to(tmp_path / "easy/itself")
    table = read_annotations(tmp_path)
    assert table.frames.names.tolist() == [
        "easy/11spider-monkey/v2/0000.jpg",
        "easy/11spidermonkey/v10/0000.jpg",
        "hard/7chimps/v1/0000.jpg",
    ]
    assert table.frames.clips.tolist() == [1, 2, 3]
    assert table.categories == {1: "chimpanzee", 2: "spider monkey"}
    assert table.species.tolist() == [2, 2, 2, 2, 1, 1]


def test_numbers_for_keypoints_and_labels_for_species(save: Save) -> None:
    path = save(labelme(shape("cat", [1, 1], [9, 9]), shape("1", [2, 2]), shape("17", [3, 3])))
    table = read_annotations(path)
    assert table.skeleton is ANIMAL17
    assert np.flatnonzero(table.keypoints[0, :, 2]).tolist() == [0, 16]
    assert table.categories == {1: "cat"}
    assert table.tracks.tolist() == [-1]


def test_keypoints_of_ones_own(save: Save) -> None:
    path = save(labelme(shape("beak", [1, 2]), shape("left_wing", [3, 8]), shape("tail", [5, 4])))
    table = read_annotations(path)
    assert table.skeleton.names == ("beak", "left_wing", "tail")
    assert table.keypoints[0].tolist() == [[1, 2, 2], [3, 8, 2], [5, 4, 2]]
    # The box around 1..5, 2..8, grown by a tenth of 6.
    np.testing.assert_allclose(table.boxes[0], [0.4, 1.4, 5.2, 7.2], rtol=1e-6)


def test_other_shapes_are_left_out(save: Save) -> None:
    circle = shape("dog", [1, 2], [3, 4], shape_type="circle")
    outline = shape("cat", [1, 2], [3, 9], [8, 4], shape_type="polygon")
    assert read_annotations(save(labelme(circle, outline))).boxes.tolist() == [[1, 2, 7, 7]]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (labelme(5), "shape 0 is not an object"),
        (labelme(shape("nose", [1, 2], group="a")), 'shape 0: "group_id" is not a whole number'),
        (labelme(shape("nose", [1, 2], group=-4)), 'shape 0: "group_id" is not a whole number'),
        (labelme(shape("", [1, 2])), 'shape 0: "label" is not text'),
        (labelme(shape("nose", [1])), 'shape 0: "points" is not a list of x and y'),
        (labelme(shape("nose", [1, None])), 'shape 0: "points" is None, which is no finite number'),
        (labelme(shape("nose", [1, float("nan")])), '"points" is nan, which is no finite'),
        (labelme(shape("nose", [1, 1e39])), "no finite number"),
        (labelme(shape("a", [1, 1], shape_type="rectangle")), '"points" holds 1 for a rectangle'),
        (labelme(imageWidth=-3), '"imageWidth" is -3, which is no size'),
        (labelme(imageHeight="tall"), "\"imageHeight\" is 'tall'"),
        (labelme(imagePath=3), '"imagePath" is not text'),
        (labelme(shapes={}), '"shapes" is no list'),
        (labelme(*TWO["shapes"], TWO["shapes"][1]), "shape 4: the keypoint 'nose' is there twice"),
        (labelme(*TWO["shapes"], TWO["shapes"][0]), "shape 4: a second rectangle in one group"),
        (
            labelme(*TWO["shapes"], shape("nose", [1, 2])),
            "shape 4: the point 'nose' has no group, and the frame holds 2 animals",
        ),
    ],
)
def test_faults_are_named(save: Save, document: Document, words: str) -> None:
    path = save(document, "clip/7.json")
    with pytest.raises(InputError) as caught:
        read_annotations(path.parent)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_broken_files_of_a_tree_can_be_left_out(save: Save, tmp_path: Path) -> None:
    broken = save(labelme(shape("nose", [1, None])), "v1/0.json")
    save(TWO, "v1/1.json")
    save({"images": []}, "v2/0.json")
    (tmp_path / "v1/0.jpg").touch()
    told: dict[Path, str] = {}
    table = read_labelme(tmp_path, lambda file, error: told.update({file: str(error)}))
    assert table.frames.names.tolist() == ["v1/0.jpg", "v1/1.jpg", ""]
    assert table.frame.tolist() == [1, 1]
    assert list(told) == [broken, tmp_path / "v2/0.json"]
    assert "points" in told[broken]


def test_a_file_that_is_no_json_hides_no_tree(save: Save, tmp_path: Path) -> None:
    save(TWO, "v1/1.json")
    (tmp_path / "v1/0.json").write_text("{")
    with pytest.raises(InputError, match=r"0\.json is not valid JSON"):
        read_annotations(tmp_path)


def test_no_files_and_others(save: Save, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no LabelMe files"):
        read_labelme(tmp_path)
    save({"images": []}, "a.json")
    with pytest.raises(InputError, match=r"a\.json is no LabelMe file"):
        read_labelme(tmp_path)


def test_beside_the_frames_of_a_release(small_release: Path) -> None:
    """The files beside the frames hold what the annotation files do."""
    drawn, listed = read_annotations(small_release / "data"), read_annotations(small_release)
    assert len(drawn) == len(listed) > 30

    def rows(table: Any) -> dict[tuple[str, int], Any]:
        names = table.frames.names[table.frame]
        keys = zip(names, table.tracks.tolist(), strict=True)
        return dict(zip(keys, zip(table.keypoints, table.boxes, strict=True), strict=True))

    first, second = rows(drawn), rows(listed)
    assert first.keys() == second.keys()
    for key, (keypoints, box) in first.items():
        np.testing.assert_allclose(keypoints, second[key][0], atol=0.01)
        np.testing.assert_allclose(box, second[key][1], atol=0.01)


def test_images_in_another_folder_of_the_set(tmp_path: Path) -> None:
    for folder in ("labels", "images"):
        (tmp_path / folder).mkdir()
    (tmp_path / "images/a.jpg").touch()
    document = labelme(shape("nose", [1, 2]), imagePath="..\\images\\a.jpg")
    (tmp_path / "labels/a.json").write_text(json.dumps(document))
    assert read_annotations(tmp_path).frames.names.tolist() == ["images/a.jpg"]
    # What lies outside the folder that was given is not looked for.
    assert read_annotations(tmp_path / "labels").frames.names.tolist() == ["a.jpg"]
