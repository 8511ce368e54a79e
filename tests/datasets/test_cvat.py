"""CVAT's XML for images and for video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aptv2.datasets import read_annotations, read_cvat
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17

Write = Callable[..., Path]

LABELS = """
<label><name>bird</name><type>skeleton</type><svg>
&lt;line data-type="edge" data-node-from="1" data-node-to="3"&gt;&lt;/line&gt;
&lt;circle data-node-id="1" data-label-name="beak"&gt;&lt;/circle&gt;
&lt;circle data-node-id="2" data-label-name="left_wing"&gt;&lt;/circle&gt;
&lt;circle data-node-id="3" data-label-name="right_wing"&gt;&lt;/circle&gt;</svg></label>
<label><name>beak</name><type>points</type><parent>bird</parent></label>
<label><name>left_wing</name><type>points</type><parent>bird</parent></label>
<label><name>right_wing</name><type>points</type><parent>bird</parent></label>
"""
BIRD = """
<points label="right_wing" outside="0" occluded="1" points="30.5,40.5"></points>
<points label="beak" outside="0" occluded="0" points="10.00,20.00"></points>
<points label="left_wing" outside="1" occluded="0" points="1,1"></points>
"""
IMAGES = f"""\
<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><labels>{LABELS}</labels></task></meta>
<image id="0" name="a/1.jpg" width="64" height="48">
  <skeleton label="bird" source="manual" z_order="0">{BIRD}</skeleton>
</image>
<image id="1" name="a/2.jpg" width="64" height="48"></image>
</annotations>
"""
VIDEO = f"""\
<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta><task><size>5</size>
<original_size><width>64</width><height>48</height></original_size>
<labels>{LABELS}</labels></task><source>birds.mp4</source></meta>
<track id="3" label="bird">
  <skeleton frame="1" keyframe="1" outside="0">{BIRD}</skeleton>
  <skeleton frame="2" keyframe="0" outside="1">{BIRD}</skeleton>
</track>
<track id="4" label="cat"><box frame="1" outside="0" occluded="0" xtl="5" ytl="6" xbr="9" ybr="8"/>
  <box frame="3" outside="0" occluded="0" xtl="6" ytl="6" xbr="9" ybr="8"></box></track>
</annotations>
"""
GROUPED = """\
<annotations><image name="1.jpg" width="64" height="48">
  <box label="dog" group_id="7" occluded="0" xtl="1" ytl="2" xbr="11" ybr="22"/>
  <points label="nose" group_id="7" points="3,4"/>
  <points label="L_Eye" group_id="7" occluded="1" points="5,6"/>
  <box label="cat" xtl="0" ytl="0" xbr="4" ybr="4"/>
</image></annotations>
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(text: str, name: str = "annotations.xml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_skeletons_in_images(write: Write) -> None:
    path = write(IMAGES)
    (path.parent / "images/a").mkdir(parents=True)
    (path.parent / "images/a/1.jpg").touch()
    table = read_annotations(path)
    assert table.skeleton.names == ("beak", "left_wing", "right_wing")
    assert table.skeleton.limbs == ((0, 2),)
    assert table.skeleton.pairs == ((1, 2),)
    assert table.keypoints[0].tolist() == [[10, 20, 2], [0, 0, 0], [30.5, 40.5, 1]]
    np.testing.assert_allclose(table.boxes[0], [7.95, 17.95, 24.6, 24.6], rtol=1e-6)
    assert table.frames.names.tolist() == ["images/a/1.jpg", "images/a/2.jpg"]
    assert table.frames.sizes.tolist() == [[64, 48], [64, 48]]
    assert table.frames.clips.tolist() == [-1, -1]
    assert table.categories == {1: "bird"}
    assert table.root == path.parent
    assert read_annotations(path.parent).keypoints.tolist() == table.keypoints.tolist()


def test_video(write: Write) -> None:
    path = write(VIDEO)
    (path.parent / "birds.mp4").touch()
    table = read_annotations(path)
    assert table.root == path.parent / "birds.mp4"
    assert table.frames.indices.tolist() == [0, 1, 2, 3, 4]
    assert table.frames.names.tolist() == [""] * 5
    assert table.frames.clips.tolist() == [1] * 5
    assert table.frames.sizes.tolist() == [[64, 48]] * 5
    assert table.frame.tolist() == [1, 1, 3]
    assert table.tracks.tolist() == [3, 4, 4]
    assert table.categories == {1: "bird", 2: "cat"}
    assert table.boxes[1:].tolist() == [[5, 6, 4, 2], [6, 6, 3, 2]]


def test_several_tasks_with_their_frames(write: Write, tmp_path: Path) -> None:
    for task in ("b", "a"):
        folder = write(VIDEO, f"{task}/annotations.xml").parent / "images"
        folder.mkdir()
        (folder / "frame_000000.png").touch()
    table = read_annotations(tmp_path)
    assert table.frames.clips.tolist() == [1] * 5 + [2] * 5
    assert table.frames.names[6] == "b/images/frame_000001.png"
    assert table.root == tmp_path


def test_boxes_and_points_by_group(write: Write) -> None:
    table = read_annotations(write(GROUPED))
    assert table.skeleton is ANIMAL17
    assert table.boxes.tolist() == [[1, 2, 10, 20], [0, 0, 4, 4]]
    assert table.tracks.tolist() == [7, -1]
    assert table.keypoints[0, [0, 2]].tolist() == [[5, 6, 1], [3, 4, 2]]
    assert table.categories == {1: "cat", 2: "dog"}


BOMB = """<!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;&b;&b;">]><annotations>&c;</annotations>"""
FILE = """<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><annotations>&b;</annotations>"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BOMB, "declares a document type"),
        (FILE, "declares a document type"),
        (IMAGES[:300], "is not valid XML"),
        ("<annotation></annotation>", "of no known format"),
        (IMAGES.replace('name="a/1.jpg"', ""), 'image 0: "name" is missing'),
        (IMAGES.replace("a/1.jpg", "../../etc/passwd"), "leads out of the image folder"),
        (IMAGES.replace('width="64"', 'width="-64"'), "\"width\" is '-64', not a whole number"),
        (IMAGES.replace("10.00,20.00", "10,nan"), "y is 'nan', which is no finite number"),
        (IMAGES.replace("10.00,20.00", "10"), "keypoint 'beak': \"points\" is not one"),
        (IMAGES.replace('"beak" outside', '"right_wing" outside'), "'right_wing' is there twice"),
        (VIDEO.replace('frame="3"', 'frame="x"'), "\"frame\" is 'x'"),
        (VIDEO.replace('frame="3"', 'frame="99999999"'), "frame 99999999 is beyond all bounds"),
        (VIDEO.replace("<size>5", "<size>9e15"), "<size> is '9e15'"),
        (VIDEO.replace('ytl="6"', 'ytl="60"'), "box of frame 1 has a negative size"),
        (VIDEO.replace("task>", "project>"), "a whole project of videos"),
        (GROUPED.replace("<points", '<points label="x" points="1,1"/><points', 1), "has no group"),
        (GROUPED.replace("3,4", "3,4;5,6"), 'points \'nose\': "points" is not one "x,y"'),
        (GROUPED.replace('label="dog"', ""), '"label" is missing'),
    ],
)
def test_faults_are_named(write: Write, text: str, words: str) -> None:
    path = write(text)
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_file_and_other_keypoints(write: Write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no annotations\.xml"):
        read_cvat(tmp_path)
    write(IMAGES, "a/annotations.xml")
    write(IMAGES.replace("beak", "bill"), "b/annotations.xml")
    with pytest.raises(InputError, match="tasks with different keypoints"):
        read_cvat(tmp_path)


@pytest.mark.parametrize(
    ("degrees", "box"),
    [
        ("90.00", (30, 10, 20, 60)),
        ("270", (30, 10, 20, 60)),
        ("180", (10, 30, 60, 20)),
        ("45", (40 - 28.284, 40 - 28.284, 56.569, 56.569)),
    ],
)
def test_a_box_that_was_turned(
    write: Write, degrees: str, box: tuple[float, float, float, float]
) -> None:
    path = write(
        '<annotations><image name="a.png" width="100" height="100"><box label="dog" xtl="10" '
        f'ytl="30" xbr="70" ybr="50" rotation="{degrees}"/></image></annotations>'
    )
    assert read_annotations(path).boxes[0] == pytest.approx(box, abs=0.01)
