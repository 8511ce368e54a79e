"""The 17 keypoints, and skeletons that a data set brings along."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aptv2.skeleton import ANIMAL17, LEFT, MIDDLE, RIGHT, Skeleton

# As APTv2's files give them, counted from 1.
LIMBS = "1-2 1-3 2-3 3-4 4-5 4-6 6-7 7-8 4-9 9-10 10-11 5-12 12-13 13-14 5-15 15-16 16-17"
# As AP-10K's evaluation gives them.
SIGMAS = ".025 .025 .026 .035 .035 .079 .072 .062 .079 .072 .062 .107 .087 .089 .107 .087 .089"


def test_animal17_is_that_of_the_released_files() -> None:
    assert ",".join(ANIMAL17.names) == (
        "left_eye,right_eye,nose,neck,root_of_tail,left_shoulder,left_elbow,left_front_paw,"
        "right_shoulder,right_elbow,right_front_paw,left_hip,left_knee,left_back_paw,right_hip,"
        "right_knee,right_back_paw"
    )
    assert " ".join(f"{a + 1}-{b + 1}" for a, b in ANIMAL17.limbs) == LIMBS
    np.testing.assert_allclose(ANIMAL17.sigmas, [float(s) for s in SIGMAS.split()])
    assert len(ANIMAL17) == 17


def test_mirror_twins() -> None:
    assert set(ANIMAL17.pairs) == {(0, 1), (5, 8), (6, 9), (7, 10), (11, 14), (12, 15), (13, 16)}
    for keypoint, twin in enumerate(ANIMAL17.flip):
        side, _, part = ANIMAL17.names[keypoint].partition("_")
        other = {"left": "right", "right": "left"}.get(side)
        assert ANIMAL17.names[twin] == (f"{other}_{part}" if other else ANIMAL17.names[keypoint])


def test_upper_body_is_the_references() -> None:
    """Head, neck and front legs, but for the right front paw, which the reference calls lower."""
    assert ANIMAL17.upper == (0, 1, 2, 3, 5, 6, 7, 8, 9)


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (("LeftEar", "RightEar", "Nose"), {(0, 1)}),
        (("ear_left", "nose", "ear_right"), {(0, 2)}),
        (("R_Eye", "L_Eye"), {(1, 0)}),
        (("L_F_Paw", "R_F_Paw", "L_B_Paw", "R_B_Paw"), {(0, 1), (2, 3)}),
        (("l_left", "l_right", "r_left", "r_right"), {(0, 1), (2, 3)}),
        (("left_ear", "nose"), set()),
        (("tail_base", "skull"), set()),
        ((), set()),
    ],
)
def test_twins_are_found_by_name(names: tuple[str, ...], pairs: set[tuple[int, int]]) -> None:
    assert set(Skeleton(names).pairs) == pairs


@given(
    st.lists(
        st.sampled_from(["left_a", "right_a", "left_b", "right_b", "l_c", "r_c", "d", "left_e"]),
        unique=True,
    )
)
def test_flipping_twice_changes_nothing(names: list[str]) -> None:
    flip = Skeleton(tuple(names)).flip
    assert flip.dtype == np.int64
    np.testing.assert_array_equal(flip[flip], np.arange(len(names)))


def test_pairs_can_be_given_where_names_do_not_tell() -> None:
    skeleton = Skeleton(("port", "starboard", "left_x", "right_x"), pairs=((0, 1),))
    assert skeleton.pairs == ((0, 1),)
    assert skeleton.flip.tolist() == [1, 0, 2, 3]
    assert skeleton.colours == [LEFT, RIGHT, MIDDLE, MIDDLE]


def test_colours_tell_sides_apart() -> None:
    for name, colour in zip(ANIMAL17.names, ANIMAL17.colours, strict=True):
        assert colour == (LEFT if "left" in name else RIGHT if "right" in name else MIDDLE)


def test_sigmas_where_none_are_given() -> None:
    mean = np.mean(ANIMAL17.sigmas)
    assert Skeleton(("a", "b")).sigmas == (pytest.approx(mean, abs=5e-4),) * 2


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"names": ("a", "b", "a")}, "keypoint names repeat: a, b, a"),
        ({"sigmas": (0.1,)}, "keypoints: 2, sigmas: 1"),
        ({"limbs": ((0, 2),)}, "outside 0 to 1"),
        ({"limbs": ((-1, 0),)}, "outside 0 to 1"),
        ({"sigmas": (0.1, 0)}, "not a positive number"),
        ({"sigmas": (0.1, float("nan"))}, "not a positive number"),
        ({"pairs": ((0, 2),)}, "pair names a keypoint outside 0 to 1"),
        ({"pairs": ((0, 0),)}, "in two left-right pairs"),
        ({"upper": (5,)}, "upper-body keypoint is outside 0 to 1"),
    ],
)
def test_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Skeleton(**{"names": ("a", "b"), **wrong})


@pytest.mark.parametrize(
    ("names", "pairs", "unknown"),
    [
        (ANIMAL17.names, (), ()),
        (("p0", "p1", "p2"), (), ("p0", "p1", "p2")),
        (("p0", "p1", "p2"), ((0, 1),), ()),
        (("nose", "spine1", "spine2", "tail_base"), (), ()),
        (("nose", "earA", "earB", "tail"), (), ("earA", "earB")),
        (("left_ear", "right_ear", "crest", "paw 1", "paw 2"), (), ("paw 1", "paw 2")),
        (("left_ear", "right_ear", "crest", "left_paw"), (), ("left_paw",)),
        (("point",), (), ()),
    ],
)
def test_keypoints_whose_twin_is_not_known(
    names: tuple[str, ...], pairs: tuple[tuple[int, int], ...], unknown: tuple[str, ...]
) -> None:
    assert Skeleton(names, pairs=pairs).unpaired == unknown
