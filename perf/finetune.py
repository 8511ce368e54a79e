"""What fine-tuning on 100 labelled images gives: AP before and after, of known and of new
keypoints.

    python perf/finetune.py [KEY=VALUE ...]

Images of Animal-Pose's val, which the embedded network has not seen, are labels of one's own here:
seven keypoints, of which the network knows three by name. It learns from 100 images, picked at
random, by the recipe finetune with the given changes, and is scored on the rest with flip test.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from common import machine, markdown, parser

from aptv2.datasets.animal_pose import read_animal_pose
from aptv2.evaluation import score_keypoints
from aptv2.export import write_coco
from aptv2.models import load_pose_model
from aptv2.models.lite.transfer import namesakes
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import PoseTable
from aptv2.testing.boxes import annotated_boxes
from aptv2.testing.predict import predict_poses
from aptv2.training import read_recipe
from aptv2.training.data.sources import Sources
from aptv2.training.networks import build_network
from aptv2.training.trainer import train
from aptv2.weights import write_weights

RECIPE = Path(__file__).parents[1] / "aptv2" / "recipes" / "finetune.yaml"
# Keypoints of Animal-Pose, and what a laboratory may call them.
KEYPOINTS = {
    "nose": "Nose",
    "left_ear": "earL",
    "right_ear": "earR",
    "withers": "Withers",
    "tailbase": "TailBase",
    "left_front_paw": "left front paw",
    "right_front_paw": "right front paw",
}


def own_labels(source: Path, folder: Path, images: int, seed: int) -> None:
    """Write train.json, with so many images, and val.json, with the rest."""
    table = read_animal_pose(source)
    columns = [table.skeleton.names.index(name) for name in KEYPOINTS]
    skeleton = Skeleton(tuple(KEYPOINTS.values()), pairs=((1, 2), (5, 6)))
    table = replace(table, keypoints=table.keypoints[:, columns], skeleton=skeleton)
    table = table[table.num_keypoints > 0]
    shown = np.random.default_rng(seed).permutation(np.unique(table.frame))
    for name, frames in (("train", shown[:images]), ("val", shown[images:])):
        write_coco(table.with_frames(np.sort(frames)), folder / f"{name}.json")
    (folder / "images").symlink_to((source.parent / "images").resolve())


def scores(weights: Path, truth: PoseTable) -> list[float]:
    """AP of all keypoints, of those that the network knew by name, and of the new ones."""
    found = predict_poses(load_pose_model(str(weights)), annotated_boxes(truth), flip=True)
    known = np.isin(np.arange(len(truth.skeleton)), list(namesakes(truth.skeleton, ANIMAL17)))
    aps = []
    for counted in (np.ones_like(known), known, ~known):
        keypoints = truth.keypoints.copy()
        keypoints[:, ~counted, 2] = 0
        aps.append(float(score_keypoints(replace(truth, keypoints=keypoints), found)["AP"]))
    return aps


def main() -> None:
    """Print the table."""
    arguments = parser(__doc__)
    arguments.add_argument("settings", nargs="*", metavar="KEY=VALUE", help="changes of the recipe")
    arguments.add_argument("--images", type=int, default=100, help="to learn from")
    arguments.add_argument("--seed", type=int, default=0, help="of their choice")
    options = arguments.parse_args()
    recipe = read_recipe(RECIPE, tuple(options.settings))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        own_labels(options.data / "animal_pose" / "val.json", folder, options.images, options.seed)
        sources = Sources(recipe, folder)
        skeleton, truth = sources.skeleton, sources.truth
        before = folder / "before.safetensors"
        metadata = {"network": recipe.model.name, "skeleton": asdict(skeleton)}
        write_weights(before, build_network(recipe, skeleton).state_dict(), metadata)
        start = time.monotonic()
        after = train(recipe, folder, folder / "run", progress=True)
        minutes = (time.monotonic() - start) / 60
        rows = [[n, *scores(path, truth)] for n, path in (("before", before), ("after", after))]
    print(markdown(["AP", "all keypoints", "known by name", "new"], rows))
    print(
        f"\n{options.images} images and {len(sources.poses[0])} animals to learn from, "
        f"{len(truth)} to score; {minutes:.1f} min. {machine()}"
    )


if __name__ == "__main__":
    main()
