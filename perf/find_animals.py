"""Finding animals without boxes: in pictures, beside YOLOX-nano, and in clips.

Pictures: average precision of the boxes, one class, over ten overlaps (AP) and at 0.5 and 0.75, on
`wildlife_boxes/val.json` and `animal_pose/val.json` (some of whose animals have no box); the share
of animals found above the score from which a track begins; and the false alarms above it, for 50
pictures of `no_animals` that no training saw (every fourth). YOLOX-nano runs at 416 px in ONNX
Runtime, both on one thread.

`aptv2.track_video` runs on the frames of the validation clips camel and cows. The animal is found
in a frame where a box overlaps its true box by an IoU of at least 0.5; "one number" counts only
the track that does so most often. `camel` shows a second, unannotated camel, which rightly is a
track of its own. Then the tracks of all clips are listed, `clips/dog_and_person.mp4` among them:
the dog should be one, the person none. With --sheets, contact sheets of the overlays are written,
to look at.

    python perf/find_animals.py [--sheets FOLDER]
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from box_scores import Detector, average_precisions, false_alarms, recall_above
from common import machine, markdown, parser
from PIL import Image
from scenes import clip_folder
from yolox import YoloxNano

import aptv2
from aptv2 import PoseTable
from aptv2 import boxes as box_tools
from aptv2.drawing import Trails, contact_sheet, draw_overlay
from aptv2.images import read_image
from aptv2.video.reader import open_video
from aptv2.video.sources import images_in

CLIPS = ("camel", "cows")
VIDEOS = ("dog_and_person.mp4",)
PICTURES = ("wildlife_boxes/val.json", "animal_pose/val.json")
HELD_OUT = 4  # of so many pictures of no_animals, the last; recipes leave it out
BIRTH = 0.35  # score from which a track begins
FOUND = 0.5  # overlap with the true box
SHEET_FRAMES, SHEET_COLUMNS, SHEET_WIDTH = 24, 4, 2400
STEP = 4  # every so many frames on the sheets


def main() -> None:
    """Print the tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--sheets", type=Path, help="folder for contact sheets of the overlays")
    options = arguments.parse_args()
    pose = aptv2.load_pose_model("lite", options.weights, dtype="auto")
    detector = aptv2.load_detector("lite", options.weights, dtype="auto")
    print_pictures(options.data, options.weights)
    rows: list[list[object]] = []
    listed: list[list[object]] = []
    for name in CLIPS:
        folder = clip_folder(options.data, name)
        found = aptv2.track_video(folder, detector=detector, pose=pose)
        anyhow, best, track = shares_found(aptv2.read_annotations(folder), found)
        tracks = len(np.unique(found.tracks))
        rows.append([name, len(found.frames), anyhow, best, track, tracks])
        listed += [[name, *row] for row in list_tracks(found)]
        _write_sheets(options.sheets, folder, found)
    for name in VIDEOS:
        video = options.data / "clips" / name
        found = aptv2.track_video(video, detector=detector, pose=pose)
        listed += [[name, *row] for row in list_tracks(found)]
        _write_sheets(options.sheets, video, found)
    print(markdown(["clip", "frames", "found", "one number", "number", "tracks"], rows))
    print()
    header = ["clip", "track", "frames", "first", "last", "mean score", "mean width and height"]
    print(markdown(header, listed))


def print_pictures(data: Path, weights: str | None) -> None:
    """Print how well boxes are found in pictures, and how often where there is nothing."""
    torch.set_num_threads(1)
    detectors: dict[str, Detector] = {
        "lite": aptv2.load_detector("lite", weights, dtype="auto"),
        "YOLOX-nano": YoloxNano(data.parent / "baselines/yolox_nano/yolox_nano.onnx"),
    }
    empty = images_in(data / "no_animals" / "images")[HELD_OUT - 1 :: HELD_OUT]
    rows: list[list[object]] = []
    for name in PICTURES:
        table = aptv2.read_annotations(data / name)
        root, count = Path(table.root or "."), len(table.frames)
        frames = [read_image(root / each) for each in table.frames.names]
        truth = [table.boxes[table.rows_of(frame)] for frame in range(count)]
        for title, detector in detectors.items():
            start = time.perf_counter()
            found = [detector.detect(frame) for frame in frames]
            seconds = (time.perf_counter() - start) / count
            scores = average_precisions(found, truth)
            recall = recall_above(found, truth, BIRTH)
            means = [float(scores.mean()), float(scores[0]), float(scores[5]), recall]
            rows.append([name, title, *means, f"{1e3 * seconds:.0f}"])
    header = ["pictures", "detector", "AP", "AP50", "AP75", f"found above {BIRTH}", "ms"]
    print(markdown(header, rows))
    alarms = [
        [title, false_alarms(detector, (read_image(file) for file in empty), BIRTH)]
        for title, detector in detectors.items()
    ]
    print()
    print(markdown(["detector", f"false boxes above {BIRTH} in 50 pictures"], alarms))
    print(f"\n{len(empty)} pictures without animals. {machine()}\n")


def shares_found(truth: PoseTable, found: PoseTable) -> tuple[float, float, int]:
    """Share of frames in which the animal is found, under any number, under one, and which one."""
    hits: list[np.ndarray] = []
    for frame in range(len(truth.frames)):
        rows = found.rows_of(frame)
        overlap = box_tools.iou(truth.boxes[truth.rows_of(frame)], found.boxes[rows])[0]
        hits.append(found.tracks[rows][overlap >= FOUND])
    tracks, counts = np.unique(np.concatenate(hits), return_counts=True)
    if not len(tracks):
        return 0.0, 0.0, -1
    anyhow = np.mean([len(hit) > 0 for hit in hits])
    return float(anyhow), float(counts.max() / len(hits)), int(tracks[counts.argmax()])


def list_tracks(found: PoseTable) -> list[list[object]]:
    """For each track: its number, frames, first and last frame, mean score, mean size."""
    rows: list[list[object]] = []
    for track in np.unique(found.tracks):
        part = found[found.tracks == track]
        at = found.frames.indices[part.frame]
        width, height = part.boxes[:, 2:].mean(axis=0)
        score, size = float(part.scores.mean()), f"{width:.0f} x {height:.0f}"
        rows.append([track, len(part), at.min(), at.max(), score, size])
    return rows


def _write_sheets(folder: Path | None, source: Path, found: PoseTable) -> None:
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    video = open_video(source)
    trails = Trails(fps=video.fps)
    overlays: list[np.ndarray] = []
    for index, _, image in video:
        part = found[found.rows_of(index)]
        trails.update(part.tracks, part.boxes)
        if index % STEP == 0:
            columns = part.boxes, part.keypoints, part.tracks, part.scores
            overlays.append(draw_overlay(image, *columns, trails=trails))
    for start in range(0, len(overlays), SHEET_FRAMES):
        page = contact_sheet(overlays[start : start + SHEET_FRAMES], SHEET_COLUMNS, SHEET_WIDTH)
        path = folder / f"{video.name}-{start * STEP:04d}.png"
        Image.fromarray(page).save(path)


if __name__ == "__main__":
    main()
