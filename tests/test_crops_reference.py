"""Crops are the reference's: of two real images, or of frames that a rule gives."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from aptv2 import crops


class TestReference:
    """MMPose's crops of two real images: both conventions, rotated, scaled and mirrored."""

    NETWORKS = pytest.mark.parametrize(
        ("network", "size"), [("vit_base", (256, 192)), ("hrnet_w32", (256, 256))]
    )

    @NETWORKS
    def test_of_annotations(self, reference: Path, network: str, size: tuple[int, int]) -> None:
        cases, numbers = pipeline(reference)
        for index, case in enumerate(cases[network]["val"]):
            frame, box = read_sample(reference, case["image_file"])
            box = crops.clean_boxes(box, frame.shape[:2])
            np.testing.assert_array_equal(box[0], case["bbox"])
            centres, extents = crops.crop_frames(box, size)
            np.testing.assert_allclose(centres[0], case["center"], atol=1e-6)
            np.testing.assert_allclose(extents[0] / 200, case["scale"], atol=1e-6)
            matrix = crops.crop_matrices(centres, extents, size, udp=network == "vit_base")
            np.testing.assert_allclose(matrix[0], case["trans"], atol=1e-4)
            picture = normalised(crops.sample(frame, matrix, size, antialias=False)[0])
            name = f"{network}/val/{index}/img"
            np.testing.assert_allclose(some_of(picture), numbers[name], atol=1e-6)
            rows = picture.mean(axis=2, dtype=float)
            np.testing.assert_allclose(rows, numbers[name + "_rowmean"], atol=1e-4)

    @NETWORKS
    def test_of_training(self, reference: Path, network: str, size: tuple[int, int]) -> None:
        cases, numbers = pipeline(reference)
        udp = network == "vit_base"
        for case in cases[network]["train"]:
            source = cases[network]["val"][case["inst"]]
            frame, _ = read_sample(reference, source["image_file"])
            centres, extents = crops.crop_frames(np.array(source["bbox"]), size)
            # The reference mirrors the frame first, and its MSRA crops turn the other way.
            clockwise = case["rot"] if udp != bool(case["flip"]) else -case["rot"]
            matrix = crops.crop_matrices(
                centres,
                extents * case["scale_factor"],
                size,
                rotation=clockwise,
                flip=bool(case["flip"]),
                udp=udp,
            )
            name = f"{network}/train/{case['aug']}/{case['inst']}/"
            picture = normalised(crops.sample(frame, matrix, size, antialias=False)[0])
            np.testing.assert_allclose(some_of(picture), numbers[name + "img"], atol=1e-6)
            assert abs(picture.mean(dtype=float) - case["img"]["mean"]) < 1e-4


def pipeline(folder: Path) -> tuple[dict[str, Any], Any]:
    return json.loads((folder / "pipeline.json").read_text()), np.load(folder / "pipeline.npz")


def synthetic_frame(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of random colours and sizes, RGB, and a box (1, 4); the same for the same name."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    height, width = rng.integers(30, 40, 2)
    frame = np.kron(
        rng.integers(0, 256, (height, width, 3), np.uint8), np.ones((9, 7, 1), np.uint8)
    )
    x, y = rng.uniform(-10, 60, 2).round()
    return frame, np.array([[x, y, *rng.uniform(60, 150, 2).round()]])


def read_sample(reference: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """An image, RGB, and the box (1, 4) of its first animal: of the AP-10K sample, or made up."""
    if name.startswith("synthetic"):
        return synthetic_frame(name)
    folder = reference.parent / "data" / "ap10k_sample"
    labels = json.loads((folder / "test_ap10k.json").read_text())
    (image,) = [image for image in labels["images"] if image["file_name"] == name]
    boxes = [a["bbox"] for a in labels["annotations"] if a["image_id"] == image["id"]]
    return cv2.cvtColor(cv2.imread(str(folder / name)), cv2.COLOR_BGR2RGB), np.array(boxes[:1])


def normalised(crop: np.ndarray) -> np.ndarray:
    """float32 (3, h, w) of a uint8 crop (h, w, 3), in ImageNet's mean and deviation."""
    mean, deviation = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
    return ((np.float32(crop) / 255 - mean) / deviation).transpose(2, 0, 1)


def some_of(picture: np.ndarray) -> np.ndarray:
    """The 200 numbers that the reference keeps of a picture."""
    return picture.reshape(-1)[np.round(np.linspace(0, picture.size - 1, 200)).astype(int)]
