"""The cells of every track: how many, what each is trained on, and that names are distinct."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from aptv2.benchmarks.cells import Cell, Plan, Training
from aptv2.benchmarks.tracks.registry import TRACKS
from aptv2.datasets import read_annotations
from aptv2.datasets.splits import clips_of, difficulty_of
from aptv2.models import registry
from aptv2.species import BENCHMARK_FAMILIES, family
from aptv2.tables import PoseTable
from aptv2.training.data.pose import usable
from aptv2.training.data.sources import Sources
from aptv2.training.recipes import Recipe, read_recipe
from aptv2.weights.registry import entries

RECIPES = Path(__file__).resolve().parents[2] / "aptv2" / "recipes"
COUNTS = {"supervised": 21, "zero-shot": 3, "leave-one-out": 14, "low-data": 45, "tracking": 32}


def cells(track: str, plan: Plan | None = None) -> list[Cell]:
    return TRACKS[track].cells(plan or Plan())


def trainings() -> dict[str, Training]:
    return {cell.training.name: cell.training for track in TRACKS for cell in cells(track)}


@pytest.mark.parametrize("track", COUNTS)
def test_numbers_and_names(track: str) -> None:
    own = cells(track)
    assert len(own) == len({cell.id for cell in own}) == COUNTS[track]
    assert {cell.training.network for cell in own} <= set(registry.names("pose"))
    other = cells(track, Plan(boxes="jitter0.1-seed0"))
    if track != "tracking":
        assert {cell.id for cell in other} == {f"{cell.id}+jitter0.1-seed0" for cell in own}


@pytest.mark.parametrize("track", COUNTS)
def test_tables_show_every_cell_and_nothing_else(track: str) -> None:
    shown = set()
    for table in TRACKS[track].tables(Plan()):
        for (row, column), entry in table.entries.items():
            assert row in table.rows
            assert column in table.columns
            shown |= {part.cell for part in (*entry.parts, *entry.less)}
    assert shown == {cell.id for cell in cells(track)}


def test_weights_are_called_as_the_registry_calls_them() -> None:
    """Every official file of the supervised, zero-shot and leave-one-out tables is a training's."""
    official = {name for name in entries() if re.match(r"aptv2-(?!vit(pose)?track_)", name)}
    assert len(official) == 21 + 3 + 12
    assert official <= trainings().keys()
    for name in official:
        assert entries()[name].network == trainings()[name].network


def test_one_name_is_one_training() -> None:
    for track in TRACKS:
        for cell in cells(track):
            assert cell.training == trainings()[cell.training.name]


# --- training sets -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def train(full_release: Path) -> PoseTable:
    return read_annotations(full_release / "annotations" / "train_annotations.json")


def training_set(training: Training, train: PoseTable) -> PoseTable:
    """What the trainer learns from, from a table in place of files."""

    class Given(Sources):
        def _read(self, name: str) -> PoseTable:
            assert name == "train"
            return train

    recipe = read_recipe(RECIPES / f"{training.network}.yaml", training.settings())
    return Given(recipe, Path()).stills[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARK_FAMILIES)
def test_no_animal_of_the_family_left_out(train: PoseTable, name: str) -> None:
    left_out = [t for t in trainings().values() if t.leave_out == name]
    assert {t.subset for t in left_out} == {"all", "easy"}
    species = {key for key, species in train.categories.items() if family(species) == name}
    clips = clips_of(train)
    shown = set(clips[train.frame[np.isin(train.species, list(species))]].tolist())
    for training in left_out:
        table = training_set(training, train)
        assert len(table)
        assert not species & set(table.species.tolist())
        assert not shown & set(clips[table.frame].tolist())
        others = ~np.isin(clips[train.frame], list(shown))
        if training.subset == "easy":
            assert set(difficulty_of(train)[table.frame]) == {"easy"}
            others &= difficulty_of(train)[train.frame] == "easy"
        # Nothing else is left out.
        assert set(table.ids.tolist()) == set(train.ids[others].tolist())


@pytest.mark.slow
def test_few_animals_are_nested_and_differ_between_seeds(train: PoseTable) -> None:
    ids: dict[tuple[int, int], set[int]] = {}
    for training in trainings().values():
        if training.few is not None and training.network == "hrnet_w32":
            table = training_set(training, train)
            assert set(np.bincount(table.species)[1:]) == {training.few}
            assert usable(table).all()
            ids[training.few, training.few_seed] = set(table.ids.tolist())
    for seed in range(3):
        chosen = [ids[shots, seed] for shots in (5, 10, 20, 40, 80)]
        assert all(few < more for few, more in pairwise(chosen))
    assert ids[5, 0] != ids[5, 1] != ids[5, 2]


def test_choices_and_a_pack_do_not_go_together() -> None:
    with pytest.raises(ValidationError, match=r"data\.pose_pack: holds all animals"):
        Recipe.model_validate(
            {
                "model": "res50",
                "data": {"pose_pack": "packs/train", "few": 5},
                "stages": [{"name": "pose", "epochs": 1, "tasks": {"pose": {}}}],
            }
        )
