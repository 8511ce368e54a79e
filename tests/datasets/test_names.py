from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aptv2.datasets.names import fault_of, natural_key


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
