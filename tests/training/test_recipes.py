"""Recipes: the committed one, overrides, and every way to get one wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.training import read_recipe
from aptv2.training.recipes import Task

RECIPES = sorted((Path(__file__).parents[2] / "aptv2" / "recipes").glob("*.yaml"))


TRACKING = {"weight": 2, "samples": 8}
HEADS = {
    "lite_pose": {"pose"},
    "lite_detection": {"detection"},
    "lite_tracking": {"tracking"},
    "finetune": {"pose"},
}


@pytest.fixture
def content() -> dict[str, Any]:
    return {
        "model": "lite",
        "data": {
            "pose_train": "train.json",
            "pose_val": "val.json",
            "scenes": [{"path": "clips", "share": 1, "animals": ["goat"]}],
            "pairs": {"clips": 1},
        },
        "stages": [
            {"name": "one", "epochs": 2, "tasks": {"pose": {"batch": 4, "size": 64}}},
            {"name": "two", "epochs": 3, "tasks": {"detection": {}, "tracking": TRACKING}},
        ],
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Any], Path]:
    def save(content: Any) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return save


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_committed_recipes_are_valid(path: Path) -> None:
    recipe = read_recipe(path)
    of_lite = path.stem == "finetune" or path.stem.startswith("lite")
    others = {"vittrack_b_got10k": "vittrack_b"}
    assert recipe.model.name == ("lite" if of_lite else others.get(path.stem, path.stem))
    trained = {task for stage in recipe.stages for task in stage.tasks}
    assert trained == HEADS.get(path.stem, set(registry.spec(recipe.model.name).tasks))
    assert len({stage.name for stage in recipe.stages}) == len(recipe.stages)


def test_there_is_a_committed_recipe() -> None:
    assert "lite.yaml" in [path.name for path in RECIPES]


def test_what_is_not_said_has_a_default(write: Callable, content: dict[str, Any]) -> None:
    recipe = read_recipe(str(write(content)))
    one, two = recipe.stages
    assert one.tasks["pose"] == Task(batch=4, size=(64, 64), weight=1)
    assert two.tasks["tracking"].weight == 2
    assert recipe.data.scenes[0].animals == ("goat",)
    assert recipe.data.scenes[0].complete
    assert one.augmentation.flip == 0.5
    with pytest.raises(ValidationError):
        recipe.seed = 5  # type: ignore[misc]


class TestOverrides:
    @pytest.mark.parametrize(
        ("override", "place", "value"),
        [
            ("seed=7", lambda r: r.seed, 7),
            ("stages.0.epochs=9", lambda r: r.stages[0].epochs, 9),
            ("stages.-1.epochs=9", lambda r: r.stages[1].epochs, 9),
            (
                "stages.1.tasks.tracking.weight=0.5",
                lambda r: r.stages[1].tasks["tracking"].weight,
                0.5,
            ),
            ("stages.0.augmentation.flip=0", lambda r: r.stages[0].augmentation.flip, 0),
            ("data.scenes.0.animals=[cow]", lambda r: r.data.scenes[0].animals, ("cow",)),
            ("data.pose_val=a=b.json", lambda r: r.data.pose_val, "a=b.json"),
        ],
    )
    def test_set_one_thing(
        self, write: Callable, content: dict, override: str, place: Callable, value: Any
    ) -> None:
        path = write(content)
        assert place(read_recipe(path)) != value
        assert place(read_recipe(path, (override,))) == value

    def test_the_last_one_holds(self, write: Callable, content: dict[str, Any]) -> None:
        assert read_recipe(write(content), ("seed=2", "workers=3", "seed=4")).seed == 4

    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ("seed", "override 'seed': write it as key=value"),
            ("stages.7.epochs=2", r"'stages\.7\.epochs=2': no such place"),
            ("stages.one.epochs=2", "no such place"),
            ("stages.5=2", "no such place"),
            ("seed.deeper=2", "seed: .*integer"),
            ("model.name.deeper=2", "no such place"),
            ("seed=[", r"override 'seed=\['"),
            ("sed=2", "sed: there is no such key; the nearest known key is 'seed'"),
            ("seed=two", "seed: .*integer.*'two'"),
            ("=3", "override '=3'"),
        ],
    )
    def test_refused(self, write: Callable, content: dict, override: str, said: str) -> None:
        with pytest.raises(InputError, match=said):
            read_recipe(write(content), (override,))


class TestUnknownKeys:
    @pytest.mark.parametrize(
        ("place", "key", "said"),
        [
            ((), "sead", r"sead: .* 'seed'"),
            (("data",), "pose_trian", r"data\.pose_trian: .* 'pose_train'"),
            (("stages", 0), "weight_decy", r"stages\.0\.weight_decy: .* 'weight_decay'"),
            (("stages", 0, "tasks", "pose"), "bach", r"tasks\.pose\.bach: .* 'batch'"),
            (("stages", 1, "augmentation"), "rotatoin", r"augmentation\.rotatoin: .* 'rotation'"),
        ],
    )
    def test_the_nearest_known_one_is_named(
        self, write: Callable, content: dict, place: tuple, key: str, said: str
    ) -> None:
        at: Any = content
        for step in place:
            at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
        at[key] = 1
        with pytest.raises(InputError, match=rf"recipe\.yaml: .*{said}\.$"):
            read_recipe(write(content))

    def test_nothing_is_near(self, write: Callable, content: dict[str, Any]) -> None:
        with pytest.raises(InputError, match=r"zzz: there is no such key\.$"):
            read_recipe(write({**content, "zzz": 1}))

    def test_a_misspelt_required_key(self, write: Callable, content: dict[str, Any]) -> None:
        """It is missing as well; that it is misspelt says more."""
        content["stages"][0]["epoch"] = content["stages"][0].pop("epochs")
        with pytest.raises(InputError, match=r"stages\.0\.epoch: .* 'epochs'"):
            read_recipe(write(content))


class TestRefused:
    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ("model=resnet", r"model\.name: .*'lite'.*'resnet'"),
            ("stages.0.epochs=0", r"stages\.0\.epochs: .*greater than 0.*found 0"),
            ("stages.0.tasks.pose.size=100", r"tasks\.pose\.size\.0: .*multiple of 32"),
            ("stages.0.augmentation.flip=1.5", "flip: .*less than or equal to 1"),
            ("stages.0.augmentation.scale=0.5", "scale: .*greater than or equal to 1"),
            ("stages.0.head_lr=.nan", "head_lr"),
            ("stages.0.tasks={poses: {}}", "'pose', 'detection' or 'tracking'"),
            ("stages=[]", "stages: .*at least 1"),
            ("precision=8", "precision"),
            ("data={}", r"data\.scenes: stages\.1 trains detection, which needs pictures"),
            ("data.scenes.0.animals=goat", "animals"),
            ("data.scenes.0.shar=1", r"data\.scenes\.0\.shar.*nearest known key is 'share'"),
            ("data.pairs={}", r"data\.pairs: stages\.1 trains tracking, which needs pairs"),
            ("data.pose_more=[{path: a, share: 0.6}, {path: b, share: 0.5}]", "shares must leave"),
            ("workers=-1", "workers"),
        ],
    )
    def test_values(self, write: Callable, content: dict, override: str, said: str) -> None:
        with pytest.raises(InputError, match=rf"recipe\.yaml: .*{said}") as caught:
            read_recipe(write(content), (override,))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("tasks", ["{}", "null"])
    def test_a_stage_that_trains_nothing(
        self, write: Callable, content: dict[str, Any], tasks: str
    ) -> None:
        with pytest.raises(InputError, match=r"stages\.0\.tasks"):
            read_recipe(write(content), (f"stages.0.tasks={tasks}",))

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "a recipe is a YAML mapping, this is a NoneType"),
            ("- a\n- b", "this is a list"),
            ("the cat", "this is a str"),
            ("a: [", "not valid YAML"),
            ("a: !!python/object/apply:os.getcwd []", "not valid YAML"),
            ("{1: 2}", "recipe.yaml"),
            ("[" * 20_000, "not valid YAML"),
        ],
        ids=["empty", "list", "text", "broken", "code", "number as key", "deep"],
    )
    def test_files(self, write: Callable, text: str, said: str) -> None:
        with pytest.raises(InputError, match=said) as caught:
            read_recipe(write(text))
        assert "\n" not in str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"gone\.yaml: there is no such file"):
            read_recipe(tmp_path / "gone.yaml")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="cannot be read: Is a directory"):
            read_recipe(tmp_path)

    def test_not_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00\x80")
        with pytest.raises(InputError, match=r"a\.yaml is not valid YAML \(it is not text"):
            read_recipe(tmp_path / "a.yaml")
