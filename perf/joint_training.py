"""Cost and gain of training tracking and pose together: two finished runs side by side.

    aptv2 train vitposetrack_s --data ../shared/data -o runs/joint
    aptv2 train vitposetrack_s --data ../shared/data -o runs/pose \\
        'stages.0.tasks={pose: {batch: 16, size: [256, 192], weight: 500}}'
    python perf/joint_training.py runs/joint runs/pose

With `seed=2` for both it is another pair. Both runs of a pair see the same pose crops in the same
order, as many a step. Tracking: the animal of each validation clip of DAVIS (`camel`, `cows`) is
followed from its first box; AO is the mean overlap (IoU) over all later frames, beside that of the
first box left where it is. Pose: AP on Animal-Pose's validation images, crops around the annotated
boxes, with flip test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from common import machine, markdown, parser, read_clip
from scenes import clip_folder

import aptv2
from aptv2.evaluation import score_keypoints, score_single_object
from aptv2.testing.boxes import annotated_boxes
from aptv2.testing.predict import predict_poses
from aptv2.training.runs import read_run

CLIPS = ("camel", "cows")


def main() -> None:
    """Print both tables."""
    arguments = parser(__doc__)
    arguments.add_argument("keypoint", type=Path, help="folder of the run that trained both")
    arguments.add_argument("pose", type=Path, help="folder of the run that trained pose alone")
    options = arguments.parse_args()
    print(markdown(["AO", *CLIPS, "mean"], tracking_rows(options.keypoint, options.data)))
    print()
    rows = [["pose and tracking", *pose_scores(options.keypoint, options.data)]]
    rows.append(["pose alone", *pose_scores(options.pose, options.data)])
    print(markdown(["AP", "all", "pooled"], rows))
    print(f"\n{machine()}")


def tracking_rows(run: Path, data: Path) -> list[list[object]]:
    """AO of the run's tracker, and of a box that never moves."""
    name, weights = trained(run)
    rows: list[list[object]] = []
    for label, tracker in (("tracked", aptv2.load_tracker(name, weights)), ("first box", None)):
        scores = []
        for clip in (read_clip(clip_folder(data, name)) for name in CLIPS):
            found = np.repeat(clip.boxes[:1], len(clip.boxes), axis=0)
            if tracker is not None:
                tracker.start(clip.frames[0], clip.boxes[:1])
                found[1:] = [tracker.step(frame)[0][0] for frame in clip.frames[1:]]
            scores.append(score_single_object(clip.boxes, found)["AO"])
        rows.append([label, *scores, float(np.mean(scores))])
    return rows


def pose_scores(run: Path, data: Path) -> list[float]:
    """AP over species and pooled, of crops around annotated boxes with flip test."""
    truth = aptv2.read_annotations(data / "animal_pose" / "val.json")
    model = aptv2.load_pose_model(*trained(run))
    scores = score_keypoints(truth, predict_poses(model, annotated_boxes(truth), flip=True))
    return [scores["AP"], scores["pooled"]["AP"]]


def trained(run: Path) -> tuple[str, Path]:
    """Name and weights of a finished run's network."""
    name = read_run(run).recipe.model.name
    return name, run / f"{name}.safetensors"


if __name__ == "__main__":
    main()
