"""Results read as mappings, write themselves as JSON, and do not change."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import orjson
import pytest

from aptv2.evaluation.results import AllScores, PoseTrackingNumbers, PoseTrackingScores

NUMBERS = {"MOTA": 0.5, "keypoints": 4, "missed": 1, "false_positives": 1, "id_switches": 0}


@pytest.fixture
def result() -> PoseTrackingScores:
    return PoseTrackingScores(**NUMBERS, by_keypoint={"nose": PoseTrackingNumbers(**NUMBERS)})


def test_attributes_and_keys_are_the_same(result: PoseTrackingScores) -> None:
    assert result.MOTA == result["MOTA"] == 0.5
    assert list(result) == [*NUMBERS, "by_keypoint"]
    assert dict(result.by_keypoint["nose"]) == NUMBERS
    assert dict(result.items()) == {**result} == {**NUMBERS, "by_keypoint": {"nose": NUMBERS}}
    assert result.get("AP") is None


@pytest.mark.parametrize("write", [json.dumps, orjson.dumps])
def test_json(write: Callable, result: PoseTrackingScores) -> None:
    assert json.loads(write(result)) == {**NUMBERS, "by_keypoint": {"nose": NUMBERS}}


def test_what_is_not_there_is_left_out(result: PoseTrackingScores) -> None:
    scores = AllScores(pose_tracking=result)
    assert scores.tracking is None
    assert list(scores) == ["pose_tracking"]
    assert json.loads(orjson.dumps(scores)).keys() == {"pose_tracking"}


@pytest.mark.parametrize(
    "change",
    [
        lambda result: result.__setitem__("MOTA", 1),
        lambda result: result.__delitem__("MOTA"),
        lambda result: result.update(MOTA=1),
        lambda result: result.pop("MOTA"),
        lambda result: result.popitem(),
        lambda result: result.clear(),
        lambda result: result.setdefault("AP", 1),
        lambda result: result.__ior__({"MOTA": 1}),
    ],
)
def test_nothing_can_be_changed(change: Callable, result: PoseTrackingScores) -> None:
    with pytest.raises(TypeError, match="cannot be changed"):
        change(result)
    with pytest.raises(FrozenInstanceError):
        result.MOTA = 1  # type: ignore[misc]
    assert result["MOTA"] == result.MOTA == 0.5


def test_copies(result: PoseTrackingScores) -> None:
    for each in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)):
        assert type(each) is PoseTrackingScores
        assert each == result
        assert each.by_keypoint["nose"].missed == 1
    assert replace(result, MOTA=0.25)["MOTA"] == 0.25
    assert (result | {"MOTA": 0.75})["MOTA"] == 0.75
