"""Exports, opened by the tools they are for. `pip install movement` for the first tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aptv2.export import write
from aptv2.tables import Frames, PoseTable

TRACKS = [1, 2, 7]


@pytest.fixture(scope="module")
def tracks() -> PoseTable:
    """Three animals in 12 frames; one joins in frame 3, one is away in frame 4."""
    rng = np.random.default_rng(0)
    there = np.ones((12, 3), bool)
    there[:3, 2] = there[4, 1] = False
    frame, place = np.nonzero(there)
    keypoints = rng.random((len(frame), 17, 3)) * [640, 360, 0.9] + [0, 0, 0.05]
    keypoints[rng.random((len(frame), 17)) < 0.2] = 0
    sizes = np.tile([640, 360], (12, 1))
    return PoseTable.make(
        Frames.make(indices=np.arange(12), times=np.arange(12) / 30, sizes=sizes),
        frame,
        boxes=np.column_stack([place * 100, frame * 5, *np.full((2, len(frame)), 60)]),
        keypoints=keypoints,
        scores=rng.random(len(frame)),
        tracks=np.array(TRACKS)[place],
        root=Path("clip.mp4"),
    )


def expected(table: PoseTable, track: int) -> np.ndarray:
    """(frames, keypoints, 3), NaN where there is no keypoint."""
    values = np.full((len(table.frames), 17, 3), np.nan)
    rows = table.tracks == track
    keypoints = table.keypoints[rows]
    values[table.frame[rows]] = np.where(keypoints[:, :, 2:] > 0, keypoints, np.nan)
    return values


def of_movement(data: Any, individual: int, names: tuple[str, ...]) -> np.ndarray:
    """The same of a data set of movement, whose dimensions have changed their names over time."""
    keypoints = next(name for name in data.dims if name.startswith("keypoint"))
    animals = next(name for name in data.dims if name.startswith("individual"))
    data = data.isel({animals: individual}).sel({keypoints: list(names)})
    position = data.position.transpose("time", keypoints, "space").values
    scores = data.confidence.transpose("time", keypoints).values
    scores = np.where(np.isnan(position[..., 0]), np.nan, scores)  # 0 in SLEAP's files
    return np.concatenate([position, scores[..., None]], axis=2)


@pytest.mark.parametrize("only", [False, True])
@pytest.mark.parametrize("format", ["dlc", "dlc-csv", "slp", "nwb"])
def test_movement_gives_our_coordinates(
    tracks: PoseTable, format: str, only: bool, tmp_path: Path
) -> None:
    load = pytest.importorskip("movement.io.load_poses", reason="needs movement")
    numbers = [2] if only else TRACKS
    table = tracks[np.isin(tracks.tracks, numbers)]
    path = write(table, format, tmp_path, "clip")
    names = table.skeleton.names
    for place, number in enumerate(numbers):
        if format == "nwb":
            key = {} if only else {"pose_estimation_key": f"track{number}"}
            data = load.from_nwb_file(path, **key)
            assert data.attrs["fps"] == 30
        elif format == "slp":
            data = load.from_sleap_file(path, fps=30)
        else:
            data = load.from_dlc_file(path, fps=30)
        found = of_movement(data, 0 if format == "nwb" else place, names)
        np.testing.assert_allclose(found, expected(table, number), rtol=0, atol=1e-3)


def test_sleap_io_reads_slp(tracks: PoseTable, tmp_path: Path) -> None:
    sleap_io = pytest.importorskip("sleap_io", reason="needs sleap-io")
    path = write(tracks, "slp", tmp_path, "clip")
    labels = sleap_io.load_slp(str(path), open_videos=False)
    assert [track.name for track in labels.tracks] == ["track1", "track2", "track7"]
    assert labels.video.filename == "clip.mp4"
    assert tuple(labels.video.shape) == (12, 360, 640, 3)
    assert labels.skeleton.node_names == list(tracks.skeleton.names)
    assert labels.skeleton.edge_inds == list(tracks.skeleton.limbs)
    assert {frozenset(pair) for pair in labels.skeleton.symmetry_inds} == {
        frozenset(pair) for pair in tracks.skeleton.pairs
    }
    assert all(isinstance(one, sleap_io.PredictedInstance) for frame in labels for one in frame)
    found = labels.numpy(return_confidence=True)
    for place, number in enumerate(TRACKS):
        wanted = expected(tracks, number)
        np.testing.assert_allclose(found[:, place, :, :2], wanted[..., :2], atol=1e-4)


def test_pandas_reads_deeplabcut(tracks: PoseTable, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("tables", reason="needs PyTables")
    one = tracks[tracks.tracks == 2]
    for table, levels in ((tracks, 4), (one, 3)):
        frame = pandas.read_hdf(write(table, "dlc", tmp_path, "clip"))
        same = pandas.read_csv(
            write(table, "dlc-csv", tmp_path, "clip"), header=list(range(levels)), index_col=0
        )
        names = ["scorer", "individuals", "bodyparts", "coords"]
        assert list(frame.columns.names) == [n for n in names if levels == 4 or n != "individuals"]
        assert frame.index.tolist() == list(range(12))
        np.testing.assert_allclose(frame.to_numpy(), same.to_numpy(), atol=1e-6)
        assert list(frame.columns) == list(same.columns)
    found = frame["DLC_aptv2"]["nose"][["x", "y", "likelihood"]].to_numpy()
    np.testing.assert_allclose(found, expected(tracks, 2)[:, 2], atol=1e-4)


def test_deeplabcut_labels_are_named_by_folder_and_image(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    pytest.importorskip("tables", reason="needs PyTables")
    frames = Frames.make(names=["clip/img1.png", "clip/img2.png"])
    table = PoseTable.make(frames, [1], keypoints=np.full((1, 17, 3), 2.0))
    frame = pandas.read_hdf(write(table, "dlc", tmp_path, "CollectedData_"))
    assert frame.index.tolist() == [("labeled-data", "clip", f"img{i}.png") for i in (1, 2)]
    assert set(frame.columns.get_level_values("coords")) == {"x", "y"}


def test_pynwb_finds_nothing_wrong(tracks: PoseTable, tmp_path: Path) -> None:
    pynwb = pytest.importorskip("pynwb", reason="needs pynwb")
    pytest.importorskip("ndx_pose", reason="needs ndx-pose")
    path = write(tracks, "nwb", tmp_path, "clip")
    with pynwb.NWBHDF5IO(str(path), "r") as file:
        assert pynwb.validate(io=file) == []
        pose = file.read().processing["behavior"]["track7"]
        assert list(pose.skeleton.nodes) == list(tracks.skeleton.names)
        assert list(pose.source_video.external_file) == ["clip.mp4"]
        assert list(pose.source_video.dimension) == [640, 360]
        np.testing.assert_allclose(pose["nose"].timestamps[:], tracks.frames.times)


def test_pycocotools_reads_both_coco_files(tracks: PoseTable, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco", reason="needs pycocotools")
    truth = coco.COCO(str(write(tracks, "coco-keypoints", tmp_path, "clip")))
    found = truth.loadRes(str(write(tracks, "coco", tmp_path, "clip")))
    assert len(found.anns) == len(truth.anns) == len(tracks)
    for row, number in enumerate(sorted(truth.anns)):
        label = np.array(truth.anns[number]["keypoints"]).reshape(17, 3)
        shown = tracks.keypoints[row, :, 2] > 0
        assert label[:, 2].tolist() == np.where(shown, 2, 0).tolist()
        np.testing.assert_allclose(label[shown, :2], tracks.keypoints[row, shown, :2], atol=1e-3)
    assert truth.imgs[1]["file_name"] == "frame_000000.png"


def test_trackeval_reads_mot(tracks: PoseTable, tmp_path: Path) -> None:
    trackeval = pytest.importorskip("trackeval", reason="needs trackeval")
    truth, results = tmp_path / "gt/clip/gt", tmp_path / "found/aptv2/data"
    truth.mkdir(parents=True)
    results.mkdir(parents=True)
    write(tracks, "mot", results, "clip").rename(results / "clip.txt")
    lines = (results / "clip.txt").read_text().splitlines()
    # Ground truth has a flag, a class and a visibility in place of score and -1s.
    text = "".join(",".join([*line.split(",")[:6], "1,1,1"]) + "\n" for line in lines)
    (truth / "gt.txt").write_text(text)
    (truth.parent / "seqinfo.ini").write_text("[Sequence]\nname=clip\nseqLength=12\n")
    data = trackeval.datasets.MotChallenge2DBox(
        {
            "GT_FOLDER": str(tmp_path / "gt"),
            "TRACKERS_FOLDER": str(tmp_path / "found"),
            "SEQ_INFO": {"clip": 12},
            "SKIP_SPLIT_FOL": True,
            "PRINT_CONFIG": False,
            "DO_PREPROC": False,
        }
    )
    raw = data.get_raw_seq_data("aptv2", "clip")
    scores = trackeval.metrics.HOTA().eval_sequence(
        data.get_preprocessed_seq_data(raw, "pedestrian")
    )
    assert sum(len(ids) for ids in raw["tracker_ids"]) == len(tracks)
    np.testing.assert_allclose(scores["HOTA"], 1)
