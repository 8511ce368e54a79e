"""Random changes: how far they may go, and what they leave alone."""

from __future__ import annotations

import numpy as np
import pytest

from aptv2.crops import crop_frames
from aptv2.skeleton import ANIMAL17
from aptv2.training import augmentation as augment
from aptv2.training.recipes import Augmentation

DRAWS = 400
CENTRE, EXTENT = np.array([50.0, 40]), np.array([80.0, 60])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(60, 190, (40, 50, 3), np.uint8)


class TestGeometry:
    def test_limits_and_shares(self, rng: np.random.Generator) -> None:
        settings = Augmentation(flip=0.3, rotation=40, rotation_chance=0.6, scale=1.5, shift=0.1)
        drawn = [augment.random_geometry(rng, settings, CENTRE, EXTENT) for _ in range(DRAWS)]
        centres, extents, rotations, flips = (np.array(each) for each in zip(*drawn, strict=True))
        shifts = np.abs(centres - CENTRE) / EXTENT
        assert 0.08 < shifts.max() <= 0.1
        factors = extents / EXTENT
        np.testing.assert_allclose(factors[:, 0], factors[:, 1])
        assert 1 / 1.5 <= factors.min() < 0.7
        assert 1.45 < factors.max() <= 1.5
        assert abs(np.log(factors).mean()) < 0.05
        assert 35 < np.abs(rotations).max() <= 40
        assert abs(np.mean(rotations == 0) - 0.4) < 0.08
        assert abs(flips.mean() - 0.3) < 0.08

    def test_none(self, rng: np.random.Generator) -> None:
        settings = Augmentation(flip=0, rotation_chance=0, scale=1, shift=0)
        centre, extent, rotation, flip = augment.random_geometry(rng, settings, CENTRE, EXTENT)
        assert centre.tolist() == CENTRE.tolist()
        assert extent.tolist() == EXTENT.tolist()
        assert rotation == 0
        assert not flip


class TestHalfBackbone:
    @pytest.fixture
    def keypoints(self) -> np.ndarray:
        """The front half on the left, the back half on the right."""
        keypoints = np.full((17, 3), 2.0, np.float32)
        upper = np.isin(np.arange(17), ANIMAL17.upper)
        keypoints[:, 0] = np.where(upper, 10, 100) + np.arange(17)
        keypoints[:, 1] = 20 + 2 * np.arange(17)
        return keypoints

    def test_one_half_or_the_other(self, rng: np.random.Generator, keypoints: np.ndarray) -> None:
        upper = np.isin(np.arange(17), ANIMAL17.upper)
        shown = set()
        for _ in range(20):
            box = augment.half_body(rng, keypoints, ANIMAL17)
            middles = [keypoints[half, :2].mean(axis=0) for half in (upper, ~upper)]
            shown.add(tuple(bool(np.allclose(box[:2] + box[2:] / 2, m)) for m in middles))
        assert shown == {(True, False), (False, True)}

    def test_only_labelled_keypoints(self, rng: np.random.Generator, keypoints: np.ndarray) -> None:
        keypoints[[*ANIMAL17.upper[4:], 4, 15, 16], 2] = 0
        keypoints[keypoints[:, 2] == 0, :2] = -1000
        keypoints[[0, 1], 2] = 2  # nine are left
        keypoints[[0, 1], :2] = 5, 25
        assert (keypoints[:, 2] > 0).sum() == 9
        assert all(augment.half_body(rng, keypoints, ANIMAL17)[0] > 0 for _ in range(10))

    def test_as_large_as_mmpose_has_it(self, keypoints: np.ndarray) -> None:
        upper = keypoints[list(ANIMAL17.upper), :2]
        front, _ = augment.half_bodies(keypoints, ANIMAL17)
        np.testing.assert_allclose(front[:2] + front[2:] / 2, upper.mean(axis=0), rtol=1e-6)
        _, extent = crop_frames(front, (256, 256))
        np.testing.assert_allclose(extent[0], 1.5 * np.ptp(upper, axis=0).max(), rtol=1e-6)

    def test_too_few_keypoints(self, rng: np.random.Generator, keypoints: np.ndarray) -> None:
        lower = [k for k in range(17) if k not in ANIMAL17.upper]
        keypoints[lower[2:], 2] = 0  # two of the back half, which is too few for a half
        boxes = augment.half_bodies(keypoints, ANIMAL17)
        assert len(boxes) == 1
        assert boxes[0][0] + boxes[0][2] < 100
        keypoints[np.flatnonzero(keypoints[:, 2])[8:], 2] = 0
        assert augment.half_body(rng, keypoints, ANIMAL17) is None
        assert augment.half_body(rng, keypoints * 0, ANIMAL17) is None


class TestColour:
    def test_none(self, rng: np.random.Generator, image: np.ndarray) -> None:
        np.testing.assert_array_equal(augment.random_colour(rng, image, 0), image)

    def test_the_picture_given_stays(self, rng: np.random.Generator, image: np.ndarray) -> None:
        before = image.copy()
        changed = augment.random_colour(rng, image, 0.4)
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert not np.array_equal(changed, image)
        np.testing.assert_array_equal(image, before)

    def test_grey_stays_nearly_grey(self, rng: np.random.Generator) -> None:
        grey = np.full((4, 4, 3), 128, np.uint8)
        strength = 0.4
        for _ in range(DRAWS):
            changed = augment.random_colour(rng, grey, strength)[0, 0].astype(int)
            assert np.ptp(changed) <= 0.2 * 255 * strength + 1
            assert np.abs(changed - 128).max() <= 0.6 * 255 * strength + 1

    def test_some_pictures_lose_their_colours(self, rng: np.random.Generator) -> None:
        colourful = np.array([[[150, 100, 110], [100, 150, 110], [110, 100, 150]]], np.uint8)
        lost = 0
        for _ in range(DRAWS):
            changed = augment.random_colour(rng, colourful, 0.2)[0].astype(int)
            # Without colour, three pixels of one brightness are one pixel.
            lost += np.ptp(changed, axis=0).max() <= 2
        assert 0.05 < lost / DRAWS < 0.16

    def test_stronger_is_further(self, image: np.ndarray) -> None:
        distances = []
        for strength in (0.1, 0.3, 0.6):
            rng = np.random.default_rng(0)
            changed = [augment.random_colour(rng, image, strength) for _ in range(50)]
            distances.append(np.abs(np.array(changed, int) - image).mean())
        assert distances[0] < distances[1] < distances[2]


def test_blur_takes_detail_and_keeps_the_rest(rng: np.random.Generator, image: np.ndarray) -> None:
    for _ in range(20):
        blurred = augment.random_blur(rng, image)
        assert blurred.shape == image.shape
        assert blurred.dtype == np.uint8
        assert abs(blurred.mean() - image.mean()) < 2
        assert blurred.std() < 0.8 * image.std()


class TestErase:
    def test_up_to_three_rectangles(self, rng: np.random.Generator) -> None:
        shares = []
        for _ in range(50):
            image = np.zeros((100, 120, 3), np.uint8)
            assert augment.random_erase(rng, image) is image
            shares.append((image > 0).any(axis=2).mean())
            assert len(np.unique(image.reshape(-1, 3), axis=0)) <= 4
        assert max(shares) <= 3 * 0.35**2
        assert np.mean(shares) > 0.03

    @pytest.mark.parametrize("side", [1, 2, 5])
    def test_small_pictures(self, rng: np.random.Generator, side: int) -> None:
        for _ in range(20):
            image = np.zeros((side, side, 3), np.uint8)
            assert augment.random_erase(rng, image) is image
            # A rectangle covers at most 0.35 of each side, rounded down.
            assert (image > 0).any(axis=2).sum() <= 3 * int(0.35 * side) ** 2


class TestScaleLaws:
    def draw(self, settings: Augmentation) -> np.ndarray:
        rng = np.random.default_rng(0)
        one = np.ones(2)
        return np.array(
            [augment.random_geometry(rng, settings, one, one)[1][0] for _ in range(4000)]
        )

    def test_log_uniform_is_as_likely_to_shrink_as_to_grow(self) -> None:
        settings = Augmentation(scale=2.0)
        assert augment.scale_limits(settings) == (0.5, 2.0)
        factors = self.draw(settings)
        assert 0.5 <= factors.min() < 0.51
        assert 1.98 < factors.max() <= 2
        assert abs(np.log(factors).mean()) < 0.03

    def test_normal_is_cut_at_both_limits(self) -> None:
        settings = Augmentation(scale=1.5, scale_law="normal")
        assert augment.scale_limits(settings) == (0.5, 1.5)
        factors = self.draw(settings)
        # One deviation is as far as the limits: 16 % lie on each.
        assert abs((factors == 0.5).mean() - 0.159) < 0.02
        assert abs((factors == 1.5).mean() - 0.159) < 0.02
        assert abs(factors.mean() - 1) < 0.02

    def test_normal_never_turns_a_crop_inside_out(self) -> None:
        assert self.draw(Augmentation(scale=4.0, scale_law="normal")).min() > 0


def test_the_upper_half_is_taken_as_often_as_asked() -> None:
    """MMPose's chance of 0.69 where both halves can be shown, none where one alone can."""
    keypoints = np.full((17, 3), 2.0)
    keypoints[:, :2] = np.random.default_rng(3).uniform(0, 100, (17, 2))
    front, back = augment.half_bodies(keypoints, ANIMAL17)
    rng = np.random.default_rng(4)
    taken = [augment.half_body(rng, keypoints, ANIMAL17, upper=0.69) for _ in range(2000)]
    share = np.mean([np.array_equal(box, front) for box in taken if box is not None])
    assert share == pytest.approx(0.69, abs=0.03)
    assert all(np.array_equal(box, front) or np.array_equal(box, back) for box in taken)
    # Two of the front half beside eight of the back are too few: the back half is taken.
    keypoints[list(ANIMAL17.upper)[2:], 2] = 0
    (only,) = augment.half_bodies(keypoints, ANIMAL17)
    assert all(
        np.array_equal(augment.half_body(rng, keypoints, ANIMAL17, upper=1.0), only)
        for _ in range(10)
    )
