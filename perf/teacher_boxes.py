"""Boxes of YOLOX-nano in the training pictures, for the recipes of detection.

Writes `NAME.json`, COCO results, for each data set into a folder, which the recipes look for as
`teacher/` in the data folder. Annotators leave animals out; without these boxes the network would
learn not to see them.

    python perf/teacher_boxes.py --data DATA --output DATA/teacher
"""

from __future__ import annotations

from pathlib import Path

import orjson
from common import parser
from yolox import YoloxNano

import aptv2
from aptv2.files import atomic_write
from aptv2.images import read_image

FAINTEST = 0.15
SOURCES = {
    "animal_pose": "animal_pose/train.json",
    "wildlife_boxes": "wildlife_boxes/train.json",
    "livestock": "livestock/train.json",
    "caltech_animals": "caltech_animals/pseudo.json",
}


def main() -> None:
    """Write the files."""
    arguments = parser(__doc__)
    arguments.add_argument("--output", type=Path, required=True, help="folder for the files")
    options = arguments.parse_args()
    teacher = YoloxNano(options.data.parent / "baselines/yolox_nano/yolox_nano.onnx")
    options.output.mkdir(parents=True, exist_ok=True)
    for name, file in SOURCES.items():
        table = aptv2.read_annotations(options.data / file)
        category = min(table.categories)  # species stay out; the recipes ask for none
        results = []
        for number, image in zip(table.frames.ids, table.frames.names, strict=True):
            boxes, scores = teacher.detect(read_image(Path(table.root or ".") / image))
            results += [
                {
                    "image_id": int(number),
                    "category_id": category,
                    "bbox": [round(float(v), 1) for v in box],
                    "score": round(float(score), 3),
                }
                for box, score in zip(boxes, scores, strict=True)
                if score > FAINTEST
            ]
        with atomic_write(options.output / f"{name}.json") as temporary:
            temporary.write_bytes(orjson.dumps(results))
        print(f"{name}: {len(results)} boxes in {len(table.frames)} pictures")


if __name__ == "__main__":
    main()
