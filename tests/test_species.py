"""Species and families of APTv2, and the spellings that its folders use."""

from __future__ import annotations

import pytest

from aptv2.species import BENCHMARK_FAMILIES, FAMILIES, SPECIES, canonical, family, of_folder


def test_thirty_species_in_fifteen_families() -> None:
    assert len(SPECIES) == len(set(SPECIES)) == 30
    assert len(FAMILIES) == 15


@pytest.mark.parametrize("name", SPECIES)
def test_every_species_knows_itself(name: str) -> None:
    assert canonical(name) == name
    assert canonical(name.upper().replace(" ", "_")) == name
    assert canonical(name.replace(" ", "-") + "s") == name
    assert name in FAMILIES[family(name)]


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("spidermonkey", "spider monkey"),
        ("Spider-Monkey", "spider monkey"),
        (" noisy  night_monkey ", "noisy night monkey"),
        ("chimps", "chimpanzee"),
        ("polarbear", "polar bear"),
        ("Snow_Leopard", "snow leopard"),
        ("", ""),
    ],
)
def test_spellings(spelling: str, name: str) -> None:
    assert canonical(spelling) == name


@pytest.mark.parametrize(
    ("name", "its_family"),
    [("chimps", "Hominidae"), ("Cow", "Bovidae"), ("black-bear", "Ursidae"), ("axolotl", "other")],
)
def test_family(name: str, its_family: str) -> None:
    assert family(name) == its_family


@pytest.mark.parametrize(
    ("folder", "name"),
    [("10gorilla", "gorilla"), ("11spider-monkey", "spider monkey"), ("7chimps", "chimpanzee")],
)
def test_folders(folder: str, name: str) -> None:
    assert of_folder(folder) == name


def test_the_benchmark_leaves_out_six_families() -> None:
    assert len(BENCHMARK_FAMILIES) == 6
    assert set(BENCHMARK_FAMILIES) <= set(FAMILIES)
