"""Every reader, on files that are damaged at random: a table or an InputError, nothing else."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aptv2.datasets import read_annotations
from aptv2.datasets.names import fault_of
from aptv2.errors import InputError
from aptv2.tables import PoseTable

HERE = Path(__file__).parent

KEYPOINTS = ["nose", "left_ear", "right_ear"]
COCO: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a/1.jpg", "width": 64, "height": 48, "video_id": 2}],
    "annotations": [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "bbox": [1, 2, 3, 4],
            "keypoints": [1, 2, 2, 3, 4.5, 1, 0, 0, 0],
            "track_id": 1,
            "area": 12,
        }
    ],
    "categories": [
        {
            "id": 1,
            "name": "cat",
            "keypoints": KEYPOINTS,
            "skeleton": [[1, 2]],
            "sigmas": [0.1, 0.1, 0.1],
            "flip_pairs": [["left_ear", "right_ear"]],
        }
    ],
}
APT36K = COCO | {"license": [], "images": [{"id": 1, "file_name": "D:\\data\\cat\\c√1\\0.jpg"}]}
ANIMAL_POSE = {
    "images": {"1": "a.jpg"},
    "annotations": [
        {"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "keypoints": [[1, 2, 1]] * 20}
    ],
    "categories": [{"id": 1, "name": "dog"}],
}
LABELME = {
    "imagePath": "0.jpg",
    "imageHeight": 48,
    "imageWidth": 64,
    "shapes": [
        {"label": "cat", "points": [[1, 2], [3, 4]], "group_id": 1, "shape_type": "rectangle"},
        {"label": "nose", "points": [[1, 2]], "group_id": 1, "shape_type": "point"},
    ],
}
CVAT_IMAGES = """<?xml version="1.0" encoding="utf-8"?><annotations><meta><task><labels>
<label><name>cat</name><type>skeleton</type><svg>&lt;line data-node-from="1" data-node-to="2"&gt;
&lt;circle data-node-id="1" data-label-name="nose"&gt;</svg></label>
<label><name>nose</name><type>points</type><parent>cat</parent></label></labels></task></meta>
<image id="0" name="1.jpg" width="64" height="48"><skeleton label="cat" group_id="3">
<points label="nose" outside="0" occluded="1" points="3.5,4.5"></points></skeleton>
<box label="dog" xtl="1" ytl="2" xbr="3" ybr="4"/></image></annotations>"""
CVAT_VIDEO = """<annotations><meta><task><size>3</size><original_size><width>64</width>
<height>48</height></original_size></task><source>a.mp4</source></meta>
<track id="1" label="cat" group_id="2"><box frame="1" outside="0" xtl="1" ytl="2" xbr="3" ybr="4"/>
</track><track id="2" label="nose" group_id="2"><points frame="1" points="1,2"/></track>
</annotations>"""
DEEPLABCUT = """scorer,,,me,me,me,me\nindividuals,,,a,a,b,b\nbodyparts,,,nose,nose,nose,nose
coords,,,x,y,x,y\nlabeled-data,v,1.png,1,2,,\nlabeled-data,v,2.png,1.5,2,3,4\n"""

# Name -> files of one valid data set; the first is the one that gets damaged.
CASES: dict[str, dict[str, str | bytes]] = {
    "coco": {"all.json": json.dumps(COCO)},
    "coco-results": {
        "r.json": json.dumps(
            [{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 3] * 3, "score": 0.5}]
        )
    },
    "aptv2": {
        "annotations/train_annotations.json": json.dumps(COCO),
        "annotations/val_annotations.json": json.dumps(COCO),
    },
    "apt36k": {"apt36k.json": json.dumps(APT36K)},
    "animal-pose": {"keypoints.json": json.dumps(ANIMAL_POSE)},
    "labelme": {"c/0.json": json.dumps(LABELME), "c/0.jpg": "", "c/1.jpg": ""},
    "cvat-images": {"annotations.xml": CVAT_IMAGES},
    "cvat-video": {"annotations.xml": CVAT_VIDEO},
    "deeplabcut-csv": {"CollectedData_me.csv": DEEPLABCUT},
    "deeplabcut-h5": {"CollectedData_me.h5": (HERE / "deeplabcut_multi.h5").read_bytes()},
    "got10k": {"groundtruth.txt": "1,2,3,4\n1,2,3,4\n", "1.jpg": "", "2.jpg": ""},
    "got10k-cover": {
        "cover.label": "8\n0\n",
        "groundtruth.txt": "1,2,3,4\n",
        "1.jpg": "",
        "2.jpg": "",
    },
    "got10k-meta": {
        "meta_info.ini": "[METAINFO]\nobject_class: deer\nresolution: (640, 360)\n",
        "groundtruth.txt": "1,2,3,4\n",
        "1.jpg": "",
    },
    "lasot": {
        "full_occlusion.txt": "0,1",
        "groundtruth.txt": "1,2,3,4\n",
        "img/1.jpg": "",
        "img/2.jpg": "",
    },
    "trackingnet": {"anno/a.txt": "1,2,3,4\n", "frames/a/0.jpg": "", "frames/a/1.jpg": ""},
}
NASTY = (
    *("", "null", "-1", "0", "NaN", "Infinity", "-1e400", "1e39", "9" * 30, "9" * 5000, "true"),
    *(
        '""',
        '"../../etc/passwd"',
        "../../x",
        "C:\\\\x",
        "[]",
        "{}",
        "[[1]]",
        "\\u0000",
        "\0",
        "\ud7ff",
    ),
    *(
        "\n",
        ",",
        '"',
        "<",
        "</track>",
        "é",
        "\\ud800",
        "[" * 3000,
        "x" * 3000,
        '"' + "long word " * 9999 + '"',
    ),
)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Path]:
    """A folder with one valid data set, and the file in it to damage."""
    files = CASES[request.param]
    for name, content in files.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / "set", tmp_path / "set" / next(iter(files))


def check(path: Path) -> None:
    """Read a path; the table must be sound, or the error one sentence that names the path."""
    table = said = None
    try:
        table = read_annotations(path)
    except InputError as error:
        said = str(error)
    if table is None:
        assert said is not None
        assert "\n" not in said
        assert len(said) < 1000
        assert str(path) in said
    else:
        assert isinstance(table, PoseTable)
        assert np.isfinite(table.keypoints).all()
        assert not np.isinf(table.boxes).any()
        assert not (table.boxes[:, 2:] < 0).any()
        assert not any(fault_of(name) for name in table.frames.names)


def test_valid_files_are_read(case: tuple[Path, Path]) -> None:
    assert len(read_annotations(case[0]).frames) > 0


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused(case: tuple[Path, Path], data: st.DataObject) -> None:
    folder, path = case
    good = path.read_bytes()
    start = data.draw(st.integers(0, len(good)), label="start")
    end = start + data.draw(st.integers(0, 12), label="length")
    kind = data.draw(st.sampled_from(("cut off", "bytes", "text")), label="kind")
    if kind == "cut off":
        damaged = good[:start]
    elif kind == "bytes":
        damaged = good[:start] + data.draw(st.binary(max_size=8)) + good[end:]
    else:
        text = data.draw(st.sampled_from(NASTY)).encode(errors="surrogatepass")
        damaged = good[:start] + text + good[end:]
    path.write_bytes(damaged)
    try:
        check(folder)
    finally:
        path.write_bytes(good)


TOKENS = r'-?\d+\.?\d*|"[^"]*"|\w+'


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_place_of_another(case: tuple[Path, Path], data: st.DataObject) -> None:
    """Whole values are exchanged, so that most files stay well formed and get past the parser."""
    folder, path = case
    good = path.read_bytes()
    spots = [match.span() for match in re.finditer(TOKENS.encode(), good)]
    start, end = data.draw(st.sampled_from(spots))
    path.write_bytes(good[:start] + data.draw(st.sampled_from(NASTY)).encode() + good[end:])
    try:
        check(folder)
    finally:
        path.write_bytes(good)


def test_a_folder_in_place_of_a_file(case: tuple[Path, Path]) -> None:
    folder, path = case
    path.unlink()
    path.mkdir()
    check(folder)


def test_a_link_to_itself_in_place_of_a_file(case: tuple[Path, Path]) -> None:
    folder, path = case
    path.unlink()
    path.symlink_to(path)
    check(folder)
    (folder / "loop").symlink_to(folder)
    check(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_place_of_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "poses.json")
    with pytest.raises(InputError, match="is a pipe or a device"):
        read_annotations(tmp_path)


def test_no_such_place(tmp_path: Path) -> None:
    for name in ("nothing", "x" * 300, "zero\0byte"):
        with pytest.raises(InputError):
            read_annotations(tmp_path / name)
