"""Time and memory of `aptv2 data` and of reading, on a data set of APTv2's full size.

The annotations are the generated ones of the tests: 41,179 images in every split file, 84,611
animals. Every image is a hard link to a real video frame at the size that the annotations say, so
the disk's cache holds all of them: what is timed is our work and not the disk. Each step runs in a
process of its own, all in turns; wall seconds from after Python's start and the package's import,
and the kernel's own peak of resident memory (Linux).

    python perf/data_full_size.py [--rounds 3] [--images 41179] [--only read]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import av
import cv2
import numpy as np
import orjson
import simplejpeg
from common import machine, markdown, parser

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "tests/datasets"))

MEASURE = r"""
import contextlib, io, json, re, sys, time
from pathlib import Path
from aptv2.cli.main import app
from aptv2.datasets import read_annotations
report, *arguments = sys.argv[1:]
start = time.perf_counter()
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    if arguments[0] == "read":
        read_annotations(arguments[1])
    else:
        with contextlib.suppress(SystemExit):
            app(arguments)
seconds = time.perf_counter() - start
peak = int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
Path(report).write_text(json.dumps([seconds, peak]))
"""


def link_images(root: Path, video: Path, most: int) -> None:
    """Make the first images that the annotations name."""
    with av.open(str(video)) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    document = orjson.loads((root / "annotations/val_annotations.json").read_bytes())
    for image in document["images"][:most]:
        size = (image["width"], image["height"])
        picture = root / "{}x{}.jpg".format(*size)
        if not picture.exists():
            picture.write_bytes(simplejpeg.encode_jpeg(cv2.resize(frame, size), quality=92))
        path = root / "data" / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(picture, path)


def measure(arguments: list[str], scratch: Path) -> tuple[float, float]:
    """Wall seconds and peak MB of one step."""
    report = scratch / "report.json"
    subprocess.run([sys.executable, "-c", MEASURE, str(report), *arguments], check=True)
    seconds, peak = json.loads(report.read_bytes())
    return seconds, peak


def main() -> None:
    """Print the table."""
    import generate
    import release_clips

    arguments = parser(__doc__)
    arguments.add_argument("--images", type=int, default=release_clips.IMAGES)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--only", default="", help="steps with this in their name")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        root = generate.write_release(
            scratch / "APTv2",
            release_clips.full_size_clips(),
            bare=release_clips.BARE,
            dirty=release_clips.DIRTY,
        )
        link_images(root, options.data / "clips/dog_and_person.mp4", options.images)
        train = str(root / "annotations/train_annotations.json")
        steps = {
            "read `train_annotations.json`": ["read", train],
            "read the whole release": ["read", str(root)],
            "`data check --no-images`, all files": ["data", "check", str(root), "--no-images"],
            "`data stats`": ["data", "stats", str(root), "-o"],
            "`data convert --to coco`": ["data", "convert", str(root), "--to", "coco"],
            "`data convert --to aptv2 --images none`": [
                *("data", "convert", str(root), "--to", "aptv2", "--images", "none")
            ],
            "`data convert --to yolo --images none`": [
                *("data", "convert", str(root), "--to", "yolo", "--images", "none")
            ],
            "`data check`, with images": ["data", "check", str(root)],
        }
        steps = {name: step for name, step in steps.items() if options.only in name}
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
        for turn in range(options.rounds):
            for number, (name, step) in enumerate(steps.items()):
                if step[1] in ("stats", "convert"):  # the output is the last argument
                    step = [*step, str(scratch / f"out{turn}-{number}")]
                found[name].append(measure(step, scratch))
    rows = []
    for name, pairs in found.items():
        seconds, peak = np.array(pairs).T
        spread = f"{np.median(seconds):.1f} ({seconds.min():.1f} to {seconds.max():.1f})"
        rows.append([name, spread, f"{peak.max():.0f}"])
    print(markdown(["", "seconds", "peak MB"], rows))
    print(f"\n{options.images} images. {machine()}")


if __name__ == "__main__":
    main()
