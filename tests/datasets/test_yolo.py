from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from aptv2 import InputError, read_annotations
from aptv2.datasets.yolo import label_path
from aptv2.skeleton import ANIMAL17

DESCRIPTION = """
path: /somewhere/else
train: images/train
val: [images/val]
kpt_shape: [2, 2]
flip_idx: [1, 0]
names: [dog, cat]
"""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """A data set of one image a split, 40 by 20 pixels, with labels for the first."""

    def write(description: str = DESCRIPTION, labels: str = "1 .5 .5 .5 1 .25 .5 0 0\n") -> Path:
        for split in ("train", "val"):
            (tmp_path / "images" / split).mkdir(parents=True)
            Image.new("RGB", (40, 20)).save(tmp_path / "images" / split / "a.png")
        (tmp_path / "labels/train").mkdir(parents=True)
        (tmp_path / "labels/train/a.txt").write_text(labels)
        (tmp_path / "zoo.txt").write_text("images/val/a.png\n../../etc/a.png\n")
        (tmp_path / "zoo.yaml").write_text(description)
        return tmp_path

    return write


def test_a_data_set_as_others_write_it(make: Callable[..., Path]) -> None:
    root = make()
    for path in (root, root / "zoo.yaml"):
        table = read_annotations(path)
        assert table.frames.names.tolist() == ["train/a.png", "val/a.png"]
        assert table.root == root / "images"
        assert table.frames.sizes.tolist() == [[40, 20]] * 2
        assert table.frame.tolist() == [0]
        assert table.boxes.tolist() == [[10, 0, 20, 20]]
        assert table.keypoints.tolist() == [[[10, 10, 2], [0, 0, 0]]]
        assert table.categories == {0: "dog", 1: "cat"}
        assert table.species.tolist() == [1]
        assert table.skeleton.names == ("keypoint_1", "keypoint_2")
        assert table.skeleton.pairs == ((0, 1),)


def test_a_list_of_images(make: Callable[..., Path]) -> None:
    root = make(DESCRIPTION.replace("train: images/train", "train: train.txt"))
    (root / "train.txt").write_text("./images/train/a.png\n\nimages/val/a.png\n")
    table = read_annotations(root)
    assert table.frames.names.tolist() == ["train/a.png", "val/a.png"]
    assert table.root == root / "images"
    assert table.boxes.tolist() == [[10, 0, 20, 20]]


def test_the_17_keypoints_are_known_by_their_twins(make: Callable[..., Path]) -> None:
    flip = ANIMAL17.flip.tolist()
    description = DESCRIPTION.replace("[2, 2]", "[17, 3]").replace("[1, 0]", str(flip))
    assert read_annotations(make(description, "")).skeleton == ANIMAL17


def test_labels_lie_where_ultralytics_looks() -> None:
    assert label_path("images/train/x/a.b.jpg") == "labels/train/x/a.b.txt"
    assert label_path("images/train/images/a.jpg") == "images/train/labels/a.txt"
    assert label_path("train/a.jpg") == "train/a.txt"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("images/train", "../../etc", '"train" .* leads out'),
        ("images/train", "/etc", '"train" .* leads out'),
        ("images/train", "images/none", "neither a folder beside it nor"),
        ("images/train", "none.txt", "neither a folder beside it nor"),
        ("images/train", "zoo.txt", "image 2 .* leads out"),
        ("images/train", "5", "is not the name of a folder"),
        ("[2, 2]", "[2, 4]", '"kpt_shape"'),
        ("[2, 2]", "[1000000000, 2]", '"kpt_shape"'),
        ("[1, 0]", "[1, 1]", '"flip_idx"'),
        ("[1, 0]", "[0, 5]", '"flip_idx"'),
        ("[dog, cat]", "{1: dog}", '"names"'),
        ("[dog, cat]", "7", '"names"'),
        ("[dog, cat]", "[[dog], cat]", '"names"'),
        ("names:", "kpt_names: {0: [a]}\nnames:", '"kpt_names"'),
        ("names:", "kpt_names: [a, a]\nnames:", '"kpt_names"'),
        ("path:", "? [\npath:", "not valid YAML"),
        ("path:", "x: !!python/object/apply:os.getcwd []\npath:", "not valid YAML"),
    ],
)
def test_a_wrong_description(make: Callable[..., Path], old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_annotations(make(DESCRIPTION.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("1 .5 .5\n", "line 1 does not hold 9"),
        ("\n1 .5 .5 .5 1 x 0 0 0\n", "line 2 does not hold 9"),
        ("1 .5 .5 .5 1 nan 0 0 0\n", "line 1 does not hold 9"),
        ("1 .5 .5 -.5 1 0 0 0 0\n", "line 1 does not hold 9"),
        ("2 .5 .5 .5 1 0 0 0 0\n", "of class 2"),
        ("0.5 .5 .5 .5 1 0 0 0 0\n", "of class 0.5"),
    ],
)
def test_wrong_labels(make: Callable[..., Path], labels: str, message: str) -> None:
    with pytest.raises(InputError, match=f"a.txt: .*{message}"):
        read_annotations(make(labels=labels))


def test_an_image_that_is_none(make: Callable[..., Path]) -> None:
    root = make()
    (root / "images/val/a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a\.png"):
        read_annotations(root)


@pytest.mark.parametrize("suffix", [".webp", ".bmp", ".tif", ".tiff", ".jpeg", ".PNG"])
def test_images_of_every_ending(make: Callable[..., Path], suffix: str) -> None:
    root = make()
    image = root / "images/train/a.png"
    Image.open(image).save(image.with_suffix(suffix))
    image.unlink()
    table = read_annotations(root)
    assert table.frames.names[0] == f"train/a{suffix}"
    assert len(table) == 1


def test_labels_without_an_image_are_counted(make: Callable[..., Path]) -> None:
    root = make()
    for name in ("b", "c"):
        (root / f"labels/train/{name}.txt").write_text("")
    with pytest.warns(UserWarning, match=r"2 label files have no image .*b\.txt first"):
        assert len(read_annotations(root).frames) == 2


def test_roboflow_names_its_folders_from_a_folder_beside(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        (tmp_path / split / "images").mkdir(parents=True)
        (tmp_path / split / "labels").mkdir()
        Image.new("RGB", (40, 20)).save(tmp_path / split / "images/a.png")
        (tmp_path / split / "labels/a.txt").write_text("0 .5 .5 .5 1 .25 .5 0 0\n")
    (tmp_path / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n"
        "kpt_shape: [2, 2]\nnames: [dog]\n"
    )
    with pytest.warns(UserWarning, match='"test" names test/images, which is not there'):
        table = read_annotations(tmp_path)
    assert table.frames.names.tolist() == ["train/images/a.png", "valid/images/a.png"]
    assert table.frame.tolist() == [0, 1]
