"""Painted animals: what a sample says of an animal can be checked against the colours in it."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aptv2.skeleton import ANIMAL17
from aptv2.tables import Frames, PoseTable
from aptv2.training.data.pose import Images
from aptv2.training.recipes import Augmentation

WIDTH, HEIGHT = 160, 120


def colour(number: int, count: int = 17) -> np.ndarray:
    """One of `count` colours that are far from each other, uint8 (3,)."""
    strength = 1.0 if number % 2 else 0.6
    rgb = colorsys.hsv_to_rgb(number / count, 1.0, strength)
    return np.array([round(255 * v) for v in rgb], np.uint8)


@dataclass(frozen=True)
class Painted:
    """A table, its images, and the colour of each of its animals."""

    table: PoseTable
    images: Images
    colours: np.ndarray


def _draw(image: np.ndarray, box: np.ndarray, fill: np.ndarray) -> None:
    x, y, w, h = box.astype(int)
    image[y : y + h + 1, x : x + w + 1] = fill


def _keypoints(box: np.ndarray) -> np.ndarray:
    """Keypoints (17, 3) on a grid inside a box."""
    x, y, w, h = box
    number = np.arange(17)
    places = np.stack([(number % 5 + 0.5) / 5, (number // 5 + 0.5) / 4], axis=1)
    keypoints = np.full((17, 3), 2, np.float32)
    keypoints[:, :2] = np.round([x, y] + places * [w, h])
    return keypoints


@pytest.fixture(scope="session")
def plain() -> Augmentation:
    """Geometry only, so that colours stay what they are."""
    return Augmentation(colour=0, blur=0, erase=0)


@pytest.fixture(scope="session")
def paint_table(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Painted]:
    """Makes images with one rectangle for each box, each of its own colour, on black.

    `boxes` has a list of boxes an image. With `dots` every keypoint is a spot of its own colour.
    """

    def make(
        boxes: list[list[list[float]]],
        *,
        clips: list[int] | None = None,
        dots: bool = False,
        size: tuple[int, int] = (WIDTH, HEIGHT),
    ) -> Painted:
        root = tmp_path_factory.mktemp("painted")
        frame = [number for number, some in enumerate(boxes) for _ in some]
        flat = np.array([box for some in boxes for box in some], np.float32).reshape(-1, 4)
        # In a clip the one animal keeps its colour.
        numbers = np.arange(len(flat)) if clips is None else np.array(clips)[frame]
        colours = np.array([colour(number, max(len(flat), 3)) for number in numbers])
        keypoints = np.array([_keypoints(box) for box in flat], np.float32).reshape(-1, 17, 3)
        for number in range(len(boxes)):
            image = np.zeros((size[1], size[0], 3), np.uint8)
            for row in np.flatnonzero(np.array(frame) == number):
                if dots:
                    for keypoint, (x, y) in enumerate(keypoints[row, :, :2].astype(int)):
                        image[y - 2 : y + 3, x - 2 : x + 3] = colour(keypoint)
                else:
                    _draw(image, flat[row], colours[row])
            Image.fromarray(image).save(root / f"{number}.png")
        frames = Frames.make(
            len(boxes),
            names=[f"{number}.png" for number in range(len(boxes))],
            sizes=[size] * len(boxes),
            clips=clips,
            indices=None if clips is None else np.arange(len(boxes)),
        )
        table = PoseTable.make(
            frames,
            frame,
            boxes=flat,
            keypoints=keypoints,
            tracks=None if clips is None else np.ones(len(flat)),
            root=root,
        )
        return Painted(table, Images(table), colours)

    return make


@pytest.fixture(scope="session")
def is_colour() -> Callable[..., np.ndarray]:
    """Which pixels of an image (H, W, 3) have a colour: bool (H, W)."""

    def check(image: np.ndarray, wanted: np.ndarray, tolerance: int = 40) -> np.ndarray:
        return (np.abs(image.astype(int) - wanted.astype(int)) <= tolerance).all(axis=2)

    return check


@pytest.fixture(scope="session")
def keypoint_colour() -> Callable[[int], np.ndarray]:
    """The colour of a keypoint's spot."""
    return colour


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder as recipes expect it: COCO photographs, and clips in GOT-10k's layout."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    (root / "images").mkdir()
    images, annotations = [], []
    for number in range(12):
        pixels = rng.integers(0, 60, (HEIGHT, WIDTH, 3), np.uint8)
        box = np.array([20 + 5 * number, 12 + 4 * number, 70, 50], np.float32)
        _draw(pixels, box, np.array([220, 120 + 5 * number, 60]))
        keypoints = _keypoints(box)
        for keypoint, (x, y) in enumerate(keypoints[:, :2].astype(int)):
            pixels[y - 3 : y + 4, x - 3 : x + 4] = colour(keypoint)
        name = f"{number}.png"
        Image.fromarray(pixels).save(root / "images" / name)
        images.append({"id": number + 1, "file_name": name, "width": WIDTH, "height": HEIGHT})
        annotations.append(
            {
                "id": number + 1,
                "image_id": number + 1,
                "category_id": 1,
                "bbox": box.tolist(),
                "area": float(box[2] * box[3]),
                "iscrowd": 0,
                "keypoints": keypoints.ravel().tolist(),
            }
        )
    category = {"id": 1, "name": "cow", "keypoints": list(ANIMAL17.names), "skeleton": []}
    for name, count in (("train", 12), ("val", 6)):
        document = {
            "images": images[:count],
            "annotations": annotations[:count],
            "categories": [category],
        }
        (root / f"{name}.json").write_text(json.dumps(document))
    for clip, kind in (("a", "goat"), ("b", "car")):
        folder = root / "clips" / clip
        folder.mkdir(parents=True)
        lines = []
        for number in range(4):
            box = np.array([10 + 8 * number, 30, 60, 40])
            pixels = rng.integers(0, 60, (HEIGHT, WIDTH, 3), np.uint8)
            _draw(pixels, box, colour(len(clip) if kind == "goat" else 6))
            Image.fromarray(pixels).save(folder / f"{number + 1:08d}.png")
            lines.append(",".join(str(v) for v in box))
        (folder / "groundtruth.txt").write_text("\n".join(lines) + "\n")
        (folder / "meta_info.ini").write_text(
            f"[METAINFO]\nobject_class: {kind}\nresolution: ({WIDTH}, {HEIGHT})\n"
        )
    return root


@pytest.fixture(scope="session")
def photographs(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first animals of Animal-Pose: 24 to train on and 6 to score on."""
    source, root = shared / "data" / "animal_pose", tmp_path_factory.mktemp("animal_pose")
    (root / "images").symlink_to(source / "images")
    for split, count in (("train", 24), ("val", 6)):
        content: dict[str, Any] = json.loads((source / f"{split}.json").read_text())
        content["annotations"] = content["annotations"][:count]
        used = {each["image_id"] for each in content["annotations"]}
        content["images"] = [each for each in content["images"] if each["id"] in used]
        (root / f"{split}.json").write_text(json.dumps(content))
    return root
