"""Keypoint AP on Animal-Pose's validation images with their annotated boxes.

Every animal of `animal_pose/val.json` is cut out with its annotated box and posed; the keypoints
are scored by `aptv2.score_keypoints`: COCO's AP with AP-10K's sigmas. AP is the mean over the
species, "pooled" takes all animals as one. With and without the flip test (mirrored crops too), in
float32 and in the command line's dtype ("auto": bfloat16 where the processor has it).

    python perf/pose_score.py
"""

from __future__ import annotations

from typing import Literal, get_args

from common import machine, markdown, parser

import aptv2
from aptv2.testing.predict import predict_poses

Dtype = Literal["float32", "auto"]


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__).parse_args()
    truth = aptv2.read_annotations(arguments.data / "animal_pose" / "val.json")
    rows: list[list[object]] = []
    species: list[str] = []
    for dtype in get_args(Dtype):
        model = aptv2.load_pose_model("lite", arguments.weights, dtype=dtype)
        for flip in (False, True):
            scores = aptv2.score_keypoints(truth, predict_poses(model, truth, flip))
            species = sorted(scores["by_species"])
            rows.append(
                [
                    f"{dtype}, flip test" if flip else dtype,
                    *(scores[name] for name in ("AP", "AP50", "AP75", "AR")),
                    scores["pooled"]["AP"],
                    *(scores["by_species"][name]["AP"] for name in species),
                ]
            )
    header = ["lite", "AP", "AP50", "AP75", "AR", "AP pooled", *(f"AP {name}" for name in species)]
    print(markdown(header, rows))
    print(f"\n{len(truth)} animals in {len(truth.frames)} images. {machine()}")


if __name__ == "__main__":
    main()
