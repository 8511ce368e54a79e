"""The authors' own split files: which training learns from which, and what a result says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import generate
import numpy as np
import pytest
import release_clips

from aptv2.benchmarks import official, testing
from aptv2.benchmarks.cells import Plan
from aptv2.benchmarks.options import Options
from aptv2.benchmarks.report.entries import tables
from aptv2.benchmarks.run import Runner
from aptv2.benchmarks.store import Store, read_results
from aptv2.benchmarks.tracks import leave_one_out, low_data
from aptv2.benchmarks.weights import recipe_of, trained
from aptv2.errors import InputError
from aptv2.training.data.sources import Sources
from aptv2.training.recipes import Recipe

Make = Callable[..., Options]
OFFICIAL = Plan(official=True)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    clips = release_clips.small_clips()
    return generate.write_release(
        tmp_path / "release", clips, sizes=[(64, 48)], pictures=True, folders=True
    )


def test_every_training_finds_its_file(release: Path) -> None:
    names = {}
    for track in (leave_one_out, low_data):
        for cell in track.cells(OFFICIAL):
            names[cell.name] = official.training_split(cell.training, release)
    assert names["both-without-ursidae+official"] == "leaveoneout_train70/train_Ursidae"
    assert names["easy-without-felidae+official"] == "leaveoneout_train70onlyeasy/train_Felidae"
    assert names["both-all+official"] is names["easy-all+official"] is None
    assert names["vitpose_b-k40-seed2+official"] == "fewshot/train_40shot"
    assert sum(name is not None for name in names.values()) == 12 + 45
    assert official.shots(release) == (5, 10, 20, 40, 80)


def test_a_training_sees_the_animals_of_its_file(release: Path) -> None:
    training = leave_one_out.training("easy", "Canidae", official=True)
    recipe = recipe_of(
        training,
        Options(release, release).recipes,
        release,
        miniature=False,
        split=official.training_split(training, release),
    )
    table = Sources(recipe, release).annotated
    path = release / "annotations" / "leaveoneout_train70onlyeasy" / "train_Canidae.json"
    listed = [animal["id"] for animal in json.loads(path.read_text())["annotations"]]
    assert table.ids.tolist() == listed
    assert (recipe.data.leave_out, recipe.data.subset) == (None, "all")


def test_tracking_counts_each_animal_once(release: Path) -> None:
    folder = release / "annotations" / "tracking"
    assert official.tracking_names(release) == [
        f"tracking/val_{family}"
        for family in ("Bovidae", "Canidae", "Cercopithecidae", "Felidae", "Hominidae", "Ursidae")
    ]
    # A dog, a cat, two apes and a monkey, each with 8 records.
    once = official.tracking_truth(release)
    assert len(once) == 40
    (folder / "val_again.json").write_bytes((folder / "val_Canidae.json").read_bytes())
    assert np.array_equal(np.sort(official.tracking_truth(release).ids), np.sort(once.ids))
    (folder / "val.json").write_bytes((folder / "val_Canidae.json").read_bytes())
    assert official.tracking_names(release) == ["tracking/val"]
    assert len(official.tracking_truth(release)) == 8


def test_tracking_in_another_spelling_of_the_folders(tmp_path: Path) -> None:
    """A file of a family that the release does not show names its folders as the others do."""
    clips = release_clips.small_clips()
    root = generate.write_release(
        tmp_path / "APTv2",
        clips,
        sizes=[(64, 48)],
        pictures=True,
        folders=True,
        spelled="otherwise",
    )
    table = official.tracking_truth(root)
    assert len(table) == 40
    assert all((root / "data" / name).is_file() for name in table.frames.names)


def test_files_that_are_refused(release: Path) -> None:
    folder = release / "annotations" / "leaveoneout_train70"
    training = leave_one_out.training("all", "Canidae", official=True)
    held = (folder / "train_Felidae.json").read_bytes()
    (folder / "train_Canidae.json").write_bytes(held)
    with pytest.raises(InputError, match=r"train_Canidae\.json: holds 8 animals of Canidae, which"):
        official.training_split(training, release)
    (folder / "train2_canidae.json").write_bytes(held)
    with pytest.raises(InputError, match="could each be a training without Canidae; keep one"):
        official.training_split(training, release)
    for path in (release / "annotations" / "tracking").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="no annotation file of val in tracking/; run without it"):
        official.tracking_truth(release)


@pytest.mark.parametrize(
    ("track", "only", "splits"),
    [
        ("leave-one-out", "both-without-canidae*", "official leaveoneout_train70/train_Canidae"),
        ("leave-one-out", "both-all*", "ours"),
        ("low-data", "hrnet_w32-k5-seed0*", "official fewshot/train_5shot"),
    ],
)
def test_a_result_says_whose_split_it_is_of(
    options: Make,
    release: Path,
    monkeypatch: pytest.MonkeyPatch,
    track: str,
    only: str,
    splits: str,
) -> None:
    recipes: list[Recipe] = []
    real = testing.train_weights

    def kept(store: Store, training: object, recipe: Recipe, data: Path) -> Path:
        recipes.append(recipe)
        return real(store, training, recipe, data)  # type: ignore[arg-type]

    monkeypatch.setattr(testing, "train_weights", kept)
    given = options(data=release, weights=None, train=True, only=only, plan=OFFICIAL)
    Runner(track, given, report=lambda _: None).run(poll=0.1)
    (result,) = read_results(given.results).values()
    assert (result["status"], result["error"]) == ("done", None)
    assert result["cell"].endswith("+official")
    assert result["splits_of"] == splits
    assert recipes[0].data.pose_train == splits.removeprefix("official ").replace("ours", "train")
    assert next(table.track for table in tables(given.results)) == track
    # What is trained on our own splits is other weights.
    store = Store(given.results, miniature=True)
    own = leave_one_out.training("all", "Canidae")
    assert trained(store, own, miniature=True) is None
