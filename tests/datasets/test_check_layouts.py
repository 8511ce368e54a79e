"""The check of other layouts and formats, and of one file."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from aptv2.datasets.check import check_data
from aptv2.errors import InputError


def test_the_layout_of_the_official_configurations(small_release: Path) -> None:
    """A split is the sum of its easy and its hard file."""
    for part in ("easy", "hard"):
        folder = small_release / f"annotations_{part}"
        folder.mkdir()
        old = small_release / f"annotations/val_annotations_{part}.json"
        old.rename(folder / "val_annotations.json")
    shutil.rmtree(small_release / "annotations")
    report = check_data(small_release, images=False)
    totals = {total.what: total.found for total in report.totals}
    assert (totals["val: animals"], totals["val_hard: animals"]) == (40, 25)
    assert totals["train: animals"] is None
    assert report.lost


def test_one_file(small_release: Path) -> None:
    report = check_data(small_release / "annotations/val_annotations_hard.json")
    assert [file.animals for file in report.contents] == [25]
    assert report.images_checked == 90
    assert report.totals == []
    assert not report.lost


def test_one_file_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "poses.json"
    with pytest.raises(InputError, match="does not exist"):
        check_data(path)
    path.write_text("{}")
    with pytest.raises(InputError, match="of no known format"):
        check_data(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="of no known format"):
        check_data(tmp_path / "empty")


def test_broken_labelme_files_of_a_tree(small_release: Path) -> None:
    data = small_release / "data"
    whole = check_data(data, images=False)
    files = sorted(data.rglob("*.json"))
    files[0].write_text("{")
    files[-1].write_text(files[-1].read_text().replace('"points"', '"pints"'))
    report = check_data(data, images=False)
    [finding] = [found for found in report.findings if "cannot be read" in found.title]
    assert (finding.count, finding.lost) == (2, True)
    assert str(files[0]) in finding.examples[0]
    assert 0 < report.contents[0].animals < whole.contents[0].animals


def test_other_formats(shared: Path) -> None:
    ap10k = check_data(shared / "data/ap10k_sample")
    assert [file.name for file in ap10k.contents] == ["test_ap10k"]
    assert (ap10k.images_checked, ap10k.lost) == (2, False)
    clips = check_data(shared / "data/davis/got10k_layout/val")
    assert (clips.images_checked, clips.contents[0].clips, clips.lost) == (194, 2, False)


def test_a_release_of_other_species_is_not_held_against_the_published(shared: Path) -> None:
    report = check_data(shared / "data/davis/apt_layout")
    assert report.totals == []
    assert {f.title for f in report.findings if f.lost} == set()


def test_sizes_that_nothing_tells_are_those_of_the_images(tmp_path: Path) -> None:
    """GOT-10k's clips without `meta_info.ini`, say."""
    for number, size in enumerate([(64, 48), (64, 48), (32, 24)], 1):
        Image.new("RGB", size).save(tmp_path / f"{number:08d}.jpg")
    (tmp_path / "groundtruth.txt").write_text("70,1,9,9\n1,1,9,9\n1,1,9,9\n")
    (tmp_path / "absence.label").write_text("0\n0\n0\n")
    found = {f.title: f for f in check_data(tmp_path).findings}
    assert found["box wholly outside its image"].count == 1
    (clip,) = found["clip with images of several sizes, which no tracker takes"].examples
    assert clip.endswith("00000003.jpg: 32 x 24 after 64 x 48")
    assert not check_data(tmp_path, images=False).lost
