"""The whole way from a video to its tracks, with small networks that really look at the pixels."""

from __future__ import annotations

import csv
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from track_results import assert_same, centres, fail, video_frames, write_boxes

from aptv2.datasets import read_annotations
from aptv2.errors import BrokenVideoError, InputError
from aptv2.inference.batch import track_videos
from aptv2.inference.pipeline import track_video
from aptv2.models import load_pose_model
from aptv2.models.networks.lite import EMBEDDED
from aptv2.tables import PoseTable

Clip = Callable[..., SimpleNamespace]
Networks = dict[str, Any]


def test_animals_are_found_followed_and_posed(
    two_animals: SimpleNamespace, blobs: Networks
) -> None:
    table = track_video(two_animals.path, **blobs)
    assert len(table.frames) == 46
    np.testing.assert_array_equal(table.frames.indices, np.arange(46))
    np.testing.assert_allclose(table.frames.times, np.arange(46) / 25, atol=1e-4)
    assert set(table.tracks) == {1, 2}
    red, blue = centres(table, 1), centres(table, 2)
    assert list(red) == list(range(46))
    assert list(blue) == list(range(10, 31))
    for colour, found in (("red", red), ("blue", blue)):
        for frame, centre in found.items():
            np.testing.assert_allclose(centre, two_animals.truth[frame][colour], atol=3)
    first = table.rows_of(0)[0]
    box = table.boxes[first]
    np.testing.assert_allclose(table.keypoints[first, 0, 0], box[0], atol=1)
    np.testing.assert_allclose(table.keypoints[first, 16, 0], box[0] + box[2], atol=2)


def test_animals_that_cross_keep_their_numbers(animal_clip: Clip, blobs: Networks) -> None:
    clip = animal_clip(
        {"red": ((20, 44), (140, 46), 0, 59), "blue": ((140, 48), (20, 50), 0, 59)}, 60
    )
    table = track_video(clip.path, **blobs)
    assert set(table.tracks) == {1, 2}
    for track in (1, 2):
        found = centres(table, track)
        colour = min(clip.truth[0], key=lambda c: np.abs(found[0] - clip.truth[0][c]).sum())
        for frame in (5, 55):
            np.testing.assert_allclose(found[frame], clip.truth[frame][colour], atol=4)


def test_files_hold_what_was_found(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "out"
    table = track_video(two_animals.path, out, export=["mot", "coco"], **blobs)
    assert sorted(p.name for p in out.iterdir()) == [
        "clip.csv",
        "clip.mot.txt",
        "clip.pose.mp4",
        "clip.results.json",
        "clip.tracks.json",
    ]
    assert_same(read_annotations(out / "clip.tracks.json"), table)
    with (out / "clip.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 17 * len(table)
    assert {int(row["frame"]) for row in rows} == set(range(46))
    overlay = video_frames(out / "clip.pose.mp4")
    assert overlay.shape == (46, 96, 160, 3)
    drawn = np.abs(overlay[20].astype(int) - two_animals.images[20]).max(axis=2) > 60
    assert np.count_nonzero(drawn) > 100
    # The ground far from both animals stays as it is.
    assert not drawn[:12, :40].any()


def test_options_leave_out_and_pass_on(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    track_video(two_animals.path, tmp_path / "out", overlay=False, flip_test=True, **blobs)
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"clip.tracks.json", "clip.csv"}
    assert blobs["pose"].flips == {True}


def test_smoothing_steadies_keypoints_and_is_off_by_default(
    animal_clip: Clip, blobs: Networks
) -> None:
    clip = animal_clip({"red": ((70, 50), (75, 50), 0, 59)}, 60)
    rough, smooth = (track_video(clip.path, smooth=s, **blobs) for s in (False, True))

    def tremble(table: PoseTable) -> float:
        return float(np.abs(np.diff(table.keypoints[:, :, :2], n=2, axis=0)).mean())

    assert tremble(smooth) < 0.65 * tremble(rough)
    assert np.abs(smooth.keypoints[..., :2] - rough.keypoints[..., :2]).max() < 3
    np.testing.assert_array_equal(smooth.keypoints[..., 2], rough.keypoints[..., 2])


def test_a_folder_of_images_is_a_video(
    tmp_path: Path, two_animals: SimpleNamespace, blobs: Networks
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(two_animals.images[:12]):
        cv2.imwrite(str(folder / f"img{number}.png"), image[:, :, ::-1])
    table = track_video(folder, tmp_path / "out", **blobs)
    assert table.frames.names[:3].tolist() == ["img0.png", "img1.png", "img2.png"]
    assert list(centres(table, 1)) == list(range(12))
    assert table.frames.times[2] == pytest.approx(2 / 25)
    assert (tmp_path / "out" / "images.tracks.json").exists()
    assert track_video(folder, fps=10, **blobs).frames.times[2] == pytest.approx(0.2)
    with pytest.raises(InputError, match="the frame rate 0 is not between"):
        track_video(folder, fps=0, **blobs)


def test_a_video_without_animals_has_empty_results(
    make_clip: Callable[..., Path], blobs: Networks, tmp_path: Path
) -> None:
    table = track_video(make_clip(), tmp_path / "out", **blobs)
    assert (len(table), len(table.frames)) == (0, 12)
    assert len(read_annotations(tmp_path / "out" / "clip.tracks.json").frames) == 12
    assert len(video_frames(tmp_path / "out" / "clip.pose.mp4")) == 12
    (outcome,) = track_videos([tmp_path / "clip.mp4"], tmp_path / "out", **blobs)
    assert outcome.code == 0
    assert "no animal found in 12 frames" in outcome.sentence


# --- Boxes


def test_given_animals_are_followed_from_where_they_appear(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    boxes = write_boxes(tmp_path / "b.csv", "12,108,58,30,20,7", "0,10,20,30,20,3")
    table = track_video(two_animals.path, boxes=boxes, **blobs)
    assert set(table.tracks) == {3, 7}
    assert list(centres(table, 3)) == list(range(46))
    # The blue animal leaves after frame 30: then it is out of sight and not told.
    assert list(centres(table, 7)) == list(range(12, 31))
    np.testing.assert_allclose(table.boxes[table.rows_of(0)[0]], [10, 20, 30, 20])
    for frame, centre in centres(table, 7).items():
        np.testing.assert_allclose(centre, two_animals.truth[frame]["blue"], atol=3)


def test_nothing_is_told_before_the_first_box(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    table = track_video(
        two_animals.path, boxes=write_boxes(tmp_path / "b.csv", "5,20,20,30,20,1"), **blobs
    )
    assert table.frame.min() == 5
    assert len(table.frames) == 46


def test_two_given_animals_do_not_stay_on_one(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    """Both first boxes are on the red animal: soon only one of them is told."""
    boxes = write_boxes(tmp_path / "b.csv", "0,10,20,30,20,1", "0,12,21,30,20,2")
    blobs["tracker"] = FavouringTracker(blobs["tracker"])
    table = track_video(two_animals.path, boxes=boxes, **blobs)
    assert table.tracks[table.frame == 5].tolist() == [1, 2]
    assert table.tracks[table.frame == 40].tolist() == [1]


class FavouringTracker:
    """Scores the first animal a little better than the others."""

    def __init__(self, tracker: Any) -> None:
        self.tracker, self.start = tracker, tracker.start

    def step(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes, scores = self.tracker.step(frame)
        return boxes, scores - 0.01 * np.arange(len(scores))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("0,nan,5,10,10,1", "x is nan"),
        ("0,500,5,10,10,1", "outside the 160 x 96 frame"),
        ("46,10,5,10,10,1", "frame 46 is beyond the end"),
    ],
)
def test_bad_boxes_are_refused(
    row: str, said: str, two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    boxes = write_boxes(tmp_path / "b.csv", row)
    with pytest.raises(InputError, match=said) as caught:
        track_video(two_animals.path, tmp_path / "out", boxes=boxes, **blobs)
    assert "b.csv" in str(caught.value)
    assert not (tmp_path / "out").exists()


# --- Bad input


def test_an_output_that_cannot_be_written_is_refused_before_any_work(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/out: results cannot be written here"):
        track_video(two_animals.path, tmp_path / "file" / "out", **blobs)
    with pytest.raises(InputError, match="results cannot be written here"):
        next(track_videos([two_animals.path], tmp_path / "file", **blobs))
    assert blobs["pose"].calls == 0


def test_an_unknown_format_is_refused_and_the_known_are_listed(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"slip: unknown format; did you mean slp"):
        track_video(two_animals.path, tmp_path / "out", export=["csv", "slip"], **blobs)
    assert not (tmp_path / "out").exists()


def test_what_is_no_video_leaves_earlier_results_alone(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    track_video(two_animals.path, out, **blobs)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    two_animals.path.write_text("not a video")
    with pytest.raises(InputError, match=r"clip\.mp4"):
        track_video(two_animals.path, out, **blobs)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_a_network_that_fails_leaves_nothing(
    two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    track_video(two_animals.path, out, **blobs)
    before = {p.name: p.read_bytes() for p in out.iterdir()}

    blobs["pose"].events[blobs["pose"].calls + 20] = fail
    with pytest.raises(MemoryError):
        track_video(two_animals.path, out, **blobs)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before


def test_a_truncated_video_keeps_what_came_before(
    truncated: Path, two_animals: SimpleNamespace, blobs: Networks, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(BrokenVideoError, match=r"breaks at frame (\d+) of 46") as caught:
        track_video(truncated, out, **blobs)
    table = read_annotations(out / "cut.tracks.json")
    assert_same(table, caught.value.table)
    count = len(table.frames)
    assert 10 < count < 46
    assert f"breaks at frame {count} " in str(caught.value)
    assert f"The {count} frames before are in {out}." in str(caught.value)
    whole = track_video(two_animals.path, **blobs)
    # The decoder may differ on the last frame before the break.
    sure = count - 2
    assert_same(table.with_frames(np.arange(sure)), whole.with_frames(np.arange(sure)))
    assert len(video_frames(out / "cut.pose.mp4")) == count
    assert not list(out.glob(".*"))


# --- Several videos


def test_one_video_that_fails_does_not_stop_the_others(
    two_animals: SimpleNamespace, truncated: Path, blobs: Networks, tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("hello")
    out = tmp_path / "out"
    outcomes = list(
        track_videos([tmp_path / "no.mp4", text, truncated, two_animals.path], out, **blobs)
    )
    assert [outcome.code for outcome in outcomes] == [2, 2, 3, 0]
    assert "no.mp4: no such file" in outcomes[0].sentence
    assert f"2 animals in 46 frames; written: {out / 'clip.tracks.json'}" in outcomes[3].sentence
    for name in ("clip.csv", "clip.pose.mp4"):
        assert str(out / name) in outcomes[3].sentence
        assert (out / name).exists()


def test_boxes_go_with_one_video(
    two_animals: SimpleNamespace, truncated: Path, blobs: Networks, tmp_path: Path
) -> None:
    boxes = write_boxes(tmp_path / "b.csv", "0,10,20,30,20,1")
    with pytest.raises(InputError, match=r"--boxes .*b\.csv.* 2 videos"):
        next(track_videos([two_animals.path, truncated], tmp_path / "out", boxes=boxes, **blobs))


def test_weights_are_read_once_for_all_videos_and_again_where_they_changed(
    two_animals: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights, loaded = tmp_path / "own.safetensors", []

    def load(*arguments: Any) -> Any:
        loaded.append(arguments)
        return load_pose_model(*arguments)

    monkeypatch.setattr("aptv2.inference.pipeline.load_pose_model", load)
    options = {"pose_weights": weights, "overlay": False, "dtype": "float32"}
    weights.write_bytes(EMBEDDED.read_bytes())
    for name in ("first", "second"):
        track_video(two_animals.path, tmp_path / name, **options)
    assert len(loaded) == 1
    os.utime(weights, ns=(0, 1))
    track_video(two_animals.path, tmp_path / "third", **options)
    assert len(loaded) == 2


def test_a_thread_other_than_the_main_one_can_track(
    two_animals: SimpleNamespace, blobs: Networks
) -> None:
    tables: list[PoseTable] = []
    thread = threading.Thread(target=lambda: tables.append(track_video(two_animals.path, **blobs)))
    thread.start()
    thread.join()
    assert len(tables[0].frames) == 46
