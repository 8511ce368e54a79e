"""Resuming with other settings is refused, in one sentence for all commands."""

from __future__ import annotations

from pathlib import Path

import pytest

from aptv2.resuming import OtherRunError, check_same_settings

OUT = Path("out")


def test_the_same_settings_pass() -> None:
    check_same_settings(OUT, {"seed": 1, "--pose": "lite"}, {"--pose": "lite", "seed": 1})


@pytest.mark.parametrize(
    ("now", "difference"),
    [
        ({"seed": 2}, "seed 1, not 2"),
        ({}, "seed 1, not None"),
        ({"seed": 1, "--smooth": "True"}, "--smooth None, not True"),
    ],
)
def test_a_difference_is_named(now: dict[str, object], difference: str) -> None:
    with pytest.raises(OtherRunError) as caught:
        check_same_settings(OUT, {"seed": 1}, now)
    assert str(caught.value) == (
        f"out: the run was started with {difference}; resume it with the same settings, or give "
        "another folder."
    )


def test_hashes_are_not_quoted() -> None:
    with pytest.raises(OtherRunError, match="started with other weights;"):
        check_same_settings(OUT, {"weights": "3fa2"}, {"weights": "9bc1"}, quoted=False)
