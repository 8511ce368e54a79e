"""Running cells: what is recorded, what goes on, and that no cell is ever done twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from aptv2.benchmarks import run as running
from aptv2.benchmarks import testing
from aptv2.benchmarks.cells import Plan
from aptv2.benchmarks.leases import LeaseHolder
from aptv2.benchmarks.options import Options
from aptv2.benchmarks.report.entries import figure, tables
from aptv2.benchmarks.run import Runner
from aptv2.benchmarks.store import Store, read_results
from aptv2.benchmarks.testing import CellTester
from aptv2.benchmarks.tracks import tracking
from aptv2.benchmarks.tracks.registry import TRACKS
from aptv2.benchmarks.weights import recipe_of
from aptv2.errors import InputError
from aptv2.recipes import find_recipe
from aptv2.training import read_recipe

Make = Callable[..., Options]


def done(track: str, options: Options) -> dict[str, dict[str, Any]]:
    """Run a track; its results by cell."""
    Runner(track, options, report=lambda _: None).run(poll=0.1)
    return read_results(options.results)


def test_a_result_says_everything(options: Make, weights: Path) -> None:
    results = done("supervised", options(only="res50-in1k"))
    (result,) = results.values()
    assert result["cell"] == "supervised/res50-in1k"
    assert (result["status"], result["error"]) == ("done", None)
    assert result["miniature"] is True
    assert result["weights"] == str(weights / "aptv2-res50-in1k.safetensors")
    assert result["scores"].keys() == {"all", "easy", "hard"}
    assert {"AP", "AP_interval", "by_species", "by_family", "pooled"} <= result["scores"][
        "all"
    ].keys()
    assert {"data", "weights", "code", "versions"} == result["fingerprints"].keys()
    assert result["seconds"]["test"] > 0
    assert result["memory"]["peak_rss"] > 1e7
    assert result["settings"]["flip_test"] is True
    details = options().results / "cells" / result["cell"] / "details" / "details.json"
    assert len(json.loads(details.read_text())["keypoints"]["all"]) == 17
    entry = tables(options().results)[0].entries["IN1k", "Res-50"]
    shown = figure(entry, results)
    assert shown.value == 100 * result["scores"]["all"]["AP"]
    assert shown.low <= shown.value <= shown.high
    missing = figure(tables(options().results)[0].entries["COCO", "Res-50"], results)
    assert missing.problem == "supervised/res50-coco was not run yet"


def test_what_is_done_is_not_done_again(options: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first = done("supervised", options(only="res50-*"))

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("tested twice")

    monkeypatch.setattr(testing, "score_pose_model", never)
    assert done("supervised", options(only="res50-*")) == first


def test_one_failure_does_not_stop_the_others(options: Make, weights: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    (few / "aptv2-res50-in1k.safetensors").symlink_to(weights / "aptv2-res50-in1k.safetensors")
    (few / "aptv2-res50-coco.pth").write_text("no weights")
    said: list[str] = []
    Runner("supervised", options(only="res50-*", weights=few), report=said.append).run()
    results = read_results(options().results)
    status = {cell.partition("/")[2]: result["status"] for cell, result in results.items()}
    assert status == {"res50-in1k": "done", "res50-coco": "failed", "res50-ap10k": "failed"}
    assert said[0] == "Weights missing: 1 of 3: aptv2-res50-ap10k"
    errors = {cell: result["error"] for cell, result in results.items()}
    assert "put aptv2-res50-ap10k.safetensors (or .pth" in errors["supervised/res50-ap10k"]
    assert "not a readable weights file" in errors["supervised/res50-coco"]
    entry = tables(options().results)[0].entries["AP-10K", "Res-50"]
    assert "put aptv2-res50-ap10k.safetensors" in figure(entry, results).problem
    # With the weights there, the next run does what had failed, and that alone.
    again = done("supervised", options(only="res50-*"))
    assert {result["status"] for result in again.values()} == {"done"}
    assert again["supervised/res50-in1k"] == results["supervised/res50-in1k"]


def test_a_failure_keeps_what_was_done(options: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the next attempt uses it, unless it is of other weights."""
    chunks = options().results / "cells" / "supervised" / "res50-in1k" / "chunks"

    def full(*_: Any, **__: Any) -> None:
        chunks.mkdir()
        (chunks / "settings.json").write_text('{"weights": "others"}')
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(testing, "score_pose_model", full)
        (failed,) = done("supervised", options(only="res50-in1k")).values()
    assert failed["error"] == "the memory is too small for this network"
    assert (chunks / "settings.json").exists()
    (result,) = done("supervised", options(only="res50-in1k")).values()
    assert (result["status"], result["error"]) == ("done", None)
    assert not chunks.exists()


def test_trackers_are_missed_and_trained_as_other_weights_are(tmp_path: Path) -> None:
    options = Options(tmp_path / "results", tmp_path, train=True)
    store = Store(options.results, miniature=False)
    tester = CellTester("tracking", options, store, LeaseHolder())
    cells = TRACKS["tracking"].cells(Plan())
    missing, needed = tester.missing([cell for cell in cells if cell.training.network == "res50"])
    assert needed == 4
    assert missing[1:] == ["aptv2-vittrack_b", "aptv2-vitposetrack_b", "aptv2-vitposetrack_l"]
    for name in tracking.TRACKERS:
        recipe = recipe_of(tracking.training(name), options.recipes, tmp_path, miniature=False)
        assert recipe.model.name == name
        assert {"tracking"} <= recipe.stages[0].tasks.keys()


def test_recipes_of_ones_own_replace_those_in_the_package(tmp_path: Path) -> None:
    own = yaml.safe_load(find_recipe("vittrack_b").read_text())
    (tmp_path / "vittrack_b.yaml").write_text(yaml.safe_dump(own | {"seed": 77}))
    seeds = [
        recipe_of(tracking.training(name), tmp_path, tmp_path, miniature=False).seed
        for name in ("vittrack_b", "vitposetrack_b")
    ]
    assert seeds == [77, read_recipe("vitposetrack_b").seed]


def test_boxes_of_a_tracker_serve_all_pose_networks(
    options: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()
    follow = testing.follow_boxes

    def counted(truth: Any, tracker: Any, folder: Path, prints: str) -> Any:
        calls[folder.name] += 1
        return follow(truth, tracker, folder, prints)

    monkeypatch.setattr(testing, "follow_boxes", counted)
    results = done("tracking", options(only="*-res*"))
    assert calls == {"vittrack_b": 1, "vitposetrack_b": 1, "vitposetrack_l": 1}
    assert len(results) == 8
    for cell, result in results.items():
        tracked = "truth" not in cell
        assert (result["tracking"] is not None) == tracked
        if tracked:
            for part in ("all", "easy", "hard"):
                assert {"AO", "HOTA", "IDF1", "lost"} <= result["tracking"][part].keys()
        details = options().results / "cells" / cell / "details" / "details.json"
        assert json.loads(details.read_text())["over_time"]


def test_boxes_that_are_not_perfect(options: Make, tmp_path: Path) -> None:
    only = {"only": "res50-in1k*"}
    plain = done("supervised", options(**only))["supervised/res50-in1k"]
    given = tmp_path / "given.json"
    for boxes, name in (
        ("jitter", "jitter0.1-seed0"),
        ("jitter0.3-seed1", "jitter0.3-seed1"),
        ("detector", "detector"),
    ):
        results = done("supervised", options(plan=Plan(boxes=boxes), **only))
        result = results[f"supervised/res50-in1k+{name}"]
        nothing = boxes == "detector" and "no box is in a clip" in (result["error"] or "")
        assert result["status"] == "done" or nothing
    made = options().results / "boxes" / "jitter0.1-seed0" / "boxes.json"
    given.write_bytes(made.read_bytes())
    results = done("supervised", options(plan=Plan(boxes=str(given)), **only))
    same = results["supervised/res50-in1k+jitter0.1-seed0"]["scores"]
    assert results["supervised/res50-in1k+given"]["scores"] == same
    assert results["supervised/res50-in1k"] == plain
    cells = options().results / "cells" / "supervised"
    names = ("res50-in1k", "res50-in1k+jitter0.1-seed0", "res50-in1k+jitter0.3-seed1")
    assert len({(cells / name / "predictions.json").read_bytes() for name in names}) == 3
    titles = [table.title for table in tables(options().results)]
    assert len(titles) == 5 * 3


@pytest.mark.slow
def test_what_is_missing_is_trained_once(options: Make) -> None:
    """Also for tracking, whose clips have no train split."""
    results = done("tracking", options(only="truth-vitpose_l", weights=None, train=True))
    (result,) = results.values()
    assert (result["status"], result["error"]) == ("done", None)
    trained = options().results / "weights" / "aptv2-vitpose_l-coco" / "lite.safetensors"
    assert result["weights"] == str(trained)
    assert result["seconds"]["train"] > 0
    written = trained.stat().st_mtime_ns
    done("tracking", options(only="*-vitpose_l", weights=None, train=True))
    assert trained.stat().st_mtime_ns == written


# --- bad input ------------------------------------------------------------------------------------


def test_half_the_species(options: Make, small_release: Path) -> None:
    results = done("supervised", options(miniature=False, only="res50-*"))
    assert len(results) == 3
    for result in results.values():
        assert result["status"] == "failed"
        assert "val shows 5 of APTv2's 30 species" in result["error"]


def test_folders_that_are_refused(options: Make, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.txt").touch()
    with pytest.raises(InputError, match="holds something else"):
        Runner("supervised", options(results=tmp_path / "else"))
    with pytest.raises(InputError, match="is a file"):
        Runner("supervised", options(results=tmp_path / "else" / "thesis.txt"))
    done("supervised", options(only="res50-in1k"))
    with pytest.raises(InputError, match=r"a miniature's results; .* add --miniature"):
        Runner("supervised", options(miniature=False))
    path = options().results / "results.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 2}))
    with pytest.raises(InputError, match="written by another version"):
        Runner("supervised", options())
    with pytest.raises(InputError, match="is no folder of results"):
        read_results(tmp_path / "else")


def test_options_that_are_refused(options: Make, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no cell of supervised has such a name"):
        Runner("supervised", options(only="alexnet-*"))
    with pytest.raises(InputError, match="no such file; give annotated, detector"):
        Runner("supervised", options(plan=Plan(boxes="perfect")))
    with pytest.raises(InputError, match="a share of the box"):
        Runner("supervised", options(plan=Plan(boxes="jitter7")))
    with pytest.raises(InputError, match="tracking has the trackers' boxes"):
        Runner("tracking", options(plan=Plan(boxes="jitter")))
    with pytest.raises(InputError, match=r"was cut from .*APTv2; give another"):
        Runner("supervised", options(data=tmp_path))
    for name in ("data", "ap10k", "weights"):
        with pytest.raises(InputError, match=f"--{name} .*nowhere: there is no such folder"):
            Runner("supervised", options(**{name: tmp_path / "nowhere"}, results=tmp_path / "new"))
    recipes = tmp_path / "recipes"
    for said in ("there is no such folder", "holds no recipe", "no recipe in the package"):
        with pytest.raises(InputError, match=f"--recipes .*recipes.*: .*{said}"):
            Runner("supervised", options(recipes=recipes, results=tmp_path / "new"))
        if recipes.is_dir():
            (recipes / "hrnet_w33.yaml").touch()
        recipes.mkdir(exist_ok=True)
    with pytest.raises(InputError, match="dtype 'float8'"):
        Runner("supervised", options(dtype="float8", results=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_other_data_is_refused(options: Make, tmp_path: Path) -> None:
    done("supervised", options(only="res50-in1k"))
    val = options().results / "data" / "poses" / "annotations" / "val_annotations.json"
    content = json.loads(val.read_text())
    content["annotations"][0]["bbox"][0] += 1
    val.write_text(json.dumps(content))
    with pytest.raises(InputError, match="was tested on other data"):
        done("supervised", options(only="res50-*"))


def test_a_broken_result_is_named(options: Make) -> None:
    done("supervised", options(only="res50-in1k"))
    path = options().results / "cells" / "supervised" / "res50-in1k" / "result.json"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r"result\.json: cannot be read .* delete it"):
        done("supervised", options(only="res50-in1k"))


def test_a_full_disk(options: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    real = running.Store.record

    def full(self: Any, cell: Any, content: dict[str, Any]) -> None:
        if cell.name == "res50-in1k":
            raise InputError("result.json cannot be written: No space left on device.")
        real(self, cell, content)

    monkeypatch.setattr(running.Store, "record", full)
    results = Runner("supervised", options(only="res50-*"), report=lambda _: None).run()
    assert [result["status"] for result in results].count("failed") == 1
    assert len(read_results(options().results)) == 2
