from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aptv2 import score_tracking
from aptv2.errors import InputError
from aptv2.export import write_coco, write_mot
from aptv2.tables import Frames, PoseTable

trackeval = pytest.importorskip("trackeval")


def walk(tracks: int = 2, frames: int = 4, clip: int = -1) -> PoseTable:
    """Animals side by side, 100 px apart, that walk down."""
    frame = np.repeat(np.arange(frames), tracks)
    number = np.tile(np.arange(tracks), frames)
    boxes = np.stack([100 * number, 5 * frame, *[np.full(len(frame), 20)] * 2], axis=1)
    return PoseTable.make(
        Frames.make(frames, clips=[clip] * frames, indices=np.arange(frames)),
        frame,
        boxes=boxes,
        tracks=number,
    )


def wander(rng: np.random.Generator, frames: int = 12) -> tuple[PoseTable, PoseTable]:
    """Animals that come, go and cross, and a tracker that errs in every way."""
    starts, speeds = rng.uniform(0, 200, (5, 2)), rng.uniform(-20, 20, (5, 2))
    boxes = starts + speeds * np.arange(frames)[:, None, None]
    boxes = np.concatenate([boxes, np.full((frames, 5, 2), 40)], axis=2)
    seen = rng.random((frames, 5)) < 0.8
    frame, number = np.nonzero(seen)
    truth = PoseTable.make(
        Frames.make(frames, indices=np.arange(frames)),
        frame,
        boxes=boxes[frame, number],
        tracks=number + 1,
    )
    found = truth[rng.random(len(truth)) < 0.9]
    shaken = found.boxes + rng.normal(0, 5, found.boxes.shape) * [1, 1, 0.5, 0.5]
    # Half way through, every animal gets a new number.
    tracks = found.tracks + np.where(found.frame >= frames // 2, 10, 0)
    return truth, replace(found, boxes=shaken.astype(np.float32), tracks=tracks)


def test_perfect_tracks_whatever_their_numbers() -> None:
    truth = walk()
    scores = score_tracking(truth, replace(truth, tracks=7 - 3 * truth.tracks))
    for name in ("HOTA", "DetA", "AssA", "LocA", "IDF1", "MOTA"):
        assert scores[name] == pytest.approx(1), name
    assert (scores["id_switches"], scores["false_positives"], scores["missed"]) == (0, 0, 0)


def test_two_animals_swap_numbers() -> None:
    truth = walk()
    swapped = replace(truth, tracks=np.where(truth.frame >= 2, 1 - truth.tracks, truth.tracks))
    scores = score_tracking(truth, swapped)
    assert scores["id_switches"] == 2
    assert scores["MOTA"] == pytest.approx((8 - 2) / 8)
    assert scores["IDF1"] == pytest.approx(0.5)
    # Each number overlaps its animal for 2 frames of the 4 + 4 - 2 that either has.
    assert scores["DetA"] == pytest.approx(1)
    assert scores["AssA"] == pytest.approx(2 / 6)
    assert scores["HOTA"] == pytest.approx(np.sqrt(2 / 6))


def test_missed_and_invented_animals() -> None:
    truth = walk()
    one = truth[truth.tracks == 0]
    scores = score_tracking(truth, one)
    assert (scores["missed"], scores["false_positives"]) == (4, 0)
    assert scores["MOTA"] == pytest.approx(0.5)
    assert scores["IDF1"] == pytest.approx(2 * 4 / (8 + 4))
    assert scores["DetA"] == pytest.approx(0.5)
    scores = score_tracking(one, truth)
    assert (scores["missed"], scores["false_positives"]) == (0, 4)
    assert scores["MOTA"] == pytest.approx(0)


def test_localisation_at_every_threshold() -> None:
    # 20x20 boxes shifted by 5 overlap by 15 / 25 = 0.6: 12 of the 19 thresholds are passed.
    truth = walk()
    shifted = replace(truth, boxes=truth.boxes + np.float32([5, 0, 0, 0]))
    scores = score_tracking(truth, shifted)
    assert scores["HOTA"] == pytest.approx(12 / 19)
    assert scores["MOTA"] == pytest.approx(1)


def test_nothing_found_and_nothing_to_find() -> None:
    truth = walk()
    nothing = score_tracking(truth, truth[:0])
    assert (nothing["HOTA"], nothing["IDF1"], nothing["MOTA"]) == (0, 0, 0)
    assert nothing["missed"] == 8
    empty = score_tracking(truth[:0], truth)
    assert np.isnan([empty["HOTA"], empty["IDF1"], empty["MOTA"]]).all()
    assert empty["false_positives"] == 8
    frameless = PoseTable.make(Frames.make(0), [])
    assert np.isnan(score_tracking(frameless, frameless)["HOTA"])


def two_clips() -> tuple[PoseTable, PoseTable]:
    """A clip of 4 frames tracked well, and one of 12 frames, out of order, not tracked at all."""
    truth = walk(tracks=1, frames=16)
    clips = np.repeat([3, 8], [4, 12])
    indices = np.concatenate([np.arange(4), np.arange(12)[::-1]])
    truth = replace(truth, frames=replace(truth.frames, clips=clips, indices=indices))
    return truth, truth[truth.frame < 4]


def test_clips_are_joined_by_their_counts() -> None:
    truth, found = two_clips()
    scores = score_tracking(truth, found)
    assert scores["by_clip"].keys() == {3, 8}
    assert scores["by_clip"][3]["HOTA"] == pytest.approx(1)
    assert scores["by_clip"][8]["HOTA"] == 0
    assert scores["MOTA"] == pytest.approx(4 / 16)
    assert scores["IDF1"] == pytest.approx(2 * 4 / (16 + 4))


def test_track_numbers_of_different_clips_are_different_animals() -> None:
    truth, _ = two_clips()
    scores = score_tracking(truth, replace(truth, tracks=np.where(truth.frame < 4, 5, 6)))
    assert scores["HOTA"] == pytest.approx(1)
    assert scores["id_switches"] == 0


def test_frames_go_by_their_number_in_the_clip() -> None:
    truth, _ = two_clips()
    # In time the number changes once a clip; in the order of these rows it would more often.
    order = np.random.default_rng(0).permutation(16)
    shuffled = truth.with_frames(order)
    late = shuffled.frames.indices[shuffled.frame] >= 2
    scores = score_tracking(shuffled, replace(shuffled, tracks=late.astype(int)))
    assert scores["id_switches"] == 2


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_scores_keep_their_bounds(seed: int) -> None:
    truth, found = wander(np.random.default_rng(seed))
    scores = dict(score_tracking(truth, found))
    for name in ("HOTA", "DetA", "AssA", "LocA", "IDF1"):
        assert 0 <= scores[name] <= 1
    assert scores["MOTA"] <= 1
    relabelled = replace(found, tracks=1000 - found.tracks)
    rows = np.random.default_rng(seed).permutation(len(found))
    again = dict(score_tracking(truth, relabelled[rows]))
    for part in ("by_clip", "by_species"):
        assert again.pop(part).keys() == scores.pop(part).keys()
    assert again == pytest.approx(scores)


def test_equal_to_trackevals_own_pipeline(tmp_path: Path) -> None:
    """Two sequences through TrackEval's reader of MOT Challenge files and its evaluator."""
    clips = [wander(np.random.default_rng(seed), frames=30) for seed in (5, 6)]
    for name, (truth, found) in zip("ab", clips, strict=True):
        clip = tmp_path / "gt" / name
        (clip / "gt").mkdir(parents=True)
        (clip / "seqinfo.ini").write_text(f"[Sequence]\nname={name}\nseqLength=30\n")
        write_mot(truth, tmp_path / "truth.txt")
        # MOT Challenge's annotations end in: to be counted, class 1 (pedestrian), visible share.
        lines = (tmp_path / "truth.txt").read_text().splitlines()
        rows = [",".join([*line.split(",")[:6], "1", "1", "1"]) for line in lines]
        (clip / "gt" / "gt.txt").write_text("\n".join(rows))
        write_mot(found, tmp_path / "trackers" / "ours" / "data" / f"{name}.txt")
    quiet = {"PRINT_CONFIG": False}
    data = trackeval.datasets.MotChallenge2DBox(
        quiet
        | {
            "GT_FOLDER": str(tmp_path / "gt"),
            "TRACKERS_FOLDER": str(tmp_path / "trackers"),
            "SEQ_INFO": {"a": 30, "b": 30},
            "SKIP_SPLIT_FOL": True,
            "DO_PREPROC": False,
        }
    )
    metrics = [
        trackeval.metrics.HOTA(),
        trackeval.metrics.CLEAR(quiet),
        trackeval.metrics.Identity(quiet),
    ]
    options = dict.fromkeys(("PRINT_CONFIG", "PRINT_RESULTS", "TIME_PROGRESS"), False)
    options |= dict.fromkeys(("OUTPUT_SUMMARY", "OUTPUT_DETAILED", "PLOT_CURVES"), False)
    evaluator = trackeval.Evaluator(options | {"LOG_ON_ERROR": None})
    with contextlib.redirect_stdout(io.StringIO()):
        results, _ = evaluator.evaluate([data], metrics)
    theirs = results["MotChallenge2DBox"]["ours"]
    ours = score_tracking(*(joined(list(side)) for side in zip(*clips, strict=True)))
    for name, scores in (("COMBINED_SEQ", ours), ("a", ours["by_clip"][1])):
        expected = theirs[name]["pedestrian"]
        # The text holds thousandths of a pixel.
        for metric in ("HOTA", "DetA", "AssA", "LocA"):
            assert scores[metric] == pytest.approx(expected["HOTA"][metric].mean(), abs=1e-4)
        assert scores["IDF1"] == pytest.approx(expected["Identity"]["IDF1"], abs=1e-9)
        assert scores["MOTA"] == pytest.approx(expected["CLEAR"]["MOTA"], abs=1e-9)
        assert scores["id_switches"] == expected["CLEAR"]["IDSW"] > 0
        assert 0 < scores["HOTA"] < 1


def joined(clips: list[PoseTable]) -> PoseTable:
    """Tables of one clip each as clips 1, 2, … of one table."""
    length = len(clips[0].frames)
    return PoseTable.make(
        Frames.make(
            clips=np.repeat(np.arange(len(clips)) + 1, length),
            indices=np.tile(np.arange(length), len(clips)),
        ),
        np.concatenate([table.frame + length * place for place, table in enumerate(clips)]),
        boxes=np.concatenate([table.boxes for table in clips]),
        tracks=np.concatenate([table.tracks for table in clips]),
    )


def test_species_are_scored_apart_where_both_name_them() -> None:
    both = walk(tracks=2)
    truth = replace(both, species=1 + both.tracks, categories={1: "cat", 2: "spider monkey"})
    # The tracker numbers species its own way, spells them its own way, and takes no monkey for one.
    found = replace(
        truth[truth.tracks == 0],
        species=np.full(4, 7),
        categories={7: "Cat", 8: "spider-monkey"},
    )
    scores = score_tracking(truth, found)["by_species"]
    assert scores.keys() == {"cat", "spider monkey"}
    assert scores["cat"]["HOTA"] == pytest.approx(1)
    assert (scores["spider monkey"]["HOTA"], scores["spider monkey"]["missed"]) == (0, 4)
    unnamed = replace(found, species=np.full(4, -1))
    assert score_tracking(truth, unnamed)["by_species"] == {}


def slow_clear_and_idf1(truth: PoseTable, found: PoseTable) -> tuple[float, int, float]:
    """MOTA, switches and IDF1 after their papers: all ways to pair are tried, one by one."""

    def overlap(a: list[float], b: list[float]) -> float:
        wide = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
        high = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
        both = max(wide, 0) * max(high, 0)
        return both / (a[2] * a[3] + b[2] * b[3] - both)

    def ways(some: list[int], others: list[int]) -> Iterator[list[tuple[int, int | None]]]:
        for chosen in itertools.permutations([*others, *[None] * len(some)], len(some)):
            yield list(zip(some, chosen, strict=True))

    errors = switches = 0
    last: dict[int, int] = {}
    before: dict[int, int] = {}
    together: dict[tuple[int, int], int] = {}
    for frame in range(len(truth.frames)):
        true = {int(truth.tracks[row]): truth.boxes[row].tolist() for row in truth.rows_of(frame)}
        seen = {int(found.tracks[row]): found.boxes[row].tolist() for row in found.rows_of(frame)}
        if not true or not seen:
            errors += len(true) + len(seen)
            continue  # As in TrackEval, who was together before such a frame still is.
        near = {(a, b): overlap(true[a], seen[b]) for a in true for b in seen}
        near = {pair: value for pair, value in near.items() if value >= 0.5}
        for pair in near:
            together[pair] = together.get(pair, 0) + 1
        # As TrackEval weighs it: to stay together is worth more than any overlap.
        value = {pair: v + 1000 * (before.get(pair[0]) == pair[1]) for pair, v in near.items()}
        best = max(ways([*true], [*seen]), key=lambda way: sum(value.get(pair, 0) for pair in way))
        before = {a: b for a, b in best if (a, b) in near}
        errors += len(true) + len(seen) - 2 * len(before)
        switches += sum(last.get(a, b) != b for a, b in before.items())
        last |= before
    tracks = [np.unique(table.tracks).tolist() for table in (truth, found)]
    kept = max(sum(together.get(pair, 0) for pair in way) for way in ways(*tracks))
    mota = 1 - (errors + switches) / len(truth)
    return mota, switches, 2 * kept / (len(truth) + len(found))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_beside_a_slow_implementation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame, number = np.nonzero(rng.random((5, 3)) < 0.7)
    if not len(frame):
        return
    # No two ways to pair are equally good: the definitions do not say which of them to take.
    boxes = np.concatenate([rng.uniform(0, 8, (len(frame), 2)), np.full((len(frame), 2), 12)], 1)
    truth = PoseTable.make(Frames.make(5, indices=np.arange(5)), frame, boxes=boxes, tracks=number)
    shaken = boxes + rng.uniform(-2, 2, boxes.shape) * [1, 1, 0, 0]
    swapped = np.where(rng.random(len(frame)) < 0.2, number + 10, number)
    found = replace(truth, boxes=shaken.astype(np.float32), tracks=swapped)
    found = found[rng.random(len(found)) < 0.8]
    scores = score_tracking(truth, found)
    mota, switches, idf1 = slow_clear_and_idf1(truth, found)
    assert (scores["MOTA"], scores["id_switches"]) == (pytest.approx(mota), switches)
    assert scores["IDF1"] == pytest.approx(idf1)


def test_ties() -> None:
    """Animals in one place: whoever is paired with whom, nothing is missed or invented."""
    truth = walk(tracks=3)
    same = replace(truth, boxes=np.tile(np.float32([0, 0, 20, 20]), (12, 1)))
    scores = score_tracking(same, same)
    assert [scores[name] for name in ("missed", "false_positives", "id_switches")] == [0, 0, 0]
    assert scores["IDF1"] == scores["MOTA"] == pytest.approx(1)
    two = score_tracking(same, same[same.tracks < 2])
    assert (two["missed"], two["id_switches"]) == (4, 0)


def test_files_do_as_well_as_tables(tmp_path: Path) -> None:
    truth, found = wander(np.random.default_rng(2))
    write_coco(truth, tmp_path / "truth.json")
    write_coco(found, tmp_path / "found.json")
    scores = score_tracking(tmp_path / "truth.json", str(tmp_path / "found.json"))
    assert scores == score_tracking(truth, found)


def test_what_cannot_be_scored() -> None:
    truth = walk()
    with pytest.raises(InputError, match="animals of the predictions have no track number"):
        score_tracking(truth, replace(truth, tracks=np.full(8, -1)))
    with pytest.raises(InputError, match="animals of the ground truth have no box"):
        score_tracking(replace(truth, boxes=np.full((8, 4), np.nan)), truth)
    with pytest.raises(InputError, match="Track 3 of the predictions appears twice"):
        score_tracking(truth, replace(truth, tracks=np.full(8, 3)))
    with pytest.raises(InputError, match="image id 9 is not in the ground truth"):
        score_tracking(truth, replace(truth, frames=Frames.make(ids=[1, 2, 3, 9])))
