"""The release as users have it: every fault of its annotations, and what reading makes of it."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import generate
import numpy as np
import pytest
import release_clips

from aptv2 import score_tracking
from aptv2.datasets import read_annotations
from aptv2.datasets.check import check_data
from aptv2.datasets.read_split import read_split
from aptv2.errors import InputError
from aptv2.tables import PoseTable

ANIMALS = {"train": 40, "val": 40, "test": 40}
"""Of a small release: five species, 3 records of each in an easy clip and 5 in a hard one."""

Release = Callable[..., Path]


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """Makes a small release with images and faults."""

    def make(**faults: Any) -> Path:
        clips = release_clips.small_clips()
        return generate.write_release(
            tmp_path / "APTv2", clips, sizes=[(64, 48)], pictures=True, **faults
        )

    return make


def counts(table: PoseTable) -> tuple[int, int]:
    """Animals, and (clip, track, frame) triples that they have."""
    keys = np.stack([table.frame, table.tracks])
    return len(table), np.unique(keys, axis=1).shape[1]


def test_repeated_records_are_read_once(release: Release) -> None:
    clean = read_annotations(release())
    shutil.rmtree(clean.root.parent)  # type: ignore[union-attr]
    root = release(repeated=12)
    with pytest.warns(UserWarning, match="repeat a track in a frame; the one with the most"):
        table = read_annotations(root)
    assert counts(table) == counts(clean) == (120, 120)
    # Never the copy of zeros: the same keypoints as without the copies.
    order, other = (np.lexsort((t.tracks, t.frame)) for t in (table, clean))
    assert np.array_equal(table.keypoints[order], clean.keypoints[other])
    assert np.array_equal(table.boxes[order], clean.boxes[other])


def test_the_count_is_told(release: Release) -> None:
    root = release(repeated=12, placeholders=7)
    said = []
    for split in ANIMALS:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert len(read_split(root, split)) == ANIMALS[split]
        said += [str(each.message) for each in caught]
    numbers = {
        word: sum(int(line.split(": ")[1].split()[0]) for line in said if word in line)
        for word in ("placeholders", "repeat")
    }
    # Every other copy is of zeros.
    assert numbers == {"placeholders": 6 + 7, "repeat": 6}
    assert all("_annotations.json: " in line for line in said)


def test_tracks_can_be_scored(release: Release) -> None:
    pytest.importorskip("trackeval")
    root = release(repeated=12, placeholders=7)
    path = root / "annotations" / "val_annotations.json"
    with pytest.warns(UserWarning, match="placeholders"):
        table = read_annotations(path)
    assert score_tracking(table, table)["HOTA"] == pytest.approx(1)


def test_sizes_of_the_image_files_count(release: Release) -> None:
    root = release(listed_size=(1920, 1080))
    with pytest.warns(UserWarning, match="images are listed with a wrong size"):
        table = read_split(root, "val")
    assert set(map(tuple, table.frames.sizes[table.frame].tolist())) == {(64, 48)}


def test_folders_in_another_spelling(release: Release) -> None:
    root = release(spelled="otherwise")
    table = read_split(root, "val")
    assert all((root / "data" / name).is_file() for name in table.frames.names)
    report = check_data(root)
    found = {finding.title: finding for finding in report.findings}
    other = found["folder that the disk spells otherwise, whose images are found"]
    assert (other.count, other.lost) == (2, False)
    assert other.examples == ("easy/11spidermonkey", "hard/7chimpanzee")
    assert report.images_checked == 90
    assert not any(finding.lost for finding in report.findings)
    assert sum("11spider-monkey" in name or "spidermonkey" in name for name in table.frames.names)


@pytest.mark.parametrize("layout", ["annotations", "easy and hard"])
def test_one_folder_deeper_in_either_layout(release: Release, tmp_path: Path, layout: str) -> None:
    root = release(layout=layout, repeated=4, crowd_key="is_crowd")
    deeper = tmp_path / "download" / "APTv2"
    deeper.parent.mkdir()
    shutil.move(root, deeper)
    with pytest.warns(UserWarning, match="repeat"):
        whole = read_annotations(deeper.parent)
    assert len(whole) == 120
    for split, count in ANIMALS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parts = [read_split(deeper.parent, split, which) for which in ("all", "easy")]
        assert [len(part) for part in parts] == [count, 15]
    report = check_data(deeper.parent)
    assert report.images_checked == 90
    assert not any(finding.lost for finding in report.findings)


def test_images_beside_the_annotations_of_another_folder(release: Release, tmp_path: Path) -> None:
    """`APTv2/annotations` and `APTv2/APTv2/data`."""
    root = release()
    (root / "APTv2").mkdir()
    shutil.move(root / "data", root / "APTv2" / "data")
    table = read_split(root, "val")
    assert table.root == root / "APTv2" / "data"


def test_crowds_by_either_name(release: Release) -> None:
    root = release(crowd_key="is_crowd")
    path = root / "annotations" / "val_annotations.json"
    path.write_bytes(path.read_bytes().replace(b'"is_crowd":0', b'"is_crowd":1', 3))
    assert read_annotations(path).crowd.sum() == 3


def test_check_lists_what_is_repaired(release: Release) -> None:
    root = release(repeated=12, placeholders=7, listed_size=(1920, 1080))
    found = {finding.title: finding for finding in check_data(root).findings}
    copies = found["repeated record of a track in a frame, of which one is read"]
    unused = found["placeholder without a box and keypoints, which is left out"]
    assert (copies.count, copies.lost) == (6, False)
    assert (unused.count, unused.lost) == (13, False)
    assert found["image of another size than said"].count == 90


def test_any_annotation_file_is_a_split(release: Release) -> None:
    root = release(folders=True)
    by_name = read_split(root, "leaveoneout_train70/train_Canidae")
    by_path = read_split(root, "annotations/leaveoneout_train70/train_Canidae.json")
    assert by_name.ids.tolist() == by_path.ids.tolist()
    assert "dog" not in {by_name.categories[key] for key in by_name.species.tolist()}
    assert len(read_split(root, "tracking/val_Canidae")) == 8
    assert len(read_split(root, "tracking/val_Canidae", "easy")) == 3
    assert len(read_split(root, "val_annotations.json")) == len(read_split(root, "val"))
    with pytest.raises(InputError, match=r"there is no split 'fewshot/3'; give one of train, val"):
        read_split(root, "fewshot/3")


def test_other_annotations_stay_as_they_are(release: Release) -> None:
    """A user's own file may say the same of an animal that is not there yet."""
    root = release(placeholders=7, repeated=12)
    path = root / "annotations" / "val_annotations.json"
    path.write_bytes(path.read_bytes().replace(b'"name":"wolf"', b'"name":"coyote"'))
    held = len(json.loads(path.read_bytes())["annotations"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read_annotations(path)
    assert len(table) == held > ANIMALS["val"]
