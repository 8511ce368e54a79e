"""DeepLabCut labels. The two .h5 files beside this test were written by pandas 3.1 and PyTables."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aptv2.datasets import read_annotations, read_deeplabcut
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17

HERE = Path(__file__).parent
Write = Callable[..., Path]

# What pandas writes for the tables in the .h5 files.
SINGLE = """\
scorer,,,me,me,me,me,me,me
bodyparts,,,left_ear,left_ear,right_ear,right_ear,nose,nose
coords,,,x,y,x,y,x,y
labeled-data,vid1,img003.png,0.5,1.5,2.5,3.5,4.5,5.5
labeled-data,vid1,img007.png,6.5,7.5,,,10.5,11.5
"""
MULTI = """\
scorer,me,me,me,me,me,me,me,me,me,me
individuals,one,one,one,one,two,two,two,two,single,single
bodyparts,nose,nose,tail,tail,nose,nose,tail,tail,corner,corner
coords,x,y,x,y,x,y,x,y,x,y
labeled-data\\vid1\\img3.png,0.5,1.5,2.5,3.5,4.5,5.5,6.5,7.5,8.5,9.5
labeled-data\\vid1\\img7.png,10.5,11.5,12.5,13.5,,,,,18.5,19.5
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of labels at its place in a project."""

    def make(text: str, video: str = "vid1", name: str = "CollectedData_me.csv") -> Path:
        path = tmp_path / "project/labeled-data" / video / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_one_animal(write: Write) -> None:
    path = write(SINGLE)
    (path.parent / "img003.png").touch()
    table = read_annotations(path)
    assert table.skeleton.names == ("left_ear", "right_ear", "nose")
    assert table.skeleton.pairs == ((0, 1),)
    assert table.frames.names.tolist() == [f"labeled-data/vid1/img00{i}.png" for i in (3, 7)]
    assert table.frames.indices.tolist() == [3, 7]
    assert table.keypoints[1].tolist() == [[6.5, 7.5, 2], [0, 0, 0], [10.5, 11.5, 2]]
    assert table.tracks.tolist() == [1, 1]
    np.testing.assert_allclose(table.boxes[1], [6.1, 7.1, 4.8, 4.8], rtol=1e-6)
    assert table.root == path.parents[2]


def test_several_animals(write: Write) -> None:
    table = read_annotations(write(MULTI))
    assert table.skeleton.names == ("nose", "tail")
    assert table.frame.tolist() == [0, 0, 1]
    assert table.tracks.tolist() == [1, 2, 1]
    assert table.keypoints[1].tolist() == [[4.5, 5.5, 2], [6.5, 7.5, 2]]
    assert table.frames.names[0] == "labeled-data/vid1/img3.png"
    assert table.root is None


@pytest.mark.parametrize(("name", "text"), [("single", SINGLE), ("multi", MULTI)])
def test_h5_says_the_same(write: Write, name: str, text: str) -> None:
    pytest.importorskip("h5py")
    first, second = read_annotations(write(text)), read_annotations(HERE / f"deeplabcut_{name}.h5")
    np.testing.assert_array_equal(first.keypoints, second.keypoints)
    np.testing.assert_array_equal(first.tracks, second.tracks)
    np.testing.assert_array_equal(first.frames.names, second.frames.names)
    assert first.skeleton == second.skeleton


def test_a_project(write: Write) -> None:
    shutil.copy(HERE / "deeplabcut_single.h5", write(SINGLE).with_suffix(".h5"))
    path = write(SINGLE.replace("vid1", "vid0"), "vid0")
    project = path.parents[2]
    (path.parent / "img003.png").touch()
    (project / "config.yaml").write_text("skeleton:\n- [nose, left_ear]\n- [nose, bodypart2]\n")
    for folder in (project, project / "labeled-data"):
        table = read_annotations(folder)
        assert len(table) == 4
        assert table.frames.clips.tolist() == [1, 1, 2, 2]
        assert table.frames.names[0] == "labeled-data/vid0/img003.png"
        assert table.frame.tolist() == [0, 1, 2, 3]
        assert table.skeleton.limbs == ((2, 0),)
        assert table.root == project


def test_the_17_keypoints_are_known(write: Write) -> None:
    names = [name.title().replace("_", " ") for name in ANIMAL17.names for _ in "xy"]
    text = f"scorer{',me' * 34}\nbodyparts,{','.join(names)}\ncoords{',x,y' * 17}\n"
    table = read_annotations(write(text + f"labeled-data/v/1.png{',1,2' * 17}\n"))
    assert table.skeleton is ANIMAL17
    assert table.num_keypoints.tolist() == [17]


def test_no_image(write: Write) -> None:
    table = read_annotations(write("".join(SINGLE.splitlines(keepends=True)[:3])))
    assert (len(table), len(table.frames)) == (0, 0)
    assert len(read_annotations(write("".join(MULTI.splitlines(keepends=True)[:4])))) == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SINGLE.replace("7.5", "seven"), "image 2: 'left_ear y' is 'seven', which is no number"),
        (SINGLE.replace("7.5", "inf"), "image 2: 'left_ear y' is infinite"),
        (SINGLE.replace("7.5", "1e39"), "image 2: 'left_ear y' is infinite or beyond"),
        (SINGLE.replace("bodyparts", "parts"), "the header are scorer, parts, coords"),
        (SINGLE + "labeled-data,vid1", "row 6 is not as long as the first (cells: 2, not 9)"),
        (SINGLE.replace(",vid1,", ",..,"), "leads out of the image folder"),
        (SINGLE.replace("labeled-data", "/etc"), "leads out of the image folder"),
        (SINGLE.replace("right", "left"), "two columns have the same header"),
        (SINGLE.replace("x,y", "x,likelihood", 1), "'left_ear x' has no y beside it"),
        (SINGLE.replace("x,y", "x,z", 1), "'left_ear z' is not x, y or likelihood"),
        (SINGLE.replace("x,y,x,y,x,y", "x,x,x,y,x,y"), "two columns have the same header"),
        (SINGLE.replace(",nose,nose", ",nose,beak"), "'nose x' has no y beside it"),
        (MULTI.replace("one,one,one,one,two", "one,one,one,two,two"), "the same header"),
        (SINGLE + '"labeled', "not a valid CSV file"),
    ],
)
def test_faults_are_named(write: Write, text: str, words: str) -> None:
    path = write(text)
    with pytest.raises(InputError) as caught:
        read_annotations(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_keypoint_that_a_video_lacks_is_not_labelled_there(write: Write) -> None:
    write(SINGLE.replace("nose", "tail"), "vid2")
    with pytest.warns(UserWarning, match=r"vid2/CollectedData_me\.csv has no column of nose"):
        table = read_annotations(write(SINGLE).parents[1])
    assert table.skeleton.names == ("left_ear", "right_ear", "nose", "tail")
    assert (table.keypoints[:2, 2, 0].tolist(), table.keypoints[2:, 3, 0].tolist()) == (
        [4.5, 10.5],
        [4.5, 10.5],
    )
    assert not table.keypoints[:2, 3].any()
    assert not table.keypoints[2:, 2].any()


def test_columns_in_another_order(write: Write) -> None:
    write(
        SINGLE.replace("left_ear,left_ear", "a,a").replace("nose,nose", "left_ear,left_ear"), "v2"
    )
    table = read_annotations(write(SINGLE.replace("nose", "a"), "v1").parents[1])
    assert table.skeleton.names == ("left_ear", "right_ear", "a")
    assert table.keypoints[:, 0, 0].tolist() == [0.5, 6.5, 4.5, 10.5]
    assert table.keypoints[:, 2, 0].tolist() == [4.5, 10.5, 0.5, 6.5]


def test_an_animal_without_a_keypoint_that_another_has(write: Write) -> None:
    table = read_annotations(write(MULTI.replace("nose,nose,tail,tail,c", "nose,nose,ear,ear,c")))
    assert table.skeleton.names == ("nose", "tail", "ear")
    assert table.keypoints[1, :, 0].tolist() == [4.5, 0.0, 6.5]


def test_keypoints_of_no_animal_are_counted(write: Write) -> None:
    with pytest.warns(UserWarning, match=r"2 keypoints of no animal \(corner\) are left out"):
        read_annotations(write(MULTI))


def test_cells_parted_by_semicolons(write: Write) -> None:
    plain = read_annotations(write(SINGLE))
    german = SINGLE.replace(",", ";").replace(".5", ",5")
    table = read_annotations(write(german, name="CollectedData_me.csv"))
    assert np.array_equal(table.keypoints, plain.keypoints)


class TestTwoScorers:
    def test_the_one_of_the_project(self, write: Write) -> None:
        write(SINGLE.replace("0.5", "9.5"), name="CollectedData_you.csv")
        project = write(SINGLE).parents[2]
        (project / "config.yaml").write_text("scorer: you\n")
        with pytest.warns(UserWarning, match=r"several scorers \(me, you\); those of you"):
            table = read_annotations(project)
        assert len(table.frames) == 2
        assert table.keypoints[0, 0, 0] == 9.5

    def test_nobody_says_which(self, write: Write) -> None:
        write(SINGLE, name="CollectedData_you.csv")
        with pytest.raises(InputError, match=r"several scorers \(me, you\); give the file of one"):
            read_annotations(write(SINGLE).parents[2])


@pytest.mark.parametrize("film", ["DLC_trial.mp4", "DLC_trial.MP4", "DLC_trialDLC_x.avi"])
def test_the_video_whose_name_holds_the_mark(tmp_path: Path, film: str) -> None:
    text = "scorer,n,n\nbodyparts,a,a\ncoords,x,y\n0,1,2\n"
    path = tmp_path / f"{Path(film).stem}DLC_resnet50.csv"
    path.write_text(text)
    (tmp_path / film).touch()
    assert read_annotations(path).root == tmp_path / film


def table_layout(path: Path, header: bytes | None = None) -> None:
    """What `DataFrame.to_hdf(format="table")` writes: records, and the columns as a pickle."""
    h5py = pytest.importorskip("h5py")
    columns = [
        ("net", name, axis) for name in ("nose", "tail") for axis in ("x", "y", "likelihood")
    ]
    records = np.zeros(3, [("index", "<i8"), ("values_block_0", "<f8", (6,))])
    records["index"] = [4, 5, 9]
    records["values_block_0"] = np.arange(18).reshape(3, 6) / 18
    with h5py.File(path, "w") as file:
        group = file.create_group("df_with_missing")
        names = {1: {"names": ["scorer", "bodyparts", "coords"], "type": "MultiIndex"}}
        group.attrs["pandas_type"] = np.bytes_("frame_table")
        group.attrs["info"] = np.bytes_(pickle.dumps(names, 0))
        group.attrs["values_cols"] = np.bytes_(pickle.dumps(["values_block_0"], 0))
        table = group.create_dataset("table", data=records)
        table.attrs["values_block_0_kind"] = np.bytes_(header or pickle.dumps(columns, 0))


def test_predictions_in_the_layout_of_analyze_videos(tmp_path: Path) -> None:
    path = tmp_path / "clipDLC_net.h5"
    table_layout(path)
    table = read_annotations(path)
    assert table.skeleton.names == ("nose", "tail")
    assert table.frames.indices.tolist() == [4, 5, 9]
    assert table.keypoints.reshape(3, 6) == pytest.approx(np.arange(18).reshape(3, 6) / 18)


@pytest.mark.parametrize(
    ("header", "asks"),
    [
        (b"cos\ngetcwd\n(tR.", "GLOBAL"),
        (b"\x80\x02L99L\n.", "LONG"),
        (b"(lp0\n0(g0\ng0\ntb.", "POP"),
    ],
)
def test_a_header_that_is_a_pickle_of_more_than_names(
    tmp_path: Path, header: bytes, asks: str
) -> None:
    path = tmp_path / "CollectedData_me.h5"
    table_layout(path, header)
    with pytest.raises(InputError, match=rf"asks for {asks}, .*give the \.csv beside it"):
        read_annotations(path)


def test_small_numbers_that_become_large_in_memory(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "CollectedData_me.h5"
    shutil.copy(HERE / "deeplabcut_multi.h5", path)
    with h5py.File(path, "a") as file:
        group = file["df_with_missing"]
        del group["block0_values"]
        # 200 MB as they lie there, 1.6 GB as float64; on the disk there is nothing.
        group.create_dataset("block0_values", (20_000_000, 10), "i1", chunks=True)
    with pytest.raises(InputError, match=r"'.*block0_values' holds more than a gigabyte"):
        read_annotations(path)


def test_many_times_the_size_of_the_file(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "CollectedData_me.h5"
    shutil.copy(HERE / "deeplabcut_multi.h5", path)
    with h5py.File(path, "a") as file:
        file.create_dataset("x", (10_000_000,), "f8", chunks=True, compression="gzip")
    with pytest.raises(InputError, match=r"its \d+ bytes would become 80\d+"):
        read_annotations(path)


def test_groups_in_groups(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "CollectedData_me.h5"
    shutil.copy(HERE / "deeplabcut_multi.h5", path)
    with h5py.File(path, "a") as file:
        file.create_group("/".join("x" * 40))
    with pytest.raises(InputError, match="more groups, or deeper ones"):
        read_annotations(path)


def test_an_array_that_claims_to_be_huge(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "CollectedData_me.h5"
    shutil.copy(HERE / "deeplabcut_multi.h5", path)
    with h5py.File(path, "a") as file:
        del file["df_with_missing/block0_values"]
        file["df_with_missing"].create_dataset("block0_values", (10**9, 10), "f8", chunks=True)
    with pytest.raises(InputError, match=r"'.*block0_values' holds more than a gigabyte"):
        read_annotations(path)


def test_no_labels(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no CollectedData_\*\.csv"):
        read_deeplabcut(tmp_path)
