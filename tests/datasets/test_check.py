"""The check: it says nothing of clean data, and names every kind of dirt that is planted."""

from __future__ import annotations

import contextlib
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import generate
import pytest
import release_clips
from PIL import Image

from aptv2.datasets.check import Finding, check_data
from aptv2.errors import InputError

FIRST = "easy/2dog/v1C1/0000.jpg"  # the first image, of the first clip in train
SPELLINGS = "species whose folders are spelled in several ways"


def edit(root: Path, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the JSON of an annotation file."""
    path = root / "annotations" / f"{name}.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def animals(root: Path, index: int, **fields: Any) -> None:
    """Change fields of one annotation of train."""
    edit(root, "train_annotations", lambda document: document["annotations"][index].update(fields))


def findings(root: Path) -> dict[str, Finding]:
    return {finding.title: finding for finding in check_data(root).findings}


def test_a_clean_release(small_release: Path) -> None:
    report = check_data(small_release)
    assert {f.title for f in report.findings} == {
        SPELLINGS,
        "annotation file of another size than published",
        "annotation folder of APTv2 that is missing",
        "image that no file names",
    }
    assert report.images_checked == 90
    train = next(file for file in report.contents if file.name == "train")
    assert (train.images, train.frames, train.clips) == (90, 30, 10)
    assert (train.tracks, train.animals, train.without_keypoints) == (15, 40, 0)
    assert set(train.species.values()) == {8}
    assert sorted(train.species) == ["cat", "chimpanzee", "dog", "gorilla", "spider monkey"]
    # It lists the 30 species, so it says to be APTv2, of which it is a small part.
    totals = {total.what: (total.published, total.found) for total in report.totals}
    assert totals["images in every split"] == (41_179, 90)
    assert totals["train: dog"] == (2_742, 8)
    assert totals["val: dog"] == (386, 8)
    assert totals["test: zebra"] == (650, 0)
    assert report.lost


def test_folder_spellings_are_named(small_release: Path) -> None:
    spellings = findings(small_release)[SPELLINGS]
    assert spellings.examples == (
        "chimpanzee: 7chimpanzee, 7chimps",
        "spider monkey: 11spider-monkey, 11spidermonkey",
    )
    assert not spellings.lost


def damaged(root: Path) -> None:
    path = root / "data" / FIRST
    path.write_bytes(path.read_bytes()[:-200])


def zip_bomb(root: Path) -> None:
    """A PNG of few bytes that says to be of 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b""))
    (root / "data" / FIRST).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def swap_in_a_text(root: Path) -> None:
    (root / "data" / FIRST).write_text("<html>404</html>")


def remove(root: Path) -> None:
    (root / "data" / FIRST).unlink()


def put_a_folder(root: Path) -> None:
    remove(root)
    (root / "data" / FIRST).mkdir()


def resize(root: Path) -> None:
    path = root / "data" / FIRST
    Image.open(path).rotate(90, expand=True).save(path)


def cut_off_a_file(root: Path) -> None:
    path = root / "annotations/test_annotations.json"
    path.write_bytes(path.read_bytes()[:-5])


def share_a_clip(root: Path) -> None:
    def move(document: dict[str, Any]) -> None:
        document["annotations"][0].update(image_id=31, video_id=11)

    edit(root, "train_annotations", move)


def drop_the_middle(root: Path) -> None:
    edit(root, "train_annotations", lambda document: document["annotations"].pop(1))


def call_it_a_camel(root: Path) -> None:
    edit(root, "train_annotations", lambda document: document["categories"][1].update(name="camel"))


SEEN = [10.0, 10.0, 2] * 16
REFUSED = "annotation that is refused: "


def rename_a_folder(root: Path) -> None:
    (root / "data/easy/2dog").rename(root / "data/easy/2dogs")
    for path in (root / "annotations").iterdir():
        path.write_bytes(path.read_bytes().replace(b"easy/2dog/", b"easy/2dogs/"))


CASES: list[tuple[Callable[[Path], None], str, bool, int, str]] = [
    (remove, "image that is named but absent", True, 1, FIRST),
    (put_a_folder, "image that is named but absent", True, 1, FIRST),
    (damaged, "image that does not decode", True, 1, "damaged or cut off"),
    (swap_in_a_text, "image that does not decode", True, 1, "is not an image"),
    (zip_bomb, "image that does not decode", True, 1, FIRST),
    (resize, "image of another size than said", True, 1, "48 x 64, not 64 x 48"),
    (lambda root: None, "image that no file names", False, 2, "easy/2dog/v1C1/9000.jpg"),
    (cut_off_a_file, "annotation file that cannot be read", True, 1, "test_annotations.json"),
    (share_a_clip, "clip in two splits", True, 1, "train and val"),
    (
        lambda root: animals(root, 0, bbox=[5, 5, 0, 9]),
        "box of no area",
        True,
        1,
        f"annotation 1 of {FIRST}",
    ),
    (
        lambda root: animals(root, 0, bbox=[70, 5, 9, 9]),
        "box wholly outside its image",
        True,
        1,
        FIRST,
    ),
    (
        lambda root: animals(root, 0, bbox=[-5, 5, 30, 30]),
        "box that reaches more than a pixel over its image's edge",
        False,
        1,
        FIRST,
    ),
    (lambda root: animals(root, 0, bbox=None), "animal without a box", False, 1, FIRST),
    (
        lambda root: animals(root, 0, keypoints=[*SEEN, 10, 50, 2]),
        "animal with keypoints more than a pixel outside its image",
        False,
        1,
        FIRST,
    ),
    (
        lambda root: animals(root, 0, keypoints=[*SEEN, 10, 20, 7]),
        "animal with a visibility other than 0, 1 and 2",
        False,
        1,
        FIRST,
    ),
    (
        lambda root: animals(root, 0, keypoints=[0] * 51),
        "animal without keypoints",
        False,
        1,
        FIRST,
    ),
    (
        lambda root: animals(root, 0, num_keypoints=40),
        "wrong num_keypoints, which is never read",
        False,
        1,
        f"{FIRST}: 40",
    ),
    (
        lambda root: animals(root, 17, track_id=0),
        "track number on two animals of a frame",
        True,
        1,
        ": 0",
    ),
    (rename_a_folder, "species' folder that APTv2 does not have", False, 1, "2dogs"),
    (drop_the_middle, "track with holes", False, 1, "track 0 of clip 1"),
    (call_it_a_camel, "species that APTv2 does not hold", False, 1, "camel"),
    (
        lambda root: animals(root, 0, category_id=3),
        "animal of another species than its folder",
        False,
        1,
        f"{FIRST}: cat",
    ),
    (
        lambda root: animals(root, 3, id=1),
        REFUSED + '"id" is there again, which another annotation has',
        True,
        1,
        "train: annotation 3 (id 1)",
    ),
    (
        lambda root: animals(root, 3, image_id=10**9),
        REFUSED + '"image_id" is one that no image has',
        True,
        1,
        "train: annotation 3",
    ),
    (
        lambda root: animals(root, 3, bbox=[1, 2, -3, 4]),
        REFUSED + '"bbox" has a negative size',
        True,
        1,
        "train: annotation 3",
    ),
    (
        lambda root: animals(root, 3, keypoints=[1, 2, 3]),
        REFUSED + '"keypoints" does not hold 51 numbers',
        True,
        1,
        "train: annotation 3",
    ),
]


@pytest.mark.parametrize(("plant", "title", "lost", "count", "example"), CASES)
def test_dirt_is_found(
    small_release: Path,
    plant: Callable[[Path], None],
    title: str,
    lost: bool,
    count: int,
    example: str,
) -> None:
    plant(small_release)
    finding = findings(small_release)[title]
    assert (finding.count, finding.lost) == (count, lost)
    assert example in finding.examples[0]


def test_all_broken_records_are_counted_and_the_rest_is_read(small_release: Path) -> None:
    """Ids that repeat, broken boxes and lost images at once: each rule with its full count."""

    def soil(document: dict[str, Any]) -> None:
        rows = document["annotations"]
        for row in rows[:10]:
            row["id"] = 77_777
        for row in rows[20:23]:
            row["bbox"] = [float("inf"), 0, 1, 1]
        rows[30] = "no record"
        document["images"] = [*document["images"][:-3], {"id": "x"}]

    edit(small_release, "train_annotations", soil)
    report = check_data(small_release, images=False)
    counts = {f.title: f.count for f in report.findings if "refused" in f.title}
    assert counts == {
        REFUSED + "is not an object with named fields": 1,
        REFUSED + '"bbox" holds NaN, infinity or a number beyond all bounds': 3,
        REFUSED + '"id" is there again, which another annotation has': 9,
        'image that is refused: "file_name" is missing': 1,
    }
    train = next(file for file in report.contents if file.name == "train")
    assert (train.images, train.animals) == (87, 40 - 1 - 3 - 9)


def test_a_loop_of_links_ends(small_release: Path) -> None:
    (small_release / "data/easy/again").symlink_to(small_release)
    (small_release / "data/easy/gone.jpg").symlink_to("nowhere")
    unnamed = findings(small_release)["image that no file names"]
    assert unnamed.count == 3
    assert "easy/gone.jpg" in unnamed.examples


def test_what_val_and_its_easy_part_both_hold_counts_once(small_release: Path) -> None:
    for name in ("val_annotations", "val_annotations_easy"):
        edit(small_release, name, lambda d: d["annotations"][0].update(num_keypoints=30))
    finding = findings(small_release)["wrong num_keypoints, which is never read"]
    assert (finding.count, finding.files) == (1, ("val", "val_easy"))


def test_the_inner_folders(tmp_path: Path) -> None:
    """Few-shot, leave-one-out and tracking files: counted, and no clip is in two of a pair."""
    root = generate.write_release(tmp_path, release_clips.small_clips(), folders=True)
    report = check_data(root, images=False)
    # The generated files are smaller than the published ones.
    titles = [finding.title for finding in report.findings]
    assert titles == ["annotation file of another size than published", SPELLINGS]
    files = {total.what: total.found for total in report.totals if total.what.startswith("files")}
    assert files == {"files in fewshot": 10, "files in leaveoneout": 24, "files in tracking": 18}


@pytest.mark.parametrize("value", [None, True, -1, 1e400, 2**70, "", "x\ud800", [], [[]], {}])
def test_any_value_anywhere_is_told_or_refused(
    document: dict[str, Any], save: Callable[..., Path], value: Any
) -> None:
    """A report or one sentence, never another error."""
    records = [(document, key) for key in document]
    for part in ("images", "annotations", "categories"):
        records += [(document[part], 0), *((document[part][0], key) for key in document[part][0])]
    for holder, key in records:
        good, holder[key] = holder[key], value
        with contextlib.suppress(InputError):
            check_data(save(document)).to_json()
        holder[key] = good
