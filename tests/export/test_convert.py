from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from aptv2 import InputError, read_annotations
from aptv2.export import write_coco
from aptv2.export.convert import convert
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable

# Pairs that the names do not tell, beside keypoints whose names do.
INSECT = Skeleton(
    ("head", "feeler A", "feeler B", "Hinterleib ä"),
    limbs=((0, 1), (0, 2), (0, 3)),
    sigmas=(0.1, 0.2, 0.3, 0.4),
    pairs=((2, 1),),
)
ONE = Skeleton(("only",), sigmas=(0.5,))
NAMES = (
    "0001.jpg",
    "犬/ä ö 1.png",
    "clips\\dog\\0001.jpg",
    "$x$/#%&'.png",
    "deep/images/2.png",
    "v1/2.png",
    "v1/10.png",
)
RELEASED = ("easy/1dog/v1/0000.jpg", "easy/1dog/v1/0001.jpg", "hard/2cat/v2/0000.jpg")
SPECIES = {3: "dog", 8: "spider monkey", 9: "犬: ‘Waldi’", 12: "no, yes"}


@st.composite
def tables(draw: st.DrawFn, known_boxes: bool = False) -> PoseTable:
    """Tables of everything and of nothing: crowds, no keypoints, no tracks, several clips."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=4))
    if names and draw(st.booleans()):
        names = list(RELEASED[: len(names)])
    rows = draw(st.sampled_from([0, 1, 5, 53])) if names else 0
    skeleton = draw(st.sampled_from([ANIMAL17, INSECT, ONE]))
    sizes = draw(hnp.arrays(np.int32, (len(names), 2), elements=st.integers(1, 99)))
    frame = draw(hnp.arrays(np.int64, rows, elements=st.integers(0, max(len(names) - 1, 0))))
    inside = sizes[frame].astype(np.float32)

    def shares(*shape: int) -> np.ndarray:
        return draw(hnp.arrays(np.float32, (rows, *shape), elements=st.floats(0, 1, width=32)))

    def column(values: st.SearchStrategy, count: int = rows, **unique: bool) -> list:
        return draw(st.lists(values, min_size=count, max_size=count, **unique))

    boxes = shares(4) * np.float32(0.49) * np.tile(inside, 2)
    if not known_boxes:
        boxes[column(st.booleans())] = np.nan
    visibility = draw(
        hnp.arrays(np.float32, (rows, len(skeleton), 1), elements=st.sampled_from([0, 1, 2]))
    )
    points = shares(len(skeleton), 2) * np.float32(0.99) * inside[:, None]
    ids = st.integers(-(2**40), 2**40)
    species = dict(draw(st.lists(st.sampled_from(list(SPECIES.items())), min_size=1, unique=True)))
    return PoseTable.make(
        Frames.make(
            ids=sorted(column(ids, len(names), unique=True)),
            names=names,
            sizes=sizes,
            clips=column(st.integers(-1, 2), len(names)),
            indices=column(st.integers(0, 99), len(names)),
            times=column(st.floats(0, 99) | st.just(np.nan), len(names)),
        ),
        frame,
        boxes=boxes,
        keypoints=np.concatenate([points, visibility], axis=2),
        scores=column(st.floats(0, 1, width=32) | st.just(np.nan)),
        tracks=column(st.integers(-1, 60)),
        species=column(st.sampled_from(list(species))),
        areas=column(st.floats(0, 9999, width=32) | st.just(np.nan)),
        ids=column(ids, unique=True),
        crowd=column(st.booleans()),
        skeleton=skeleton,
        categories=species,
    )


def save(table: PoseTable, folder: Path) -> Path:
    """The table as a COCO file with its images, tiny and of the right sizes, beside it."""
    folder.mkdir()
    for name, size in zip(table.frames.names, table.frames.sizes.tolist(), strict=True):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size).save(path)
    write_coco(table, folder / "poses.json")
    return folder / "poses.json"


def assert_same(table: PoseTable, other: PoseTable, leave_out: tuple[str, ...] = ()) -> None:
    for part, twin in ((table, other), (table.frames, other.frames)):
        for field in fields(part):
            value, copy = getattr(part, field.name), getattr(twin, field.name)
            if field.name in ("frames", "root", *leave_out):
                continue
            if isinstance(value, np.ndarray):
                assert value.dtype == copy.dtype, field.name
                np.testing.assert_array_equal(value, copy, field.name)
            else:
                assert value == copy, field.name


@settings(max_examples=25)
@given(table=tables())
def test_coco_gives_the_same_table(table: PoseTable) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = save(table, Path(folder, "source"))
        convert(source, Path(folder, "new.json"), "coco")
        assert_same(read_annotations(source), read_annotations(Path(folder, "new.json")))
        assert_same(replace(table, areas=table.scale_areas), read_annotations(source))


@settings(max_examples=25)
@given(table=tables())
def test_aptv2_gives_the_same_table_but_for_names(table: PoseTable) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = save(table, Path(folder, "source"))
        losses = convert(source, Path(folder, "new"), "aptv2")
        copy = read_annotations(Path(folder, "new"))
        before = read_annotations(source)
        renamed = any("new names" in sentence for sentence in losses)
        assert_same(before, copy, ("names",) if renamed else ())
        assert renamed == bool(set(table.frames.names) - set(RELEASED))
        if len(table.frames):
            assert copy.root == Path(folder, "new", "data")
        for name, size in zip(copy.frames.names, copy.frames.sizes.tolist(), strict=True):
            with Image.open(copy.root / name) as image:
                assert list(image.size) == size


@settings(max_examples=25)
@given(table=tables(known_boxes=True))
def test_yolo_gives_the_same_animals(table: PoseTable) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source = save(table, Path(folder, "source"))
        convert(source, Path(folder, "new"), "yolo")
        copy = read_annotations(Path(folder, "new"))
    assert copy.skeleton.names == table.skeleton.names
    assert copy.skeleton.flip.tolist() == table.skeleton.flip.tolist()
    assert list(copy.categories.values()) == [table.categories[k] for k in sorted(table.categories)]
    place = {name: row for row, name in enumerate(copy.frames.names)}
    assert set(place) == set(table.frames.names)
    for row, name in enumerate(table.frames.names):
        twin = place[name]
        assert copy.frames.sizes[twin].tolist() == table.frames.sizes[row].tolist()
        animals, twins = table.rows_of(row), copy.rows_of(twin)
        np.testing.assert_allclose(copy.boxes[twins], table.boxes[animals], atol=1e-5)
        np.testing.assert_array_equal(copy.keypoints[twins], table.keypoints[animals])
        kinds = [table.categories[key] for key in table.species[animals].tolist()]
        assert [copy.categories[key] for key in copy.species[twins].tolist()] == kinds


@pytest.fixture
def dog(tmp_path: Path) -> PoseTable:
    """A dog in a clip of two frames, a keypoint out of the image, no box in the second."""
    keypoints = np.zeros((2, 17, 3))
    keypoints[:, :3] = [[10, 5, 2], [20, 15, 1], [45, 10, 2]]
    return PoseTable.make(
        Frames.make(names=["a.png", "b.png"], sizes=[[40, 30]] * 2, clips=[1, 1], times=[0, 0.1]),
        [0, 1],
        boxes=[[-5, 0, 25, 30], [np.nan] * 4],
        keypoints=keypoints,
        scores=[0.5, np.nan],
        tracks=[4, 4],
        species=[7, -1],
        crowd=[True, False],
        areas=[10, np.nan],
        categories={7: "dog"},
    )


def test_yolo_files_are_what_ultralytics_reads(dog: PoseTable, tmp_path: Path) -> None:
    losses = convert(save(dog, tmp_path / "source"), tmp_path / "new", "yolo")
    description = yaml.safe_load((tmp_path / "new/data.yaml").read_text())
    assert description["train"] == description["val"] == "images/train"
    assert description["kpt_shape"] == [17, 3]
    assert description["flip_idx"] == ANIMAL17.flip.tolist()
    assert description["names"] == {0: "dog", 1: "animal"}
    first, *numbers = (tmp_path / "new/labels/train/a.txt").read_text().split()
    assert first == "0"
    assert len(numbers) == 4 + 51
    values = np.array(numbers, float)
    assert values[:4].tolist() == [0.25, 0.5, 0.5, 1]  # cut at the left edge
    assert values[4:10].tolist() == pytest.approx([0.25, 1 / 6, 2, 0.5, 0.5, 1])
    assert values[10:].max() == 0  # the third keypoint lies outside
    text = " ".join(losses)
    for part in (
        "Track numbers lost, as YOLO pose has none: 2.",
        "Scores of animals lost, as YOLO pose has none: 1.",
        "Areas lost, as YOLO pose has none: 1.",
        "Crowds that became ordinary animals: 1.",
        "Animals of unknown species, now of the class animal: 1.",
        "Frames whose clip is left only in their name: 2.",
        "Frames whose time is lost: 2.",
        "Boxes that reach out of their image, cut at its edge: 1.",
        "Keypoints left out, as they lie out of their image: 2.",
        "Animals without a box that got one around their keypoints: 1.",
        "Limbs, sigmas, image and annotation ids are lost",
    ):
        assert part in text


def test_coco_and_aptv2_say_what_changes(dog: PoseTable, tmp_path: Path) -> None:
    source = save(replace(dog, skeleton=replace(ANIMAL17, sigmas=(0.1,) * 17)), tmp_path / "source")
    document = json.loads(source.read_text())
    del document["annotations"][0]["area"]
    source.write_text(json.dumps(document))
    losses = convert(source, tmp_path / "new.json", "coco")
    assert "Animals without an area that get their box's: 2." in losses
    assert losses[-1].startswith("The images stay in ")
    losses = convert(source, tmp_path / "new", "aptv2", images="none")
    assert "Images have new names, as the folders of APTv2 ask for." in losses
    assert not [path for path in (tmp_path / "new/data").rglob("*") if path.is_file()]


@pytest.mark.parametrize("images", ["copy", "link"])
def test_images_are_copies_or_the_same_file(images: str, dog: PoseTable, tmp_path: Path) -> None:
    source = save(dog, tmp_path / "source")
    convert(source, tmp_path / "new", "yolo", images)
    old, new = source.parent / "images/a.png", tmp_path / "new/images/train/a.png"
    assert old.read_bytes() == new.read_bytes()
    assert old.samefile(new) == (images == "link")


def test_splits_of_a_release_are_kept(dog: PoseTable, tmp_path: Path) -> None:
    source = save(dog, tmp_path / "source")
    root = tmp_path / "release"
    for split, row in (("train", 0), ("test", 1)):
        write_coco(dog[[row]], root / "annotations" / f"{split}_annotations.json")
    (source.parent / "images").rename(root / "data")
    convert(root, tmp_path / "yolo", "yolo")
    assert [p.name for p in (tmp_path / "yolo/images/train").iterdir()] == ["a.png"]
    assert [p.name for p in (tmp_path / "yolo/labels/test").iterdir()] == ["b.txt"]
    copy = read_annotations(tmp_path / "yolo")
    assert copy.frames.names.tolist() == ["train/a.png", "test/b.png"]
    convert(root, tmp_path / "aptv2", "aptv2")
    one = read_annotations(tmp_path / "aptv2/annotations/test_annotations.json")
    assert (len(one), len(one.frames)) == (1, 2)
    assert any("no splits" in loss for loss in convert(root, tmp_path / "all.json", "coco"))


def _there(source: Path, folder: Path) -> None:
    (folder / "new").write_text("mine")


def _full(source: Path, folder: Path) -> None:
    (folder / "new").mkdir()
    (folder / "new" / "mine").touch()


def _climbs(source: Path, folder: Path) -> None:
    (folder / "new").symlink_to(folder / "nowhere")


@pytest.mark.parametrize("to", ["coco", "aptv2", "yolo"])
@pytest.mark.parametrize("prepare", [_there, _full, _climbs])
def test_what_is_there_stays(
    prepare: Callable[[Path, Path], None], to: str, dog: PoseTable, tmp_path: Path
) -> None:
    source = save(dog, tmp_path / "source")
    prepare(source, tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="new already exists"):
        convert(source, tmp_path / "new", to)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("to", ["coco", "aptv2", "yolo"])
def test_a_place_that_cannot_be_written(to: str, dog: PoseTable, tmp_path: Path) -> None:
    source = save(dog, tmp_path / "source")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="cannot be written"):
        convert(source, source / "new", to)
    assert sorted(tmp_path.rglob("*")) == before


def test_sizes_come_from_the_images(dog: PoseTable, tmp_path: Path) -> None:
    unsized = replace(dog, frames=replace(dog.frames, sizes=np.zeros((2, 2), np.int32)))
    source = save(dog, tmp_path / "source")
    write_coco(unsized, source)
    convert(source, tmp_path / "new", "yolo")
    assert read_annotations(tmp_path / "new").frames.sizes.tolist() == [[40, 30]] * 2
    (source.parent / "images/b.png").unlink()
    with pytest.raises(InputError, match=r"image 2 \(b.png\) has no width and height"):
        convert(source, tmp_path / "other", "yolo")
    assert not (tmp_path / "other").exists()


def test_images_that_would_share_labels(dog: PoseTable, tmp_path: Path) -> None:
    dog.frames.names[:] = ["a.png", "a.jpg"]
    with pytest.raises(InputError, match=r"2 frames would share labels/train/a.txt"):
        convert(save(dog, tmp_path / "source"), tmp_path / "new", "yolo")


@pytest.mark.parametrize(("to", "images"), [("voc", "copy"), ("yolo", "move")])
def test_unknown_choices(to: str, images: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="choose from"):
        convert(tmp_path, tmp_path / "new", to, images)


@pytest.mark.parametrize("to", ["aptv2", "yolo"])
def test_real_clips(to: str, shared: Path, tmp_path: Path) -> None:
    source = shared / "data/davis/apt_layout"
    convert(source, tmp_path / "new", to, "link")
    before, after = read_annotations(source), read_annotations(tmp_path / "new")
    np.testing.assert_allclose(after.boxes, before.boxes, atol=1e-4)
    np.testing.assert_array_equal(after.keypoints, before.keypoints)
    assert after.frames.names.tolist() == before.frames.names.tolist()
