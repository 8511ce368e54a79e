from __future__ import annotations

import contextlib
import io
import json
import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from reference_cases import KEYS, assert_close, expected_scores, reference_case

from aptv2 import score_keypoints
from aptv2.errors import InputError
from aptv2.evaluation.keypoints import ranked
from aptv2.export import write_coco, write_coco_results
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable


def herd(rng: np.random.Generator, frames: int = 6, most: int = 8) -> PoseTable:
    """Random annotations: three species, many sizes, hidden keypoints, crowds."""
    frame = np.repeat(np.arange(frames), rng.integers(0, most + 1, frames))
    n = len(frame)
    corners = rng.uniform(0, 500, (n, 2))
    sides = rng.choice([20, 60, 150], (n, 1)) * rng.uniform(0.8, 1.3, (n, 2))
    visible = rng.choice([0, 1, 2], (n, 17), p=[0.3, 0.1, 0.6]) * (rng.random((n, 1)) > 0.1)
    keypoints = corners[:, None] + rng.random((n, 17, 2)) * sides[:, None]
    keypoints = np.concatenate([keypoints * (visible > 0)[:, :, None], visible[:, :, None]], axis=2)
    return PoseTable.make(
        Frames.make(ids=rng.permutation(100)[:frames], sizes=np.full((frames, 2), 640)),
        frame,
        boxes=np.concatenate([corners, sides], axis=1),
        keypoints=keypoints,
        species=rng.choice([2, 5, 9], n),
        areas=sides.prod(axis=1) * rng.uniform(0.5, 1, n),
        crowd=rng.random(n) < 0.05,
        # Fish stand in the file, but there are none.
        categories={2: "dog", 5: "tiger", 9: "cat", 11: "fish"},
    )


def guesses(truth: PoseTable, rng: np.random.Generator) -> PoseTable:
    """Predictions: annotations shaken a little or much, some twice, some of the wrong species."""
    table = truth[rng.choice(len(truth), len(truth) + 3)] if len(truth) else truth
    n = len(table)
    shake = rng.choice([0, 0.03, 0.3], (n, 1, 1)) * np.sqrt(table.areas)[:, None, None]
    keypoints = table.keypoints[:, :, :2] + rng.normal(0, 1, (n, 17, 2)) * shake
    return replace(
        table,
        keypoints=np.concatenate([keypoints, rng.random((n, 17, 1))], axis=2).astype(np.float32),
        # Few different scores, so that ties occur.
        scores=(rng.integers(0, 10, n) / 10).astype(np.float32),
        species=np.where(rng.random(n) < 0.9, table.species, 9),
        ids=np.arange(n),
        areas=np.full(n, np.nan, np.float32),
        crowd=np.zeros(n, bool),
        boxes=table.boxes if rng.random() < 0.5 else np.full_like(table.boxes, np.nan),
    )


def pycocotools_scores(truth: Path, results: Path, limit: int = 20) -> dict[str, float]:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        evaluation = COCOeval(coco, coco.loadRes(str(results)), "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(ANIMAL17.sigmas)
        evaluation.params.maxDets = [limit]
        evaluation.evaluate()
        evaluation.accumulate()
        if limit != 20:  # its summary knows no other
            precision = evaluation.eval["precision"][:, :, :, 0, 0]
            defined = precision[precision > -1]
            return {"AP": float(defined.mean()) if len(defined) else math.nan}
        evaluation.summarize()
    return {
        key: math.nan if value == -1 else value
        for key, value in zip(KEYS, evaluation.stats.tolist(), strict=True)
    }


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_equal_to_pycocotools(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = np.random.default_rng(seed)
    truth = herd(rng)
    found = guesses(truth, rng)
    folder = tmp_path_factory.mktemp("files")
    write_coco(truth, folder / "truth.json")
    write_coco_results(found, folder / "results.json")
    scores = score_keypoints(folder / "truth.json", folder / "results.json")
    assert scores.keys() == score_keypoints(truth, found).keys()
    if len(found):
        expected = pycocotools_scores(folder / "truth.json", folder / "results.json")
        assert_close(scores, expected)
        assert_close(score_keypoints(truth, found), expected)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_equal_to_pycocotools_in_crowds(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """More animals of a species than the limit, with and without it."""
    rng = np.random.default_rng(seed)
    truth = herd(rng, frames=2, most=60)
    truth = replace(truth, species=rng.choice([2, 5], len(truth), p=[0.8, 0.2]))
    found = guesses(truth, rng)
    folder = tmp_path_factory.mktemp("files")
    write_coco(truth, folder / "truth.json")
    write_coco_results(found, folder / "results.json")
    if len(found):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scores = score_keypoints(truth, found)
        paths = folder / "truth.json", folder / "results.json"
        assert_close(scores, pycocotools_scores(*paths))
        lifted = pycocotools_scores(*paths, limit=1000)["AP"]
        assert scores["AP_all_detections"] == pytest.approx(lifted, abs=1e-9, nan_ok=True)


def test_pooled_is_pycocotools_with_one_category(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    truth = herd(rng, frames=20)
    found = guesses(truth, rng)
    scores = score_keypoints(truth, found)
    one = {"categories": {1: "animal"}}
    write_coco(replace(truth, species=np.ones(len(truth), int), **one), tmp_path / "truth.json")
    write_coco_results(
        replace(found, species=np.ones(len(found), int), **one), tmp_path / "results.json"
    )
    assert_close(
        scores["pooled"], pycocotools_scores(tmp_path / "truth.json", tmp_path / "results.json")
    )
    assert scores["pooled"]["AP"] != pytest.approx(scores["AP"], abs=1e-3)


def test_species_and_families() -> None:
    rng = np.random.default_rng(4)
    truth = herd(rng, frames=20)
    found = guesses(truth, rng)
    scores = score_keypoints(truth, found)
    by_species = scores["by_species"]
    assert sorted(by_species) == ["cat", "dog", "tiger"]
    alone = score_keypoints(truth[truth.species == 2], found[found.species == 2])
    assert_close(by_species["dog"], alone)
    for key in KEYS:
        mean = np.mean([by_species[name][key] for name in by_species])
        assert scores[key] == pytest.approx(mean, abs=1e-12)
        cats = (by_species["cat"][key] + by_species["tiger"][key]) / 2
        assert scores["by_family"]["Felidae"][key] == pytest.approx(cats, abs=1e-12)
    assert scores["by_family"].keys() == {"Canidae", "Felidae"}


def test_perfect_and_none() -> None:
    truth = herd(np.random.default_rng(1), frames=20)
    # What has no keypoint to compare is found nowhere, and counts for nothing.
    truth = truth[truth.num_keypoints > 0]
    perfect = score_keypoints(truth, truth)
    assert [perfect[key] for key in KEYS] == pytest.approx([1] * 10)
    none = score_keypoints(truth, truth[:0])
    assert [none[key] for key in KEYS] == [0] * 10


def test_nothing_to_find() -> None:
    truth = herd(np.random.default_rng(1))
    empty = score_keypoints(truth[:0], truth)
    assert all(math.isnan(empty[key]) for key in KEYS)
    assert math.isnan(empty["pooled"]["AP"])
    assert empty["by_species"] == {}
    nowhere = PoseTable.make(Frames.make(0), [])
    assert math.isnan(score_keypoints(nowhere, nowhere)["AP"])


def test_sizes_that_do_not_occur_are_nan() -> None:
    truth = herd(np.random.default_rng(1))
    small = replace(truth, areas=np.full(len(truth), 2000, np.float32))
    scores = score_keypoints(small, small)
    assert scores["APM"] == pytest.approx(1)
    assert math.isnan(scores["APL"])


def test_a_prediction_by_hand() -> None:
    # One animal of area 100, one keypoint 5 px off: OKS = exp(-25 / (2 * 100 * (2 sigma)²)).
    skeleton = Skeleton(("nose",), sigmas=(0.4,))
    frames = Frames.make(1)
    truth = PoseTable.make(
        frames, [0], boxes=[[0, 0, 10, 10]], keypoints=[[[5, 5, 2]]], areas=[100], skeleton=skeleton
    )
    found = replace(truth, keypoints=np.float32([[[5, 10, 1]]]))
    similarity = math.exp(-25 / (2 * 100 * 0.8**2))
    passed = sum(similarity >= threshold for threshold in np.arange(0.5, 1, 0.05))
    assert passed == 7
    assert score_keypoints(truth, found)["AP"] == pytest.approx(passed / 10)


def crowd_of(count: int) -> PoseTable:
    """Animals far apart in one frame."""
    keypoints = np.zeros((count, 17, 3), np.float32)
    keypoints[:, :, 0] = 1000 * np.arange(count)[:, None] + np.arange(17)
    keypoints[:, :, 2] = 2
    boxes = np.stack([1000 * np.arange(count), *[np.full(count, 50)] * 3], axis=1)
    return PoseTable.make(
        Frames.make(2),
        np.zeros(count),
        boxes=boxes,
        keypoints=keypoints,
        species=np.ones(count),
        categories={1: "sheep"},
    )


def test_more_animals_than_coco_scores() -> None:
    with pytest.warns(UserWarning, match="1 frames hold more than 20 animals"):
        scores = score_keypoints(crowd_of(53), crowd_of(53))
    assert scores["AP"] == pytest.approx(0.376, abs=1e-3)
    assert scores["AP_all_detections"] == pytest.approx(1)
    assert scores["pooled"]["AP_all_detections"] == pytest.approx(1)
    assert scores["frames_over_limit"] == 1


def test_twenty_animals_are_not_too_many() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score_keypoints(crowd_of(20), crowd_of(20))
    assert scores["frames_over_limit"] == 0
    assert scores["AP_all_detections"] == scores["AP"] == pytest.approx(1)


def test_rescoring_changes_the_order() -> None:
    truth = crowd_of(1)
    wrong = replace(truth, keypoints=truth.keypoints + np.float32([500, 0, 0]))
    both = PoseTable.make(
        truth.frames,
        [0, 0],
        boxes=np.concatenate([truth.boxes, wrong.boxes]),
        keypoints=np.concatenate([truth.keypoints, wrong.keypoints]),
        scores=[0.5, 0.9],
        species=[1, 1],
        categories=truth.categories,
    )
    both.keypoints[0, :, 2] = 0.8
    both.keypoints[1, :, 2] = 0.2  # not above 0.2, so none counts
    both.keypoints[1, 0, 2] = 0.3  # 0.9 * 0.3 is less than 0.5 * 0.8
    assert score_keypoints(truth, both)["AP"] == pytest.approx(0.5, abs=0.01)
    assert score_keypoints(truth, both, rescore=True)["AP"] == pytest.approx(1)


def test_duplicates_fall_across_species_and_by_area() -> None:
    truth = crowd_of(1)
    twice = PoseTable.make(
        truth.frames,
        [0, 0],
        boxes=np.repeat(truth.boxes, 2, axis=0),
        keypoints=np.repeat(truth.keypoints, 2, axis=0),
        scores=[0.9, 0.5],
        species=[2, 1],
        categories={1: "sheep", 2: "goat"},
    )
    truth = replace(truth, categories={1: "sheep", 2: "goat"})
    assert score_keypoints(truth, twice)["AP"] == pytest.approx(1)
    # The better one is a goat, and the sheep goes with it.
    assert score_keypoints(truth, twice, oks_nms=True)["AP"] == 0
    assert score_keypoints(truth, twice, oks_nms="soft")["AP"] == pytest.approx(1)
    # Two pixels apart they are one animal by their boxes' area, and two by a small one.
    twice.keypoints[0, :, 0] += 2
    assert score_keypoints(truth, twice, oks_nms=True)["AP"] == pytest.approx(0)
    twice.areas[:] = 20
    assert score_keypoints(truth, twice, oks_nms=True)["AP"] == pytest.approx(1)


def test_species_go_by_name_where_predictions_have_names() -> None:
    truth = crowd_of(3)
    renamed = replace(truth, species=np.full(3, 8), categories={8: "Sheep", 1: "wolf"})
    assert score_keypoints(truth, renamed)["AP"] == pytest.approx(1)


def test_predictions_of_no_known_species() -> None:
    truth = crowd_of(3)
    nameless = replace(truth, species=np.full(3, 1), categories={1: "animal"})
    with pytest.warns(UserWarning, match="No prediction is of a species of the ground truth"):
        scores = score_keypoints(truth, nameless)
    assert scores["AP"] == 0
    assert scores["pooled"]["AP"] == pytest.approx(1)


def test_what_does_not_belong_together(tmp_path: Path) -> None:
    truth = crowd_of(2)
    with pytest.raises(InputError, match="The predictions: image id 77 is not in the ground truth"):
        score_keypoints(truth, replace(truth, frames=Frames.make(ids=[77, 2])))
    write_coco_results(replace(truth, frames=Frames.make(ids=[77, 2])), tmp_path / "results.json")
    with pytest.raises(InputError, match=r"results\.json: image id 77 is not in the ground truth"):
        score_keypoints(truth, tmp_path / "results.json")
    beaks = PoseTable.make(truth.frames, [0], skeleton=Skeleton(("beak",)))
    with pytest.raises(
        InputError, match="The predictions: 1 keypoints an animal, but the ground truth has 17"
    ):
        score_keypoints(truth, beaks)
    with pytest.raises(InputError, match="oks_nms is 'hard'"):
        score_keypoints(truth, truth, oks_nms="hard")  # type: ignore[arg-type]


# --- the reference's own numbers -----------------------------------------------------------------

# The suppression that a case names; one that names none took the hard one.
SUPPRESSION: dict[str, bool | Literal["soft"]] = {"nms": True, "soft": "soft", "none": False}


def test_reference(reference: Path) -> None:
    cases = json.loads((reference / "eval.json").read_text())
    names = [name for name, case in cases.items() if "metrics" in case]
    assert len(names) >= 2
    for name in names:
        case, truth, table = reference_case(reference, name)
        kind = SUPPRESSION.get(name.split("/")[1], True)
        scores = score_keypoints(truth, table, rescore=True, oks_nms=kind)
        assert_close(scores, expected_scores(case), 1e-6)
        kept = ranked(table, True, kind)
        assert len(kept) == case["kept"]
        if "rescored_first20" in case:  # image, species and score
            rows = np.stack([truth.frames.ids[kept.frame], kept.species, kept.scores], axis=1)
            np.testing.assert_allclose(rows[:20], case["rescored_first20"], rtol=1e-7)


@pytest.mark.parametrize("soft", [False, True])
def test_suppression_on_the_reference_predictions(soft: bool, reference: Path) -> None:
    """Without duplicates dropped, and softly: what is handed on is all, or the 20 best a frame."""
    _, truth, table = reference_case(reference, "synth/nms/0.01")
    kept = ranked(table, True, "soft" if soft else False)
    assert len(kept) == len(table) > 100  # no frame has more than 20
    scores = score_keypoints(truth, table, True, "soft" if soft else False)
    assert_close(scores, score_keypoints(truth, kept), 1e-12)
    assert scores["AP"] > score_keypoints(truth, table, True, True)["AP"]
