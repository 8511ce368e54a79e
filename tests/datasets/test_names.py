from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aptv2.datasets.names import animal_names, fault_of, natural_key, track_numbers


@pytest.mark.parametrize("name", ["a.jpg", "a/b..c/1.jpg", "a b/é√.jpg", "..a", "ab:c", "", "猫/1"])
def test_names_that_stay(name: str) -> None:
    assert fault_of(name) == ""


@pytest.mark.parametrize(
    "name",
    ["..", "../a", "a/../../b", "a\\..\\b", "/a", "\\a", "\\\\host\\a", "C:\\a", "c:a", "a\0"],
)
def test_names_that_lead_elsewhere(name: str) -> None:
    assert fault_of(name)


def test_natural_order() -> None:
    names = ["v10/1.jpg", "v9/10.jpg", "v9/9.jpg", "v9/009.jpg", "a", "9" * 6000]
    assert sorted(names, key=natural_key)[-3:] == ["v9/009.jpg", "v9/10.jpg", "v10/1.jpg"]


@given(st.lists(st.text("0123456789ab./", max_size=8)))
def test_any_names_can_be_put_in_order(names: list[str]) -> None:
    keys = [natural_key(name) for name in sorted(names, key=natural_key)]
    assert all(first <= second for first, second in pairwise(keys))


@given(st.lists(st.integers(0, 10**9), max_size=8))
def test_numbers_in_names_count_as_numbers(numbers: list[int]) -> None:
    names = [f"img{number}.png" for number in sorted(numbers)]
    assert sorted(names, key=natural_key) == names


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["track7", "Track_2"], [7, 2]),
        (["Flora", "track1", "Bella", "track3"], [2, 1, 4, 3]),
        (["Flora", "Bella"], [1, 2]),
        (["track1", "track-1", "Flora"], [1, 2, 3]),
        ([], []),
    ],
)
def test_numbers_of_tracks(names: list[str], numbers: list[int]) -> None:
    assert track_numbers(names) == numbers


def test_names_that_people_gave() -> None:
    names = ["Flora", "track3", "7", "", "single", "twin", "twin", "a/b"]
    assert animal_names(names, range(1, 9)) == {1: "Flora"}
