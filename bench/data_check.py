"""Time of `aptv2 data check` on a data set of APTv2's full size.

The annotations are the generated ones of the tests. Every image is a hard link to a real video
frame at the size that the annotations say, so the disk's cache holds all of them: what is timed is
reading annotations and decoding images, not the disk.

    python bench/data_check.py [--images 41179]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import av
import cv2
import orjson
import simplejpeg

from aptv2.datasets.check import check_data

REPO = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPO / "tests/datasets"))
VIDEO = REPO.parent / "shared/data/clips/dog_and_person.mp4"


def link_images(root: Path, most: int) -> None:
    """Make the first images that the annotations name."""
    with av.open(str(VIDEO)) as container:
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


def main() -> None:
    import generate

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=generate.IMAGES)
    count = parser.parse_args().images
    with tempfile.TemporaryDirectory() as folder:
        root = generate.write_release(
            Path(folder), generate.full_size_clips(), bare=generate.BARE, dirty=generate.DIRTY
        )
        link_images(root, count)
        for decode in (False, True):
            start, cpu = time.perf_counter(), time.process_time()
            report = check_data(root, images=decode)
            wall, cpu = time.perf_counter() - start, time.process_time() - cpu
            print(
                f"{len(report.contents)} annotation files, {report.images_checked} images decoded: "
                f"{wall:.1f} s, {cpu:.1f} s of processor time"
            )


if __name__ == "__main__":
    main()
