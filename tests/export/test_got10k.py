"""GOT-10k result folders, written and read."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from aptv2.cli.main import app
from aptv2.datasets import read_got10k
from aptv2.datasets.got10k_results import is_got10k_results, read_got10k_results
from aptv2.errors import InputError
from aptv2.evaluation import score_followed
from aptv2.export.got10k import write_got10k_results
from aptv2.tables import Frames, PoseTable


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips of GOT-10k's; in `doe` the animal is covered in the third frame."""
    for name, count in (("buck", 3), ("doe", 4)):
        folder = tmp_path / "val" / name
        folder.mkdir(parents=True)
        for number in range(count):
            (folder / f"{number + 1:08d}.jpg").touch()
        (folder / "groundtruth.txt").write_text("10,10,20,20\n" * count)
        (folder / "absence.label").write_text("0\n" * count)
        (folder / "meta_info.ini").write_text("[METAINFO]\nresolution: (100, 80)\n")
    (folder / "cover.label").write_text("8\n8\n0\n8\n")
    return tmp_path / "val"


def tracked(truth: PoseTable) -> PoseTable:
    """A box in every frame: the first as given, the others half beside the animal."""
    boxes = np.tile([20.0, 10, 20, 20], (len(truth.frames), 1))
    boxes[truth.frames.indices == 0] = [10, 10, 20, 20]
    frame = np.arange(len(truth.frames))[::-1]
    return PoseTable.make(truth.frames, frame, boxes=boxes[frame], tracks=[1] * 7, root=truth.root)


def test_there_and_back(clips: Path, tmp_path: Path) -> None:
    truth, out = read_got10k(clips), tmp_path / "results"
    write_got10k_results(tracked(truth), out, np.arange(7) / 8)
    files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.txt"))
    assert files == [
        "buck/buck_001.txt",
        "buck/buck_time.txt",
        "doe/doe_001.txt",
        "doe/doe_time.txt",
    ]
    lines = (out / "buck" / "buck_001.txt").read_text().splitlines()
    assert lines == ["10.000,10.000,20.000,20.000", *["20.000,10.000,20.000,20.000"] * 2]
    times = (out / "doe" / "doe_time.txt").read_text().splitlines()
    assert times == ["0.37500000", "0.50000000", "0.62500000", "0.75000000"]
    assert is_got10k_results(out)
    assert not is_got10k_results(clips)
    back = read_got10k_results(out, truth)
    assert back.frame.tolist() == list(range(7))
    np.testing.assert_array_equal(back.boxes, tracked(truth).boxes[::-1])
    scores = score_followed(truth, back)
    assert scores["AO"] == pytest.approx(1 / 3)
    assert scores["frames"] == 4  # without the two first and the covered one


def test_one_clip_and_lasot(clips: Path, tmp_path: Path) -> None:
    one = read_got10k(clips / "doe")
    write_got10k_results(tracked(read_got10k(clips)), tmp_path / "results")
    assert not (tmp_path / "results" / "doe" / "doe_time.txt").exists()
    assert len(read_got10k_results(tmp_path / "results", one)) == 4
    named = Frames.make(names=["deer/deer-1/img/1.jpg"], clips=[1], indices=[0])
    lasot = PoseTable.make(named, [0], boxes=[[1, 2, 3, 4]], tracks=[1])
    write_got10k_results(lasot, tmp_path / "lasot")
    assert (tmp_path / "lasot" / "deer-1" / "deer-1_001.txt").is_file()


def test_the_command(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "results"
    write_got10k_results(tracked(read_got10k(clips)), out)
    result = CliRunner().invoke(app, ["score", str(clips), str(out)])
    assert result.exit_code == 0, result.output
    header, row = result.stdout.splitlines()
    assert header.split()[3:] == ["AO", "SR50", "SR75", "success", "prec.", "n.prec."]
    assert row.split()[:7] == ["2", "in", "4", "frames", "33.3", "0.0", "0.0"]


def test_what_is_wrong_is_one_sentence(clips: Path, tmp_path: Path) -> None:
    truth, out = read_got10k(clips), tmp_path / "results"
    write_got10k_results(tracked(truth), out)
    file = out / "doe" / "doe_001.txt"

    def sentence(text: str) -> str:
        file.write_text(text)
        result = CliRunner().invoke(app, ["score", str(clips), str(out)])
        assert result.exit_code == 2
        assert len(result.stderr.strip().splitlines()) == 1
        return result.stderr

    good = "1,2,3,4\n"
    for text in (good, good * 3, good * 5):
        assert f"doe_001.txt: lines {len(text) // 8}, " in sentence(text)
    assert "doe_001.txt: line 2 does not hold 4 finite numbers" in sentence(good + "1,2,3\n" * 3)
    assert "doe_001.txt: line 4 does not hold 4" in sentence(good * 3 + "nan,nan,nan,nan\n")
    assert "doe_001.txt: line 1 has a negative size" in sentence("1,2,-3,4\n" + good * 3)
    file.unlink()
    with pytest.raises(InputError, match=r"has no doe/doe_001\.txt"):
        read_got10k_results(out, truth)
    (clips / "doe" / "groundtruth.txt").write_text("1,2,3,4\n1,2,3\n")
    with pytest.raises(InputError, match=r"groundtruth\.txt: line 2"):
        read_got10k(clips)


def test_what_cannot_be_written(clips: Path, tmp_path: Path) -> None:
    truth, out = read_got10k(clips), tmp_path / "results"
    with pytest.raises(InputError, match="clip doe has frames without a box or with several"):
        write_got10k_results(tracked(truth)[1:], out)
    assert not out.exists()
    shutil.copytree(clips, clips.parent / "both" / "val")
    shutil.copytree(clips, clips.parent / "both" / "train")
    twice = read_got10k(clips.parent / "both")
    with pytest.raises(InputError, match="two clips are called buck"):
        write_got10k_results(twice, out)
    pair = PoseTable.make(truth.frames, [0, 0], boxes=[[1, 2, 3, 4]] * 2, tracks=[1, 2])
    write_got10k_results(tracked(truth), out)
    with pytest.raises(InputError, match="clip buck has 2 animals"):
        read_got10k_results(out, pair)
