"""Following several animals without knowing where they are.

Scenes whose tracks are known: validation clips side by side, and animals cut out of DAVIS clips and
pasted into other clips, where they meet, pass and hide each other (`scenes.py` says which, and
which of them training saw). Each is encoded to a video file and goes through `aptv2.track_video`
without boxes. TrackEval scores the result: HOTA, its two factors for detection and association,
IDF1, MOTA, identity switches. Beside it stand the very same detections associated by overlap alone
(`overlap_tracker.py`).

    python perf/track_many.py [--videos FOLDER]
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from common import FPS, markdown, parser
from overlap_tracker import OverlapTracker
from pasting import without_ignored
from scenes import clips_beside, pasted_scenes, write

import aptv2
from aptv2 import Frames, PoseTable
from aptv2.models.protocols import Detector

METRICS = ("HOTA", "DetA", "AssA", "IDF1", "MOTA", "id_switches")


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--videos", type=Path, help="keep the videos, and the overlays, in this folder"
    )
    options = arguments.parse_args()
    pose = aptv2.load_pose_model("lite", options.weights, dtype="auto")
    detector = aptv2.load_detector("lite", options.weights, dtype="auto")
    scenes: list[tuple[str, PoseTable]] = []
    found: list[tuple[PoseTable, PoseTable]] = []  # ours, by overlap
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.videos or Path(scratch)
        for scene in chain(clips_beside(options.data), pasted_scenes(options.data)):
            video, recorder = write(scene, folder), Recorder(detector)
            output = options.videos and folder / "tracked"
            ours = aptv2.track_video(video, output, detector=recorder, pose=pose)
            by_overlap = associate_by_overlap(recorder.found)
            scenes.append((scene.name, scene.truth))
            found.append((without_ignored(ours, scene), without_ignored(by_overlap, scene)))
    truth = join([table for _, table in scenes])
    scores = [aptv2.score_tracking(truth, join(tables)) for tables in zip(*found, strict=True)]
    rows: list[list[object]] = []
    for clip, ((name, table), both) in enumerate(zip(scenes, found, strict=True), 1):
        counts = [len(np.unique(t.tracks)) for t in (table, *both)]
        rows.append([name, *counts, *_values([score["by_clip"][clip] for score in scores])])
    totals = [sum(int(str(row[column])) for row in rows) for column in (1, 2, 3)]
    rows.append(["all", *totals, *_values(scores)])
    who = ("ours", "overlap")
    header = [f"{what} {by}" for what in ("tracks", *METRICS) for by in who]
    print(markdown(["scene", "animals", *header], rows))


class Recorder:
    """A detector that keeps what it found."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.found: list[tuple[np.ndarray, np.ndarray]] = []

    def detect_batch(self, frames: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Boxes (N, 4) and scores (N,) of each frame."""
        found = self.detector.detect_batch(frames)
        self.found += found
        return found


def associate_by_overlap(detections: Sequence[tuple[np.ndarray, np.ndarray]]) -> PoseTable:
    """Tracks of a video's detections, by overlap alone."""
    tracker = OverlapTracker(FPS)
    keys = [tracker.step(boxes, scores, np.empty(0)) for boxes, scores in detections]
    tracker.finish()
    tracks = np.concatenate([tracker.numbers(of_frame) for of_frame in keys])
    found = PoseTable.make(
        Frames.make(len(detections), indices=np.arange(len(detections))),
        np.repeat(np.arange(len(detections)), [len(of_frame) for of_frame in keys]),
        boxes=np.concatenate([boxes for boxes, _ in detections]),
        tracks=tracks,
    )
    return found[tracks > 0]


def join(tables: Sequence[PoseTable]) -> PoseTable:
    """Tables of several videos as one, the videos being clips 1, 2, 3, …"""
    lengths = [len(table.frames) for table in tables]
    starts = np.cumsum(lengths) - lengths
    frames = Frames.make(
        clips=np.repeat(np.arange(1, len(tables) + 1), lengths),
        indices=np.concatenate([table.frames.indices for table in tables]),
    )
    rows = zip(tables, starts, strict=True)
    return PoseTable.make(
        frames,
        np.concatenate([table.frame + start for table, start in rows]),
        boxes=np.concatenate([table.boxes for table in tables]),
        tracks=np.concatenate([table.tracks for table in tables]),
    )


def _values(scores: Sequence[dict[str, float]]) -> list[float]:
    return [score[metric] for metric in METRICS for score in scores]


if __name__ == "__main__":
    main()
