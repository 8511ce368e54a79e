"""Keypoint AP on validation images with their annotated boxes, and what keypoint scores mean.

Every animal of `animal_pose/val.json` and `livestock/val.json` is cut out with its annotated box
and posed; the keypoints are scored by `aptv2.score_keypoints`: COCO's AP with AP-10K's sigmas. AP
is the mean over the species, "pooled" takes all animals as one. With and without the flip test
(mirrored crops too), in float32 and in the command line's dtype ("auto": bfloat16 where the
processor has it).

Then the reliability of the scores on Animal-Pose without flip test: of the keypoints with a score
from one tenth to the next, the share that is right, which is labelled and within 0.025 of the
root of the box's area of its label. Livestock labels only the near side: there, the share
of the labelled ones.

    python perf/pose_score.py
"""

from __future__ import annotations

import itertools
from typing import Literal, get_args

import numpy as np
from common import machine, markdown, parser

import aptv2
from aptv2 import PoseTable
from aptv2 import boxes as box_tools
from aptv2.testing.predict import predict_poses

Dtype = Literal["float32", "auto"]
SETS = ("animal_pose", "livestock")
STEPS = np.linspace(0, 1, 11)
TOLERANCE = 0.025  # of an animal's size, see aptv2.codecs.Weibull


def main() -> None:
    """Print the tables."""
    arguments = parser(__doc__).parse_args()
    reliability: list[list[object]] = []
    for name in SETS:
        truth = aptv2.read_annotations(arguments.data / name / "val.json")
        rows: list[list[object]] = []
        species: list[str] = []
        for dtype in get_args(Dtype):
            model = aptv2.load_pose_model("lite", arguments.weights, dtype=dtype)
            for flip in (False, True):
                found = predict_poses(model, truth, flip)
                if dtype == "float32" and not flip:
                    reliability += reliabilities(name, truth, found)
                scores = aptv2.score_keypoints(truth, found)
                species = sorted(scores["by_species"])
                rows.append(
                    [
                        f"{dtype}, flip test" if flip else dtype,
                        *(scores[metric] for metric in ("AP", "AP50", "AP75", "AR")),
                        scores["pooled"]["AP"],
                        *(scores["by_species"][each]["AP"] for each in species),
                    ]
                )
        columns = ["AP", "AP50", "AP75", "AR", "AP pooled", *(f"AP {each}" for each in species)]
        print(markdown([name, *columns], rows))
        print(f"\n{len(truth)} animals in {len(truth.frames)} images.\n")
    print(
        markdown(["data", "keypoints", "mean score", "right", "right of the labelled"], reliability)
    )
    print(f"\n{machine()}")


def reliabilities(name: str, truth: PoseTable, found: PoseTable) -> list[list[object]]:
    """A row for each tenth of the scores: keypoints, their mean score, and how many are right."""
    labelled = truth.keypoints[:, :, 2] > 0
    sides = np.sqrt(box_tools.area(truth.boxes))[:, None]
    distance = np.linalg.norm(found.keypoints[:, :, :2] - truth.keypoints[:, :, :2], axis=2)
    right = labelled & (distance < TOLERANCE * sides)
    scores = found.keypoints[:, :, 2]
    rows: list[list[object]] = []
    for low, high in itertools.pairwise(STEPS):
        some = (scores >= low) & ((scores < high) | (high == 1))
        if some.any():
            known = right[some & labelled]
            share = float(known.mean()) if len(known) else float("nan")
            mean = float(scores[some].mean())
            title = f"{name}, {low:.1f} to {high:.1f}"
            rows.append([title, int(some.sum()), mean, float(right[some].mean()), share])
    return rows


if __name__ == "__main__":
    main()
