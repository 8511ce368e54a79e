"""Recipes in the package: found by name, listed with what they train."""

from __future__ import annotations

from pathlib import Path

import pytest

from aptv2.errors import InputError
from aptv2.recipes import find_recipe, list_recipes, recipe_names
from aptv2.training import read_recipe


@pytest.mark.parametrize("name", recipe_names())
def test_a_name_finds_its_file_from_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = find_recipe(name)
    assert path.is_absolute()
    assert path.name == f"{name}.yaml"
    assert read_recipe(name) == read_recipe(path)


def test_a_path_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.yaml", "lite.yml"):
        Path(name).write_text("model: lite")
        assert find_recipe(name) == Path(name)
    # A file without a suffix is no recipe: it must not hide the one in the package.
    Path("lite").write_text("model: res50")
    assert find_recipe("lite").parent != tmp_path


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        (
            "vitpos_b",
            "there is no recipe 'vitpos_b'; the nearest recipe in the package is "
            "'vitpose_b', and aptv2 train --list shows all.",
        ),
        (
            "recipes/lite.yaml",
            "recipes/lite.yaml: there is no such file; the nearest recipe in the "
            "package is 'lite', and aptv2 train --list shows all.",
        ),
        ("?", "there is no recipe '?'; aptv2 train --list shows all."),
        ("", "there is no recipe ''; aptv2 train --list shows all."),
        (
            "../recipes/lite",
            "../recipes/lite: there is no such file; the nearest recipe in the "
            "package is 'lite', and aptv2 train --list shows all.",
        ),
    ],
)
def test_an_unknown_recipe_is_one_sentence(recipe: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        find_recipe(recipe)
    assert str(caught.value) == said


def test_the_list_describes_every_recipe() -> None:
    rows = {row.name: row for row in list_recipes()}
    assert sorted(rows) == recipe_names()
    for name, row in rows.items():
        recipe = read_recipe(name)
        assert set(row.tasks) == {task for stage in recipe.stages for task in stage.tasks}
        assert row.description.endswith(".")
        assert len(row.description) < 100
    assert rows["vitposetrack_b"].tasks == ("tracking", "pose")


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ("res50_ap10k_256x256", "res50"),
        ("res101_ap10k_256x256", "res101"),
        ("hrnet_w32_ap10k_256x256", "hrnet_w32"),
        ("hrnet_w48_ap10k_256x256", "hrnet_w48"),
        ("hrformer_small_ap10k_256x256", "hrformer_s"),
        ("hrformer_base_ap10k_256x256", "hrformer_b"),
        ("vit_base_ap10k_256x256", "vitpose_b"),
        ("ViTPose_large_APTv2_256x192", "vitpose_l"),
    ],
)
def test_a_config_of_the_release_is_found_by_its_name(config: str, name: str) -> None:
    path = f"configs/animal/2d_kpt_sview_rgb_img/topdown_heatmap/aptv2/{config}.py"
    with pytest.warns(UserWarning, match=f"{config}.py: the recipe '{name}' of this package"):
        assert find_recipe(path) == find_recipe(name)


def test_a_config_of_another_network_is_refused() -> None:
    with pytest.raises(InputError, match=r"a/hrnet_w32_ap10k_256x256_dark\.py: no recipe in the"):
        find_recipe("a/hrnet_w32_ap10k_256x256_dark.py")
