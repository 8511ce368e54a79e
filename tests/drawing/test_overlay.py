"""What is drawn where, checked on pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from aptv2.drawing.overlay import TRACK_COLOURS, draw_overlay, track_colour
from aptv2.drawing.trails import Trails
from aptv2.skeleton import ANIMAL17, LEFT, MIDDLE, RIGHT, Skeleton

GREY = 90
LINE = Skeleton(names=("left_a", "left_b", "right_a", "right_b", "mid"), limbs=((0, 1), (2, 3)))


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def canvas(width: int = 640, height: int = 360) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def near(image: np.ndarray, colour: tuple[int, ...], tolerance: int = 12) -> np.ndarray:
    """Mask (H, W) of the pixels of about this colour."""
    return (np.abs(image.astype(int) - colour) <= tolerance).all(axis=2)


def changed(image: np.ndarray) -> np.ndarray:
    return (image != GREY).any(axis=2)


def pose(skeleton: Skeleton = LINE, **keypoints: tuple[float, float, float]) -> np.ndarray:
    """One animal's keypoints (1, K, 3), those not named at 0 with a score of 0."""
    array = np.zeros((1, len(skeleton), 3), np.float32)
    for name, values in keypoints.items():
        array[0, skeleton.names.index(name)] = values
    return array


def draw(boxes, keypoints, tracks=(3,), scores=(np.nan,), image=None, **options):
    options.setdefault("skeleton", LINE)
    return draw_overlay(
        canvas() if image is None else image, boxes, keypoints, tracks, scores, **options
    )


NO_BOX = np.full((1, 4), np.nan)


class TestFrame:
    def test_is_not_changed_and_not_returned(self):
        frame = canvas()
        result = draw([[100, 100, 200, 100]], pose(left_a=(150, 150, 1)), image=frame)
        assert (frame == GREY).all()
        assert result is not frame
        assert changed(result).any()
        assert result.dtype == np.uint8
        assert result.shape == frame.shape

    def test_read_only_and_mirrored_frames_are_fine(self):
        frame = canvas()[:, ::-1]
        frame.setflags(write=False)
        assert changed(draw([[100, 100, 200, 100]], pose(), image=frame)).any()

    def test_without_animals_comes_back_as_it_was(self):
        for empty in ([], np.zeros((0, 4)), np.zeros(0)):
            result = draw_overlay(canvas(), empty, np.zeros((0, 17, 3)), [], [])
            assert (result == GREY).all()

    @pytest.mark.parametrize(
        "frame", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((0, 9, 3), np.uint8)]
    )
    def test_of_another_kind_is_refused(self, frame):
        with pytest.raises(ValueError, match=r"uint8 \(H, W, 3\)"):
            draw(NO_BOX, pose(), image=frame)

    @pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 300), (300, 1), (17, 11)])
    def test_may_be_tiny(self, width, height):
        trails = Trails()
        trails.update([1], [[0, 0, 1, 1]])
        trails.update([1], [[1, 0, 1, 1]])
        keypoints = pose(left_a=(0, 0, 1), left_b=(9, 9, 1))
        result = draw(
            [[0, 0, 50, 50]], keypoints, [1], [0.5], image=canvas(width, height), trails=trails
        )
        assert result.shape == (height, width, 3)


class TestBox:
    def test_lies_on_its_edges_in_the_tracks_colour(self):
        image = draw([[100, 80, 200, 120]], pose(), [3], [np.nan])
        line = near(image, track_colour(3), 45)
        # The tag covers a part of the upper edge, the other three are free.
        assert line[100:190, 100].all()
        assert line[100:190, 299].all()
        assert line[199, 110:290].all()
        assert not changed(image)[110:190, 110:290].any()
        assert not changed(image)[201:].any()

    def test_moves_by_less_than_a_pixel(self):
        first = draw([[100, 80, 200, 120]], pose(), [-1])
        second = draw([[100.5, 80, 200, 120]], pose(), [-1])
        column = second[140, 100:102, 0].astype(int) - GREY
        assert not np.array_equal(first, second)
        assert column.min() > 30  # the line is shared by two columns

    def test_as_large_as_the_frame_stays_visible(self):
        line = near(draw([[-50, -50, 900, 900]], pose(), [-1]), track_colour(-1), 45)
        assert line[0].all()
        assert line[-1].all()
        assert line[:, 0].all()
        assert line[:, -1].all()

    @pytest.mark.parametrize(
        "box",
        [
            [700, 10, 50, 50],
            [-80, 10, 50, 50],
            [10, 400, 50, 50],
            [np.nan, 10, 50, 50],
            [10, 10, np.inf, 50],
            [10, 10, -5, 50],
            [10, 10, 0, 0],
            [1e12, 1e12, 1e12, 1e12],
        ],
    )
    def test_without_a_part_in_the_frame_draws_nothing(self, box):
        assert not changed(draw([box], pose(), [3], [0.9])).any()


class TestTag:
    @pytest.mark.parametrize("size", [(320, 180), (640, 360), (1920, 1080)])
    def test_is_above_the_box_and_grows_with_the_frame(self, size):
        width, height = size
        box = [width * 0.4, height * 0.4, width * 0.3, height * 0.3]
        image = draw([box], pose(), [3], [0.87], image=canvas(*size))
        rows = np.flatnonzero(changed(image)[: int(box[1])].any(axis=1))
        assert rows[-1] == int(box[1]) - 1
        assert height * 0.025 < len(rows) < height * 0.12
        assert len(rows) >= 12  # readable

    @pytest.mark.parametrize(
        "box", [[500, 0, 140, 300], [635, 100, 50, 50], [-40, -40, 60, 60], [0, 355, 640, 20]]
    )
    def test_stays_whole_inside_the_frame(self, box):
        whole = near(draw([[300, 200, 100, 100]], pose(), [8]), track_colour(8), 0)
        image = draw([box], pose(), [8])
        plate = near(image, track_colour(8), 0)
        # Inside the frame the plate has as many pixels as anywhere: the box adds to them.
        assert plate.sum() >= np.count_nonzero(whole[:200])

    def test_says_number_and_score_where_they_are_known(self):
        def width(track, score):
            image = draw([[200, 100, 400, 200]], pose(), [track], [score])
            return np.count_nonzero(changed(image)[98])

        assert width(-1, np.nan) == 0
        assert 0 < width(3, np.nan) < width(3, 0.5)
        assert 0 < width(-1, 0.5) < width(3, 0.5) < width(1234, 0.5)

    def test_is_left_out_where_the_frame_is_too_small(self):
        image = draw([[0, 0, 20, 9]], pose(), [3], [0.5], image=canvas(20, 9))
        bare = draw([[0, 0, 20, 9]], pose(), [3], [np.nan], image=canvas(20, 9))
        np.testing.assert_array_equal(image, bare)


class TestSkeleton:
    def test_limb_runs_between_its_keypoints_in_its_sides_colour(self):
        image = draw(
            NO_BOX,
            pose(
                left_a=(100, 100, 1),
                left_b=(300, 100, 1),
                right_a=(100, 200, 1),
                right_b=(300, 200, 1),
            ),
            [-1],
        )
        assert near(image, rgb(LEFT))[100, 100:301].mean() > 0.9
        assert near(image, rgb(RIGHT))[200, 100:301].mean() > 0.9
        assert not changed(image)[120:180].any()

    def test_middle_limbs_and_limbs_from_middle_to_side(self):
        skeleton = Skeleton(("left_eye", "right_eye", "nose"), ((0, 1), (0, 2), (1, 2)))
        keypoints = [[[100, 100, 1], [300, 100, 1], [200, 300, 1]]]
        image = draw(NO_BOX, keypoints, [-1], skeleton=skeleton)
        assert near(image, rgb(MIDDLE))[100, 200]
        assert near(image, rgb(LEFT))[200, 150]
        assert near(image, rgb(RIGHT))[200, 250]

    def test_keypoint_has_a_dark_rim(self):
        image = draw(NO_BOX, pose(mid=(200, 150, 1)), [-1])
        assert near(image, rgb(MIDDLE))[150, 200]
        row = image[150, 190:211].astype(int).sum(axis=1)
        assert row.min() < 3 * 70  # darker than the background on the way out
        assert changed(image).sum() < 120

    def test_limb_is_placed_to_a_fraction_of_a_pixel(self):
        centre = []
        for y in (100.0, 100.25, 100.5):
            keypoints = pose(left_a=(50, y, 1), left_b=(350, y, 1))
            difference = np.abs(draw(NO_BOX, keypoints, [-1])[:, 200].astype(int) - GREY).sum(
                axis=1
            )
            centre.append((difference * np.arange(360)).sum() / difference.sum())
        assert np.diff(centre) == pytest.approx([0.25, 0.25], abs=0.12)

    @pytest.mark.parametrize("score", [0.0, 0.29, np.nan])
    def test_keypoint_below_the_least_score_is_left_out_with_its_limb(self, score):
        image = draw(NO_BOX, pose(left_a=(100, 100, 1), left_b=(300, 100, score)), [-1])
        alone = draw(NO_BOX, pose(left_a=(100, 100, 1)), [-1])
        np.testing.assert_array_equal(image, alone)

    def test_unsure_keypoint_is_faded_with_its_limb(self):
        def strength(score):
            image = draw(NO_BOX, pose(left_a=(100, 100, 1), left_b=(300, 100, score)), [-1])
            return np.abs(image[100, [200, 300]].astype(int) - GREY).sum(axis=1)

        sure, unsure = strength(0.9), strength(0.4)
        assert (unsure > 30).all()
        assert (unsure < 0.7 * sure).all()

    def test_visibilities_one_and_two_look_alike(self):
        hidden = draw(NO_BOX, pose(left_a=(100, 100, 1), left_b=(300, 100, 1)), [-1])
        visible = draw(NO_BOX, pose(left_a=(100, 100, 2), left_b=(300, 100, 2)), [-1])
        np.testing.assert_array_equal(hidden, visible)

    def test_unlabelled_keypoints_stay_away_even_at_least_score_zero(self):
        assert not changed(draw(NO_BOX, pose(), [-1], min_score=0.0)).any()

    def test_keypoint_without_a_place_is_left_out(self):
        keypoints = pose(left_a=(np.nan, 100, 1), left_b=(300, np.inf, 1), mid=(200, 150, 1))
        alone = draw(NO_BOX, pose(mid=(200, 150, 1)), [-1])
        np.testing.assert_array_equal(draw(NO_BOX, keypoints, [-1]), alone)

    def test_keypoint_far_outside_does_no_harm(self):
        keypoints = pose(left_a=(100, 100, 1), left_b=(1e9, 100, 0.4))
        image = draw(NO_BOX, keypoints, [-1])
        assert changed(image)[100, 100:].all()
        assert not changed(image)[:90].any()
        assert not changed(image)[110:].any()

    def test_grows_with_frame_and_animal(self):
        def thickness(scale, size):
            keypoints = pose(left_a=(10, 60, 1), left_b=(200, 60, 1))
            keypoints[..., :2] *= scale
            frame = canvas(320 * scale, 180 * scale)
            box = [[10 * scale, 10 * scale, size * scale, size * scale]]
            column = draw(box, keypoints, [-1], image=frame)[:, 150 * scale]
            return near(column[None], rgb(LEFT), 40).sum()

        assert 1 <= thickness(1, 160) < thickness(4, 160) < thickness(12, 160)
        assert thickness(12, 40) < thickness(12, 160)

    def test_tag_goes_to_the_keypoints_where_there_is_no_box(self):
        image = draw(NO_BOX, pose(left_a=(200, 200, 1), left_b=(300, 300, 1)), [3], [0.5])
        rows, columns = np.nonzero(near(image, track_colour(3), 0))
        assert 200 <= columns.min() < 210
        assert 170 < rows.min() < rows.max() < 200

    def test_tag_does_not_float_where_nothing_else_is_shown(self):
        assert not changed(draw(NO_BOX, pose(left_a=(200, 200, 0.1)), [3], [0.5])).any()
        image = draw(NO_BOX, pose(left_a=(200, 200, 1), left_b=(10, 10, 0.1)), [3], [0.5])
        assert not changed(image)[:, :150].any()

    def test_animal17_is_the_default(self):
        keypoints = pose(ANIMAL17, nose=(200, 100, 1), neck=(300, 100, 1))
        image = draw_overlay(canvas(), NO_BOX, keypoints, [-1], [np.nan])
        assert near(image, rgb(MIDDLE))[100, 200:301].mean() > 0.9

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("boxes", {"boxes": np.zeros((2, 4))}),
            ("boxes", {"boxes": [[1, 2, 3]]}),
            ("keypoints", {"keypoints": np.zeros((1, 4, 3))}),
            ("scores", {"scores": [0.5, 0.5]}),
        ],
    )
    def test_arrays_that_do_not_fit_are_named(self, name, change):
        arguments = {"boxes": NO_BOX, "keypoints": pose(), "tracks": [1], "scores": [1]} | change
        with pytest.raises(ValueError, match=name):
            draw_overlay(canvas(), **arguments, skeleton=LINE)


class TestTrackColours:
    def test_are_stable_and_return_after_the_last(self):
        assert len(set(TRACK_COLOURS)) == len(TRACK_COLOURS)
        assert track_colour(0) == rgb(TRACK_COLOURS[0])
        assert track_colour(5) == track_colour(5 + len(TRACK_COLOURS)) != track_colour(6)
        assert track_colour(-1) == track_colour(-7)

    def test_differ_for_people_with_normal_and_two_coloured_sight(self):
        machado = {  # severity 1, on linear RGB
            "normal": np.eye(3),
            "deuteranopia": [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
            "protanopia": [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
        }
        colours = np.array([rgb(colour) for colour in TRACK_COLOURS]) / 255
        linear = np.where(colours > 0.04045, ((colours + 0.055) / 1.055) ** 2.4, colours / 12.92)
        for sight, matrix in machado.items():
            seen = np.clip(linear @ np.array(matrix).T, 0, 1)
            coded = np.where(seen > 0.0031308, 1.055 * seen ** (1 / 2.4) - 0.055, 12.92 * seen)
            lab = cv2.cvtColor(coded[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]
            apart = np.linalg.norm(lab[:, None] - lab[None], axis=2)
            apart[np.diag_indices(len(lab))] = np.inf
            assert apart.min() > 12, sight
            assert apart[:6, :6].min() > 25, sight


class TestTrails:
    def test_are_drawn_where_the_animal_was_and_fade(self):
        trails = Trails(seconds=1, fps=25)
        for step in range(25):
            trails.update([3], [[50 + 16 * step, 150, 20, 20]])
        image = draw(np.zeros((0, 4)), np.zeros((0, 5, 3)), [], [], trails=trails)
        strength = np.abs(image[160].astype(int) - GREY).sum(axis=1)
        assert strength[440] > 2 * strength[180] > 0
        assert strength[50] == 0
        assert strength[470] == 0
        assert not changed(image)[:150].any()
        full = np.abs(np.subtract(track_colour(3), GREY)).sum()
        assert 0.7 * full < strength[435] <= full

    def test_partly_and_wholly_outside_the_frame(self):
        trails = Trails(seconds=1, fps=25)
        for step in range(25):
            trails.update([3, 4], [[-200 + 16 * step, 150, 20, 20], [5000, 5000 + step, 9, 9]])
        image = draw(np.zeros((0, 4)), np.zeros((0, 5, 3)), [], [], trails=trails)
        assert changed(image)[160, :190].any()
        assert not changed(image)[200:].any()
