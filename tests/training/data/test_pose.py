"""Pose samples: every keypoint on its own spot of paint, the same in every process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from aptv2 import crops
from aptv2.codecs import MSRA, UDP
from aptv2.datasets import read_annotations
from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.training.data.loaders import BatchOrder
from aptv2.training.data.pose import Images, PoseCrops, Sample, with_sizes
from aptv2.training.recipes import Augmentation

SIZE = (128, 128)
BOXES = [[[20.0, 15, 110, 90]], [[30, 10, 90, 100]], [[5, 40, 140, 70]]]


@pytest.fixture(scope="module")
def dotted(paint_table: Callable):
    """Animals whose keypoints are spots of 17 colours."""
    return paint_table(BOXES, dots=True)


def assert_equal(first: Sample, second: Sample) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


def pixels(sample: Sample, size: int = SIZE[0]) -> np.ndarray:
    """Keypoints (17, 2) in crop pixels; heatmaps lie on the crop with corner on corner."""
    return sample["keypoints"] * (size - 1) / (size // 4 - 1)


class TestPoseCrops:
    def test_every_keypoint_lies_on_its_spot(
        self, dotted, plain: Augmentation, keypoint_colour: Callable[[int], np.ndarray]
    ) -> None:
        # By hue: a spot that shrinks gets darker.
        palette = np.array([keypoint_colour(keypoint) for keypoint in range(17)], float)
        palette /= palette.max(axis=1, keepdims=True)
        samples = PoseCrops(dotted.table, dotted.images, SIZE, plain, seed=0)
        mirrored = []
        for epoch in range(12):
            for index in range(len(samples)):
                sample = samples[epoch, index]
                seen = np.flatnonzero(sample["seen"])
                # The outermost pixel of a crop may show half a spot.
                x, y = np.round(pixels(sample)[seen]).astype(int).T
                within = (x > 0) & (y > 0) & (x < SIZE[0] - 1) & (y < SIZE[0] - 1)
                x, y, seen = x[within], y[within], seen[within]
                shown = sample["image"][y, x].astype(float)
                shown /= shown.max(axis=1, keepdims=True)
                found = np.abs(shown[:, None] - palette[None]).sum(axis=2).argmin(axis=1)
                flipped = not np.array_equal(found, seen)
                np.testing.assert_array_equal(found, ANIMAL17.flip[seen] if flipped else seen)
                mirrored.append(flipped)
        assert 0.2 < np.mean(mirrored) < 0.8

    @pytest.mark.parametrize("sizes_known", [True, False])
    def test_boxes_as_mmpose_reads_them(
        self, paint_table: Callable, plain: Augmentation, sizes_known: bool
    ) -> None:
        """Training shows what inference shows: the same crop, from a box that leaves the frame."""
        painted = paint_table([[[20.0, 15, 110, 90]], [[100.0, -8, 90, 70]]], dots=True)
        table = painted.table
        if not sizes_known:
            frames = replace(table.frames, sizes=np.zeros_like(table.frames.sizes))
            table = replace(table, frames=frames)
        still = plain.model_copy(
            update={"flip": 0, "rotation": 0, "scale": 1, "shift": 0, "half_body": 0}
        )
        model = registry.build("res50", input_size=SIZE).eval()
        samples = PoseCrops(table, painted.images, SIZE, still, 0, model.codec)
        other = PoseCrops(table, painted.images, SIZE, still, 0, replace(MSRA, mmpose_crops=False))
        for row in range(2):
            _, matrices = model.crop(painted.images[row], painted.table.boxes[row])
            keypoints = crops.transform(matrices, painted.table.keypoints[row][None])[0, :, :2]
            np.testing.assert_allclose(4 * samples[0, row]["keypoints"], keypoints, atol=1e-3)
            assert np.abs(4 * other[0, row]["keypoints"] - keypoints).max() > 0.5

    def test_sizes_of_images_come_from_their_headers(self, dotted) -> None:
        unknown = dotted.table.frames.sizes.copy()
        unknown[1] = 0
        told = replace(dotted.table, frames=replace(dotted.table.frames, sizes=unknown))
        np.testing.assert_array_equal(with_sizes(told).frames.sizes, dotted.table.frames.sizes)
        gone = replace(told, root=dotted.table.root / "gone")
        with pytest.raises(InputError, match=r"1\.png"):
            with_sizes(gone)

    def test_shapes(self, dotted, plain: Augmentation) -> None:
        sample = PoseCrops(dotted.table, dotted.images, (64, 64), plain, seed=0)[0, 0]
        assert sample["image"].shape == (64, 64, 3)
        assert sample["image"].dtype == np.uint8
        assert sample["keypoints"].shape == (17, 2)
        assert sample["keypoints"].dtype == sample["seen"].dtype == np.float32

    def test_only_labelled_keypoints_inside_the_crop_count(self, dotted) -> None:
        keypoints = dotted.table.keypoints.copy()
        hidden = [4, 5, 8]  # twins both, so that a flip does not matter
        keypoints[:, hidden, 2] = 0
        keypoints[:, 9, 2] = 1
        table = replace(dotted.table, keypoints=keypoints)
        far = Augmentation(colour=0, blur=0, erase=0, shift=0.6, half_body=0)
        samples = PoseCrops(table, dotted.images, SIZE, far, seed=0)
        lost = 0
        for epoch in range(10):
            sample = samples[epoch, 0]
            place = pixels(sample)
            inside = ((place >= -1e-3) & (place <= SIZE[0] - 1 + 1e-3)).all(axis=1)
            labelled = np.ones(17, bool)
            labelled[hidden] = False
            np.testing.assert_array_equal(sample["seen"] > 0, inside & labelled)
            lost += (~inside).sum()
        assert lost > 0

    def test_animals_without_keypoints_or_box_are_left_out(
        self, dotted, plain: Augmentation
    ) -> None:
        keypoints, boxes = dotted.table.keypoints.copy(), dotted.table.boxes.copy()
        keypoints[0, :, 2] = 0
        boxes[2] = np.nan
        table = replace(dotted.table, keypoints=keypoints, boxes=boxes)
        samples = PoseCrops(table, dotted.images, SIZE, plain, seed=0)
        assert samples.table.ids.tolist() == [2]

    def test_half_bodies(self, dotted) -> None:
        half = Augmentation(
            half_body=1, scale=1, shift=0, rotation_chance=0, flip=0, colour=0, blur=0, erase=0
        )
        samples = PoseCrops(dotted.table, dotted.images, SIZE, half, seed=0)
        upper = np.isin(np.arange(17), ANIMAL17.upper)
        keypoints = dotted.table.keypoints[:1].copy()
        keypoints[0, :, :2] = np.where(upper[:, None], [25, 20], [95, 60])
        keypoints[0, :, :2] += 2 * np.arange(17)[:, None] % 30
        samples = PoseCrops(
            replace(dotted.table[:1], keypoints=keypoints), dotted.images, SIZE, half, seed=0
        )
        shown = {tuple(samples[epoch, 0]["seen"]) for epoch in range(12)}
        assert shown == {tuple(upper.astype(float)), tuple((~upper).astype(float))}


class TestDeterminism:
    def test_seed_epoch_and_index_are_all_that_counts(self, dotted) -> None:
        samples, again = (
            PoseCrops(dotted.table, dotted.images, (64, 64), Augmentation(), seed=3)
            for _ in range(2)
        )
        first = samples[4, 1]
        np.random.seed(99)  # noqa: NPY002
        torch.manual_seed(99)
        again[0, 0]
        assert_equal(again[4, 1], first)
        other = PoseCrops(dotted.table, dotted.images, (64, 64), Augmentation(), seed=4)
        for different in (samples[5, 1], samples[4, 2], other[4, 1]):
            assert not np.array_equal(different["image"], first["image"])

    def test_workers_do_not_matter(self, dotted) -> None:
        samples = PoseCrops(dotted.table, dotted.images, (64, 64), Augmentation(), seed=3)
        batches = []
        for workers in (0, 2):
            loader = DataLoader(
                samples,
                batch_size=2,
                sampler=BatchOrder(np.zeros(3, int), 1, seed=3),
                num_workers=workers,
            )
            batches.append(list(loader))
        assert len(batches[0]) == 2
        for alone, shared in zip(*batches, strict=True):
            assert_equal(alone, shared)


class TestImages:
    def test_kept_or_not_every_crop_is_the_same_without_jpegs(self, dotted) -> None:
        kept, read = Images(dotted.table), Images(dotted.table, kept=0)
        np.testing.assert_array_equal(read[1], kept[1])
        for index in range(3):
            first, second = (
                PoseCrops(dotted.table, images, SIZE, Augmentation(), seed=5)[0, index]
                for images in (kept, read)
            )
            assert_equal(first, second)

    def test_scaled_decoding_changes_little(self, shared: Path, plain: Augmentation) -> None:
        table = read_annotations(shared / "data" / "ap10k_sample" / "test_ap10k.json")
        wide = plain.model_copy(update={"scale": 3.0})
        kept, scaled = (
            PoseCrops(table, images, (64, 64), wide, seed=5)
            for images in (Images(table), Images(table, kept=0))
        )
        likeness = []
        for epoch in range(20):
            for index in range(2):
                first, second = kept[epoch, index], scaled[epoch, index]
                likeness.append(cv2.PSNR(first.pop("image"), second.pop("image")))
                assert_equal(first, second)
        # The photographs are full of fine texture. One frame pixel off gives 31.8 dB.
        assert np.median(likeness) > 32
        assert min(likeness) > 22

    def test_only_what_fits_is_kept(self, dotted) -> None:
        all_bytes = sum(dotted.images[frame].nbytes for frame in range(3))
        sizes = np.zeros_like(dotted.table.frames.sizes)
        unknown = replace(dotted.table, frames=replace(dotted.table.frames, sizes=sizes))
        for table in (dotted.table, unknown):
            enough, short = Images(table, kept=all_bytes), Images(table, kept=all_bytes - 1)
            assert enough[0] is enough[0]
            assert short[0] is not short[0]

    def test_a_part_is_no_copy(self, dotted) -> None:
        images = Images(dotted.table)
        part = images.part(np.array([2, 0]))
        assert len(part) == 2
        assert part[0] is images[2]
        assert part[1] is images[0]


@pytest.mark.parametrize("udp", [True, False])
def test_keypoints_lie_in_heatmaps_as_the_convention_says(dotted, udp: bool) -> None:
    still = Augmentation(
        half_body=0, scale=1, shift=0, rotation_chance=0, flip=0, colour=0, blur=0, erase=0
    )
    codec = replace(UDP if udp else MSRA, mmpose_crops=False)
    sample = PoseCrops(dotted.table, dotted.images, (128, 96), still, 0, codec)[0, 0]
    assert sample["image"].shape == (128, 96, 3)
    x, y, width, height = dotted.table.boxes[0]
    side = 1.25 * max(width, height * 96 / 128)
    steps = (31, 23) if udp else (32, 24)
    left, top = x + width / 2 - side / 2, y + height / 2 - side * 128 / 96 / 2
    wanted = (
        (dotted.table.keypoints[0, :, :2] - [left, top]) / side * [steps[1], steps[0] * 96 / 128]
    )
    np.testing.assert_allclose(sample["keypoints"], wanted, atol=1e-3)


def test_animals_whose_sides_are_not_known_are_not_mirrored(dotted, plain: Augmentation) -> None:
    unknown = Skeleton(tuple(f"p{number}" for number in range(17)))
    known = replace(unknown, pairs=((0, 1),))
    always = plain.model_copy(update={"flip": 1.0, "rotation": 0, "half_body": 0})
    never = always.model_copy(update={"flip": 0.0})

    def image(skeleton: Skeleton, settings: Augmentation) -> np.ndarray:
        table = replace(dotted.table, skeleton=skeleton)
        return PoseCrops(table, dotted.images, (64, 64), settings, seed=0)[0, 0]["image"]

    np.testing.assert_array_equal(image(unknown, always), image(unknown, never))
    assert (image(known, always) != image(known, never)).any()
