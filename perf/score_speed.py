"""Time to score a table of APTv2 val's size, against pycocotools, in one run.

The table is made up: 11,315 animals of 30 species in 5,500 frames (what is annotated of val; its
file lists all 41,179 images of the release, which costs pycocotools seven times as much and us
nothing), and predictions of them, good to bad. Two comparisons, round by round in turn:

- tables: `aptv2.score_keypoints(truth, predictions)`, which gives AP by species, by family, pooled
  and without limit, against `COCOeval`'s evaluate, accumulate and summarize for the ten numbers
  alone, everything loaded;
- files: the same two from the JSON files on.

    python perf/score_speed.py [--rounds 5]
"""

from __future__ import annotations

import contextlib
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import machine, markdown, parser
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

import aptv2
from aptv2.export import write_coco, write_coco_results
from aptv2.species import SPECIES
from aptv2.tables import Frames, PoseTable

ANIMALS, FRAMES, PER_CLIP = 11_315, 5_500, 15
RESAMPLES = 1000


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    rounds = arguments.parse_args().rounds
    truth, found = tables()
    with tempfile.TemporaryDirectory() as folder:
        files = Path(folder, "truth.json"), Path(folder, "predictions.json")
        write_coco(truth, files[0])
        write_coco_results(found, files[1])
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO(str(files[0]))
            results = coco.loadRes(str(files[1]))
        ours = aptv2.score_keypoints(truth, found)["AP"]
        theirs = pycocotools_ap(coco, results)
        times: dict[str, list[float]] = {}
        for _ in range(rounds):
            for name, work in (
                ("tables", lambda: aptv2.score_keypoints(truth, found)),
                ("pycocotools", lambda: pycocotools_ap(coco, results)),
                ("files", lambda: aptv2.score_keypoints(*files)),
                ("pycocotools, files", lambda: pycocotools_from_files(*files)),
                ("intervals", lambda: aptv2.score_keypoints(truth, found, resamples=RESAMPLES)),
                ("as the test", lambda: aptv2.score_keypoints(truth, found, True, True)),
            ):
                times.setdefault(name, []).append(seconds(work))
    rows = [
        row("score_keypoints of tables", times["tables"], times["pycocotools"]),
        row("pycocotools, loaded", times["pycocotools"], times["pycocotools"]),
        row("score_keypoints of files", times["files"], times["pycocotools, files"]),
        row("pycocotools of files", times["pycocotools, files"], times["pycocotools, files"]),
        row("tables, rescored and OKS-NMS", times["as the test"], times["pycocotools"]),
        row(f"tables, {RESAMPLES} resamples", times["intervals"], times["pycocotools"]),
    ]
    header = ["", "seconds, median", "lowest", "highest", "pycocotools / it", "lowest", "highest"]
    print(markdown(header, rows))
    print(f"\nAP {ours:.12f}, pycocotools {theirs:.12f}. {rounds} rounds. {machine()}")


def tables() -> tuple[PoseTable, PoseTable]:
    """Annotations and predictions."""
    rng = np.random.default_rng(0)
    clips = np.arange(FRAMES) // PER_CLIP
    more = ANIMALS - FRAMES
    frame = np.sort(np.concatenate([np.arange(FRAMES), rng.choice(FRAMES, more)]))
    species = (clips % len(SPECIES) + 1)[frame]
    sides = rng.uniform(40, 500, (ANIMALS, 2))
    corners = rng.uniform(0, 1400, (ANIMALS, 2))
    points = corners[:, None] + rng.random((ANIMALS, 17, 2)) * sides[:, None]
    visible = 2 * (rng.random((ANIMALS, 17, 1)) < 0.8) * (rng.random((ANIMALS, 1, 1)) < 0.91)
    truth = PoseTable.make(
        Frames.make(names=[f"{row:05d}.jpg" for row in range(FRAMES)], clips=clips),
        frame,
        boxes=np.concatenate([corners, sides], axis=1),
        keypoints=np.concatenate([points * (visible > 0), visible], axis=2),
        species=species,
        areas=sides.prod(axis=1),
        categories=dict(enumerate(SPECIES, 1)),
    )
    real = truth[truth.num_keypoints > 0]
    size = np.sqrt(real.areas)[:, None, None] * rng.choice([0.01, 0.04, 0.1], (len(real), 1, 1))
    shaken = real.keypoints[:, :, :2] + size * rng.normal(0, 1, (len(real), 17, 2))
    keypoints = np.concatenate([shaken, rng.random((len(real), 17, 1))], axis=2)
    found = replace(
        real,
        keypoints=keypoints.astype(np.float32),
        scores=rng.random(len(real)).astype(np.float32),
        areas=np.full(len(real), np.nan, np.float32),
    )
    return truth, found


def pycocotools_ap(coco: COCO, results: COCO) -> float:
    """AP by pycocotools with the sigmas of animals."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(coco, results, "keypoints")
        evaluation.params.kpt_oks_sigmas = np.array(aptv2.ANIMAL17.sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def pycocotools_from_files(truth: Path, predictions: Path) -> float:
    """The same, from files."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(truth))
        results = coco.loadRes(str(predictions))
    return pycocotools_ap(coco, results)


def seconds(work: Callable[[], object]) -> float:
    """Wall time of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def row(name: str, times: list[float], reference: list[float]) -> list[object]:
    """A line of the table: seconds, and how much faster than the reference."""
    ratios = [slow / fast for fast, slow in zip(times, reference, strict=True)]
    numbers = [
        *(statistics.median(times), min(times), max(times)),
        *(statistics.median(ratios), min(ratios), max(ratios)),
    ]
    return [name, *numbers]


if __name__ == "__main__":
    main()
