"""The data of a recipe: which frames are animals', and which are background."""

from __future__ import annotations

from pathlib import Path

import pytest

from aptv2.errors import InputError
from aptv2.training.data.detection import DetectionScenes
from aptv2.training.data.lite_pairs import LitePairs
from aptv2.training.data.pack import Pack
from aptv2.training.data.packing import write_pack
from aptv2.training.data.pose import PoseCrops
from aptv2.training.data.sources import Sources
from aptv2.training.recipes import Augmentation, Data, Network, Recipe, Stage, Task


def make(root: Path, **changes: object) -> Sources:
    files = {"pose_train": "train.json", "pose_val": "val.json", "clips_train": "clips"}
    data = Data(**{**files, "animals": ("goat",), **changes})
    stage = Stage(name="one", epochs=1, tasks={"pose": Task()})
    return Sources(Recipe(model="lite", data=data, stages=[stage]), root)


def test_stills_and_clips(data: Path) -> None:
    sources = make(data)
    table, images = sources.stills
    assert len(table) == len(images) == 12
    table, images = sources.clips
    assert len(table.frames) == len(images) == 8


def test_animals_and_background_share_out_the_clips(data: Path) -> None:
    sources = make(data)
    animals, animal_images = sources.animal_clips
    background, other_images = sources.background
    assert [animals.categories[s] for s in animals.species] == ["goat"] * 4
    assert len(animals.frames) == len(animal_images) == 4
    assert len(background) == 0
    assert len(background.frames) == len(other_images) == 4
    assert all(name.startswith("b/") for name in background.frames.names)
    everything = sources.clips[1]
    assert animal_images[0] is everything[0]
    assert other_images[0] is everything[4]


@pytest.mark.parametrize(
    ("task", "kind", "count"),
    [("pose", PoseCrops, 12), ("detection", DetectionScenes, 20), ("tracking", LitePairs, 12)],
)
def test_each_task_has_its_samples(data: Path, task: str, kind: type, count: int) -> None:
    samples = make(data).samples(task, Task(size=64), Augmentation())
    assert isinstance(samples, kind)
    assert len(samples) == count
    again = make(data).samples(task, Task(size=64), Augmentation())
    for name, value in samples[1, 2].items():
        assert (value == again[1, 2][name]).all()


def test_files_are_read_when_needed(data: Path) -> None:
    sources = make(data, clips_train="gone")
    assert len(sources.samples("pose", Task(), Augmentation())) == 12
    with pytest.raises(InputError, match="gone does not exist"):
        sources.samples("tracking", Task(), Augmentation())


def test_animals_that_no_clip_shows(data: Path) -> None:
    with pytest.raises(InputError, match=r"animals.*goot"):
        make(data, animals=("goot",)).samples("detection", Task(size=64), Augmentation())


def test_clips_that_all_show_animals(data: Path) -> None:
    samples = make(data, animals=("goat", "car")).samples(
        "detection", Task(size=64), Augmentation()
    )
    for index in range(12):
        assert samples[0, index]["image"].any()


def test_pose_is_learnt_from_a_pack_where_the_recipe_names_one(data: Path) -> None:
    write_pack(data / "train.json", data / "packed", (64, 64))
    sources = make(data, pose_pack="packed")
    samples = sources.samples("pose", Task(size=64), Augmentation())
    assert isinstance(samples, PoseCrops)
    assert isinstance(samples.pixels, Pack)
    assert len(samples) == 12
    assert samples[0, 3]["image"].shape == (64, 64, 3)
    with pytest.raises(InputError, match="was packed for crops of 64 x 64, this run wants 128"):
        sources.samples("pose", Task(size=128), Augmentation())


@pytest.mark.parametrize(("name", "cleaned"), [("lite", False), ("res50", True)])
def test_networks_of_the_paper_see_boxes_as_mmpose_reads_them(
    data: Path, name: str, cleaned: bool
) -> None:
    sources = make(data)
    recipe = sources.recipe.model_copy(update={"model": Network(name=name)})
    samples = Sources(recipe, data).samples("pose", Task(size=64), Augmentation())
    assert isinstance(samples, PoseCrops)
    smaller = sources.stills[0].boxes[:, 2:] - samples.table.boxes[:, 2:]
    assert (smaller == cleaned).all()
