"""Tracks -> files of other tools -> tracks: what a format keeps comes back, whatever the tracks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aptv2.datasets import read_annotations
from aptv2.export import FORMATS, write
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import Frames, PoseTable

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8
).filter(lambda name: name.strip() == name)


@st.composite
def skeletons(draw: st.DrawFn) -> Skeleton:
    if draw(st.booleans()):
        return ANIMAL17
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    limbs = ((0, 1),) if draw(st.booleans()) else ()
    return Skeleton(("nose, the tip", *(f"{i} {name}" for i, name in enumerate(names))), limbs)


@st.composite
def tracked(draw: st.DrawFn, most: int = 5) -> PoseTable:
    """Predictions of a video: tracks that begin late, have gaps, miss keypoints."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    skeleton = draw(skeletons())
    numbers = draw(st.lists(st.integers(1, 10**6), min_size=1, max_size=most, unique=True))
    count = draw(st.integers(1, 12))
    fps = draw(st.sampled_from([25.0, 30000 / 1001, 59.94]))
    there = rng.random((count, len(numbers))) < 0.7
    for place in range(len(numbers)):
        there[: rng.integers(count), place] = False
    there[-1] = True
    frame, place = np.nonzero(there)
    keypoints = rng.random((len(frame), len(skeleton), 3)) * [1920, 1080, 1]
    keypoints[:, :, 2] = np.maximum(keypoints[:, :, 2], 0.01)
    keypoints[rng.random(keypoints.shape[:2]) < 0.3] = 0
    keypoints[:, 0, 2] = np.maximum(
        keypoints[:, 0, 2], 0.5
    )  # DeepLabCut has no animal without keypoints
    return PoseTable.make(
        Frames.make(
            indices=np.arange(count),
            times=np.arange(count) / fps,
            sizes=np.tile([1920, 1080], (count, 1)),
        ),
        frame,
        boxes=np.column_stack([rng.random((len(frame), 2)) * 100, np.full((len(frame), 2), 50)]),
        keypoints=keypoints,
        scores=rng.random(len(frame)),
        tracks=np.array(numbers)[place],
        skeleton=skeleton,
        root=Path("videos/clip, ü.mp4"),
    )


def keyed(table: PoseTable) -> dict[tuple[int, int], int]:
    """(frame number, track) -> row."""
    indices = table.frames.indices[table.frame].tolist()
    return {key: row for row, key in enumerate(zip(indices, table.tracks.tolist(), strict=True))}


def assert_same(found: PoseTable, table: PoseTable, atol: float, tracks: bool = True) -> None:
    """The same keypoints for the same animals in the same frames."""
    assert found.skeleton.names == table.skeleton.names
    if not tracks:
        found = PoseTable.make(
            found.frames,
            found.frame,
            keypoints=found.keypoints,
            tracks=np.full(len(found), table.tracks[0]),
            skeleton=found.skeleton,
        )
    new, old = keyed(found), keyed(table)
    assert new.keys() == old.keys()
    assert len(new) == len(found)
    rows = [new[key] for key in old]
    keypoints = np.where(table.keypoints[:, :, 2:] > 0, table.keypoints, 0)
    np.testing.assert_allclose(found.keypoints[rows], keypoints, rtol=0, atol=atol)


@pytest.mark.parametrize(
    ("format", "module"), [("dlc", "tables"), ("dlc-csv", "csv"), ("slp", "sleap_io")]
)
def test_names_of_animals_come_back(format: str, module: str, tmp_path: Path) -> None:
    pytest.importorskip(module)
    table = PoseTable.make(
        Frames.make(indices=[0]),
        [0, 0, 0],
        keypoints=np.full((3, 17, 3), 0.5),
        tracks=[2, 3, 7],
        names={2: "Flora", 3: "Bella, the old"},
        root=Path("clip.mp4"),
    )
    found = read_annotations(write(table, format, tmp_path, "clip"))
    assert found.tracks.tolist() == [1, 2, 7]
    assert found.names == {1: "Flora", 2: "Bella, the old"}


@pytest.mark.parametrize(
    ("format", "module", "atol"),
    [("dlc", "tables", 1e-4), ("dlc-csv", "csv", 1e-4), ("slp", "sleap_io", 1e-4)],
)
@settings(max_examples=10)
@given(data=st.data())
def test_tracks_come_back(format: str, module: str, atol: float, data: st.DataObject) -> None:
    pytest.importorskip(module)
    table = data.draw(tracked())
    with tempfile.TemporaryDirectory() as folder:
        found = read_annotations(write(table, format, folder, "clip, ü"))
    # DeepLabCut's files of one animal do not name it.
    named = format == "slp" or len(np.unique(table.tracks)) > 1
    assert_same(found, table, atol, named)
    assert not np.isnan(found.scores).any()
    if format == "slp":
        rows = [keyed(found)[key] for key in keyed(table)]
        np.testing.assert_allclose(found.scores[rows], table.scores, rtol=1e-6)
        times = table.frames.times[table.frame]
        many = len(table.frames) > 1  # one frame has no rate
        if many:
            np.testing.assert_allclose(found.frames.times[found.frame][rows], times, atol=1e-9)
        assert (found.frames.sizes == [1920, 1080]).all()
        assert found.skeleton.limbs == table.skeleton.limbs
        assert found.skeleton.pairs == table.skeleton.pairs
    else:
        assert found.frames.indices.tolist() == table.frames.indices.tolist()


def crowd() -> PoseTable:
    """53 animals in 10 frames; the last ten join in frame 5."""
    rng = np.random.default_rng(0)
    there = np.ones((10, 53), bool)
    there[:5, 43:] = False
    frame, track = np.nonzero(there)
    keypoints = rng.random((len(frame), 17, 3)) * [1280, 720, 0.9] + [0, 0, 0.05]
    keypoints[rng.random((len(frame), 17)) < 0.2] = 0
    frames = Frames.make(indices=np.arange(10), times=np.arange(10) / 30)
    scores = rng.random(len(frame))
    return PoseTable.make(frames, frame, keypoints=keypoints, scores=scores, tracks=track + 1)


@pytest.mark.parametrize(
    ("format", "module"), [("dlc", "tables"), ("dlc-csv", "csv"), ("slp", "sleap_io")]
)
def test_53_animals(format: str, module: str, tmp_path: Path) -> None:
    pytest.importorskip(module)
    assert_same(read_annotations(write(crowd(), format, tmp_path, "herd")), crowd(), 1e-4)


@pytest.mark.parametrize("module", ["pyarrow"])
@settings(max_examples=10)
@given(table=tracked())
def test_parquet_holds_the_keypoints(module: str, table: PoseTable) -> None:
    pytest.importorskip(module)
    from pyarrow import parquet

    with tempfile.TemporaryDirectory() as folder:
        columns = parquet.read_table(write(table, "parquet", folder, "clip")).to_pydict()
    keys = list(zip(columns["frame"], columns["track_id"], columns["keypoint"], strict=True))
    assert len(set(keys)) == len(keys) == len(table) * len(table.skeleton)
    found = dict(
        zip(keys, zip(columns["keypoint_x"], columns["keypoint_score"], strict=True), strict=True)
    )
    for row in range(len(table)):
        for name, (x, _, score) in zip(
            table.skeleton.names, table.keypoints[row].tolist(), strict=True
        ):
            expected = (x, score) if score > 0 else (None, 0.0)
            assert found[int(table.frame[row]), int(table.tracks[row]), name] == expected
    assert np.allclose(columns["time"], table.frames.times[np.array(columns["frame"])])


def test_a_person_s_labels_and_predictions_are_told_apart(tmp_path: Path) -> None:
    pytest.importorskip("sleap_io")
    from aptv2.datasets import read_sleap

    keypoints = [[[1, 2, 2], [3, 4, 1], [0, 0, 0]], [[5, 6, 0.5], [7, 8, 0.25], [0, 0, 0]]]
    skeleton = Skeleton(("nose", "left_ear", "right_ear"), ((0, 1),))
    frames = Frames.make(indices=[3, 9])
    scores, tracks = [np.nan, 0.75], [2, 5]
    table = PoseTable.make(
        frames, [0, 1], keypoints=keypoints, scores=scores, tracks=tracks, skeleton=skeleton
    )
    path = write(table, "slp", tmp_path, "clip")
    labels = read_annotations(path)
    assert labels.keypoints.tolist() == keypoints[:1]
    assert labels.frames.indices.tolist() == [3]
    assert np.isnan(labels.scores).all()
    assert read_sleap(path, predictions=True).tracks.tolist() == [2, 5]
    predicted = write(table[1:], "slp", tmp_path, "predicted")
    assert read_annotations(predicted).scores.tolist() == [0.75]
    assert len(read_sleap(predicted, predictions=False)) == 0


def test_what_sleap_io_corrects_is_read_as_labels(tmp_path: Path) -> None:
    """A person moves one keypoint of one animal in SLEAP; the other animals stay predictions."""
    sleap_io = pytest.importorskip("sleap_io")
    path = write(crowd(), "slp", tmp_path, "herd")
    labels = sleap_io.load_slp(str(path), open_videos=False)
    predicted = labels[2].predicted_instances[7]
    points = predicted.numpy()
    points[0] = 11, 12
    corrected = sleap_io.Instance.from_numpy(
        points, predicted.skeleton, track=predicted.track, from_predicted=predicted
    )
    labels[2].instances.append(corrected)
    labels.save(str(tmp_path / "corrected.slp"), embed=False, verbose=False)
    table = read_annotations(tmp_path / "corrected.slp")
    assert (table.tracks.tolist(), table.frames.indices.tolist()) == ([8], [2])
    assert table.keypoints[0, 0].tolist() == [11, 12, 2]
    assert set(np.unique(table.keypoints[0, :, 2])) <= {0, 2}


def test_images_keep_their_names(tmp_path: Path) -> None:
    pytest.importorskip("sleap_io")
    names = ["a/img1.png", "a/img2.png", "b c/img1.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    frames = Frames.make(names=names, clips=[1, 1, 2])
    table = PoseTable.make(frames, [0, 1, 2], keypoints=np.full((3, 17, 3), 2.0), root=tmp_path)
    for format in ("slp", "dlc-csv"):
        found = read_annotations(write(table, format, tmp_path, "labels"))
        prefix = "labeled-data/" if format == "dlc-csv" else ""
        assert found.frames.names.tolist() == [prefix + name for name in names]
        assert found.frames.clips.tolist() == [1, 1, 2]
        assert np.isnan(found.scores).all()
    assert read_annotations(tmp_path / "labels.slp").root == tmp_path


def test_a_video_beside_the_file_is_its_root(tmp_path: Path) -> None:
    pytest.importorskip("sleap_io")
    (tmp_path / "clip.mp4").touch()
    keypoints = np.full((1, 17, 3), 0.5)
    for root in ("/far/away/clip.mp4", r"C:\videos\clip.mp4", "../../clip.mp4"):
        table = PoseTable.make(
            Frames.make(indices=[4]), [0], keypoints=keypoints, scores=[1], root=Path(root)
        )
        assert read_annotations(write(table, "slp", tmp_path, "any")).root == tmp_path / "clip.mp4"
    found = read_annotations(write(table, "dlc-csv", tmp_path, "clip"))
    assert found.root == tmp_path / "clip.mp4"


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "yolo"])
def test_no_animal_is_no_error(format: str, tmp_path: Path) -> None:
    for module in FORMATS[format].packages:
        pytest.importorskip(module)
    table = PoseTable.make(Frames.make(indices=[0, 1], times=[0, 0.5]), [])
    path = write(table, format, tmp_path, "clip")
    assert path.is_file()
    if format in ("dlc", "dlc-csv", "slp"):
        assert len(read_annotations(path)) == 0
