"""Keypoint-level MOTA: by hand, and beside a slow second implementation."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aptv2.errors import InputError
from aptv2.evaluation import score_pose_tracking
from aptv2.skeleton import Skeleton
from aptv2.tables import Frames, PoseTable

TWO = Skeleton(("nose", "tail"))
PARTS = ("MOTA", "missed", "false_positives", "id_switches")


def herd(frames: int = 4) -> PoseTable:
    """Two animals of 100 x 100 px, far apart, in every frame."""
    frame, number = np.repeat(np.arange(frames), 2), np.tile([0, 1], frames)
    corner = np.stack([500 * number, 3 * frame], axis=1)
    keypoints = np.full((len(frame), 2, 3), 2.0)
    keypoints[:, :, :2] = corner[:, None] + np.array([[10, 50], [90, 50]])
    boxes = np.concatenate([corner, np.full((len(frame), 2), 100)], axis=1)
    return PoseTable.make(
        Frames.make(frames, indices=np.arange(frames)),
        frame,
        boxes=boxes,
        keypoints=keypoints,
        tracks=number,
        skeleton=TWO,
    )


def test_perfect_whatever_the_numbers() -> None:
    truth = herd()
    scores = score_pose_tracking(truth, replace(truth, tracks=9 - truth.tracks))
    assert [scores[name] for name in PARTS] == [1, 0, 0, 0]
    assert scores["keypoints"] == 16
    assert scores["by_keypoint"]["tail"]["keypoints"] == 8


def test_two_animals_swap_numbers() -> None:
    truth = herd()
    tracks = np.where(truth.frame >= 2, 1 - truth.tracks, truth.tracks)
    scores = score_pose_tracking(truth, replace(truth, tracks=tracks))
    # Every keypoint of either animal switches once.
    assert [scores[name] for name in PARTS] == [1 - 4 / 16, 0, 0, 4]


def test_a_keypoint_may_be_off_by_a_tenth_of_the_animals_size() -> None:
    truth = herd()
    for off, mota in ((9.99, 1.0), (10.01, 0.0)):
        moved = truth.keypoints + np.float32([off, 0, 0])
        moved[:, 0] = truth.keypoints[:, 0]
        scores = score_pose_tracking(truth, replace(truth, keypoints=moved))
        assert scores["by_keypoint"]["nose"]["MOTA"] == 1
        # A keypoint too far off is one missed and one invented.
        assert scores["by_keypoint"]["tail"]["MOTA"] == pytest.approx(2 * mota - 1)
        assert scores["MOTA"] == pytest.approx(mota)


def test_keypoints_that_are_not_predicted_or_not_annotated() -> None:
    truth = herd()
    unsure = truth.keypoints.copy()
    unsure[:, 1, 2] = 0.19
    scores = score_pose_tracking(truth, replace(truth, keypoints=unsure))
    assert [scores[name] for name in PARTS] == [0.5, 8, 0, 0]
    hidden = truth.keypoints.copy()
    hidden[0, 1, 2] = 0
    scores = score_pose_tracking(replace(truth, keypoints=hidden), truth)
    assert [scores[name] for name in PARTS[1:]] == [0, 1, 0]
    assert scores["by_keypoint"]["tail"]["MOTA"] == pytest.approx(1 - 1 / 7)


def test_an_animal_without_annotated_keypoints_is_no_mistake() -> None:
    truth = herd()
    keypoints = truth.keypoints.copy()
    keypoints[truth.tracks == 1] = 0
    bare = replace(truth, keypoints=keypoints)
    assert score_pose_tracking(bare, truth)["MOTA"] == 1
    alone = bare[bare.tracks == 0]
    assert score_pose_tracking(alone, truth)["false_positives"] == 8


def test_frames_without_annotated_keypoints_do_not_count() -> None:
    truth = herd()
    keypoints = truth.keypoints.copy()
    keypoints[truth.frame % 2 == 1] = 0
    shown = replace(truth, keypoints=keypoints)
    scores = score_pose_tracking(shown[shown.num_keypoints > 0], truth)
    assert [scores[name] for name in (*PARTS, "keypoints")] == [1, 0, 0, 0, 8]


def test_nothing_found_and_nothing_to_find() -> None:
    truth = herd()
    assert score_pose_tracking(truth, truth[:0])["MOTA"] == 0
    assert math.isnan(score_pose_tracking(truth[:0], truth[:0])["MOTA"])
    with pytest.raises(InputError, match="no annotated keypoints"):
        score_pose_tracking(truth[:0], truth)
    with pytest.raises(InputError, match="animals of the predictions have no track number"):
        score_pose_tracking(truth, replace(truth, tracks=np.full(8, -1)))


def slow(truth: PoseTable, found: PoseTable, reach: float) -> dict[str, list[int]]:
    """CLEAR MOT for every keypoint: in each frame the best pairing, by trying all."""
    counts = {}
    for keypoint, name in enumerate(truth.skeleton.names):
        total = [0, 0, 0, 0]
        for clip in set(truth.frames.clips.tolist()):
            last: dict[int, int] = {}
            frames = [f for f in range(len(truth.frames)) if truth.frames.clips[f] == clip]
            for frame in sorted(frames, key=lambda f: truth.frames.indices[f]):
                if not any(truth.num_keypoints[row] for row in truth.rows_of(frame)):
                    continue
                true = {
                    int(truth.tracks[row]): truth.keypoints[row, keypoint, :2]
                    for row in truth.rows_of(frame)
                    if truth.keypoints[row, keypoint, 2] > 0
                }
                seen = {
                    int(found.tracks[row]): found.keypoints[row, keypoint, :2]
                    for row in found.rows_of(frame)
                    if found.keypoints[row, keypoint, 2] >= 0.2
                }
                far = {
                    (a, b): math.dist(true[a], seen[b])
                    for a in true
                    for b in seen
                    if math.dist(true[a], seen[b]) <= reach
                }
                pairs = {}
                for a in true:
                    if (a, last.get(a)) in far and last[a] not in pairs.values():
                        pairs[a] = last[a]
                rest = [a for a in true if a not in pairs]
                free = [b for b in seen if b not in pairs.values()] + [None] * len(rest)
                best = min(
                    itertools.permutations(free, len(rest)),
                    key=lambda way: sum(
                        far.get((a, b), 1e6) for a, b in zip(rest, way, strict=True)
                    ),
                )
                pairs |= {a: b for a, b in zip(rest, best, strict=True) if (a, b) in far}
                total[0] += len(true)
                total[1] += len(true) - len(pairs)
                total[2] += len(seen) - len(pairs)
                total[3] += sum(last.get(a, b) != b for a, b in pairs.items())
                last |= pairs
        counts[name] = total
    return counts


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_beside_a_slow_implementation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 6
    order = rng.permutation(2 * count)
    frames = Frames.make(
        clips=np.repeat([1, 2], count)[order], indices=np.tile(np.arange(count), 2)[order]
    )
    frame, number = np.nonzero(rng.random((2 * count, 3)) < 0.7)

    def table(chance: float) -> PoseTable:
        # Crowded, so that pairs compete.
        places = rng.uniform(0, 30, (len(frame), 2, 2))
        shown = (rng.random((len(frame), 2, 1)) < chance) * 1.0
        return PoseTable.make(
            frames,
            frame,
            boxes=[[0, 0, 100, 100]] * len(frame),
            keypoints=np.concatenate([places, shown], axis=2),
            tracks=number,
            skeleton=TWO,
        )

    truth, found = table(0.8), table(0.8)
    truth = truth[truth.num_keypoints > 0]
    found = found[rng.random(len(found)) < 0.8]
    if not len(truth):
        return
    scores = score_pose_tracking(truth, found[rng.permutation(len(found))])
    for name, (keypoints, *errors) in slow(truth, found, reach=10).items():
        row = scores["by_keypoint"][name]
        assert [row[key] for key in ("keypoints", *PARTS[1:])] == [keypoints, *errors]
        if keypoints:
            assert row["MOTA"] == pytest.approx(1 - sum(errors) / keypoints)


def test_equal_distances_and_equal_animals() -> None:
    """Two animals in one place: whoever is paired with whom, nothing is missed or invented."""
    truth = herd()
    keypoints = np.tile(truth.keypoints[:1], (8, 1, 1))
    same = replace(truth, keypoints=keypoints, boxes=np.tile(truth.boxes[:1], (8, 1)))
    scores = score_pose_tracking(same, same)
    assert [scores[name] for name in PARTS] == [1, 0, 0, 0]
