"""A release of APTv2's full size: it loads fast, its numbers are the published, no clip is torn."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import release_clips

from aptv2.datasets import read_aptv2, splits
from aptv2.datasets.check import Report, check_data
from aptv2.species import BENCHMARK_FAMILIES
from aptv2.tables import PoseTable

pytestmark = pytest.mark.slow

# CPU time, since a busy machine is no failure of the reader.
MEASURE = r"""
import json, re, sys, time
from pathlib import Path
import aptv2.datasets
start = time.process_time()
table = aptv2.datasets.read_annotations(sys.argv[1])
seconds = time.process_time() - start
# Not ru_maxrss: that begins with the memory of the process that started this one.
peak = int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps([len(table), len(table.frames), seconds, peak]))
"""


@pytest.fixture(scope="module")
def table(full_release: Path) -> PoseTable:
    return read_aptv2(full_release)


@pytest.fixture(scope="module")
def report(full_release: Path) -> Report:
    return check_data(full_release, images=False)


def clips(table: PoseTable) -> set[int]:
    return set(splits.clips_of(table)[table.frame].tolist())


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured as Linux tells it")
@pytest.mark.parametrize(
    ("file", "animals"), [(".", 84_611), ("annotations/train_annotations.json", 58_029)]
)
def test_it_loads_within_3_seconds_and_a_gigabyte(
    full_release: Path, file: str, animals: int
) -> None:
    command = [sys.executable, "-c", MEASURE, str(full_release / file)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, frames, seconds, megabytes = json.loads(result.stdout)
    assert (rows, frames) == (animals, 41_179)
    assert seconds < 3, f"{seconds:.2f} s"
    assert megabytes < 1024, f"{megabytes:.0f} MB"


def test_every_published_total_is_found(report: Report) -> None:
    assert {t.what: t.found for t in report.totals} == {t.what: t.published for t in report.totals}
    assert len(report.totals) == 45 + 2 * 30
    assert not report.lost


def test_the_dirt_is_as_released(report: Report) -> None:
    counts = {finding.title: finding.count for finding in report.findings}
    assert counts == {
        "animal without keypoints": 4_725 + 997 + 1_387,
        "wrong num_keypoints, which is never read": 150,
        "species whose folders are spelled in several ways": 2,
        "annotation folder of APTv2 that is missing": 3,
        "annotation file of another size than published": 3,  # generated ones are
    }


def test_counts_of_the_table(table: PoseTable) -> None:
    clip = table.frames.clips[table.frame]
    lengths = Counter(zip(clip.tolist(), table.tracks.tolist(), strict=True))
    assert (len(table), len(table.frames), len(set(clip.tolist()))) == (84_611, 41_179, 2_749)
    assert (len(lengths), max(lengths.values())) == (5_974, 30)
    assert sum(length >= 16 for length in lengths.values()) == 47
    assert np.median(list(lengths.values())) == 15
    assert np.bincount(table.frame).max() == 53
    easy, hard = (splits.subset(table, one) for one in splits.DIFFICULTIES)
    crowding = [len(part) / len(np.unique(part.frame)) for part in (easy, hard)]
    assert crowding == pytest.approx([1.1, 3.4], abs=0.05)


def test_easy_and_hard_tear_no_clip(table: PoseTable) -> None:
    easy, hard = (splits.subset(table, one) for one in splits.DIFFICULTIES)
    assert len(easy) + len(hard) == len(table)
    assert not clips(easy) & clips(hard)


@pytest.mark.parametrize("name", BENCHMARK_FAMILIES)
def test_leaving_a_family_out_tears_no_clip(table: PoseTable, name: str) -> None:
    """On train, val and test together, the hardest case."""
    training, held_out = splits.without_family(table, name), splits.of_family(table, name)
    species = {table.categories[key] for key in np.unique(held_out.species).tolist()}
    assert species == release_clips.FAMILIES[name]
    assert len(training) + len(held_out) == len(table)
    assert not clips(training) & clips(held_out)
    easy = splits.subset(training, "easy")
    assert 0 < len(easy) < len(training)


def test_made_splits_are_near_seven_one_two(table: PoseTable) -> None:
    parts = splits.split_by_clip(table)
    counts = [len(clips(part)) for part in parts]
    assert sum(counts) == 2_749
    assert np.array(counts) / 2_749 == pytest.approx([0.7, 0.1, 0.2], abs=0.01)
    for part, share in zip(parts, (0.7, 0.1, 0.2), strict=True):
        assert len(np.unique(part.species)) == 30
        assert len(part) / len(table) == pytest.approx(share, abs=0.05)


def test_few_shots(table: PoseTable) -> None:
    for count in (5, 10):
        assert len(clips(splits.few_clips(table, count))) == 30 * count
        assert len(splits.few_animals(table, count)) == 30 * count
