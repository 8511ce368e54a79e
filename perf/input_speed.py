"""Training samples a second on one core, against the classic OpenCV pipeline.

    python perf/input_speed.py

One process, one thread, the two AP-10K photographs of the shared data, the augmentation of the
official 210-epoch recipes. A sample is what a network trains on: a normalised float32 picture of
3 x 256 x 256 and 17 heatmaps of 64 x 64; ours are normalised and drawn in batches of 32, which is
counted. All contenders take turns; times are of the processor, so that a busy machine counts
little. Ratios are of the same round: median, least and most.

The classic pipeline is written down here from its description, as MMPose 0.x runs it: decode the
whole photograph, BGR to RGB, mirror the photograph, one warp, normalise, one Gaussian at a time.
"Classic, lean" does not mirror the photograph but the warp, which MMPose never did.

"Decoding alone" makes no sample: it decodes the files to an eighth of their size, so that nearly
all of its time is the entropy coding of JPEG, which cannot be skipped. It bounds "from the files".
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from common import machine, markdown, parser
from torch.utils.data import default_collate

import aptv2
from aptv2.codecs import MSRA
from aptv2.codecs.heatmaps import heatmap_targets
from aptv2.images import read_shrunk
from aptv2.models.pose.base import IMAGENET_MEAN, IMAGENET_STD, normalise
from aptv2.tables import PoseTable
from aptv2.training.data.pack import Pack
from aptv2.training.data.packing import write_pack
from aptv2.training.data.pose import Images, PoseCrops
from aptv2.training.recipes import Augmentation

BATCH = 32
SIZE, HEATMAP, SIGMA = 256, 64, 2.0
# MMPose draws angles from a normal distribution of deviation 40 and cuts it at twice that.
OFFICIAL = Augmentation(
    flip=0.5, half_body=0.3, rotation=80, rotation_chance=0.6, scale=1.5, scale_law="normal",
    shift=0.06, colour=0, blur=0, erase=0,
)  # fmt: skip


class Classic:
    """The classic pipeline."""

    def __init__(self, table: PoseTable, lean: bool) -> None:
        self.table, self.lean = table, lean
        self.paths = [str(Path(table.root or ".") / name) for name in table.frames.names]
        self.rng = np.random.default_rng(0)

    def batch(self) -> tuple[np.ndarray, np.ndarray]:
        """Pictures (N, 3, 256, 256) and heatmaps (N, 17, 64, 64), float32."""
        samples = [self.sample(row % len(self.table)) for row in range(BATCH)]
        images, heatmaps = zip(*samples, strict=True)
        return np.stack(images), np.stack(heatmaps)

    def sample(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """One of them."""
        rng = self.rng
        image = cv2.imread(self.paths[self.table.frame[row]])
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        keypoints, box = self.table.keypoints[row].copy(), self.table.boxes[row]
        centre, side = box[:2] + box[2:] / 2, 1.25 * box[2:].max()
        centre = centre + 0.4 * rng.uniform(-0.5, 0.5, 2) * box[2:] * (rng.random() < 0.3)
        width, flip = image.shape[1], rng.random() < 0.5
        if flip:
            keypoints = keypoints[self.table.skeleton.flip]
            keypoints[:, 0] = width - 1 - keypoints[:, 0]
            centre[0] = width - 1 - centre[0]
            if not self.lean:
                image = image[:, ::-1]
        seen = keypoints[:, 2] > 0
        if seen.sum() > 8 and rng.random() < 0.3:
            half = np.isin(np.arange(len(keypoints)), self.table.skeleton.upper)
            half = seen & (half if rng.random() < 0.5 else ~half)
            if half.sum() > 2:
                points = keypoints[half, :2]
                centre = points.mean(axis=0)
                side = 1.25 * 1.5 * np.ptp(points, axis=0).max()
        side = side * np.clip(1 + 0.5 * rng.normal(), 0.5, 1.5)
        angle = np.clip(40 * rng.normal(), -80, 80) if rng.random() < 0.6 else 0.0
        matrix = cv2.getRotationMatrix2D(centre.tolist(), angle, SIZE / side)
        matrix[:, 2] += SIZE / 2 - centre
        shown = matrix
        if flip and self.lean:
            shown = matrix @ np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]])
        crop = cv2.warpAffine(image, shown, (SIZE, SIZE), flags=cv2.INTER_LINEAR)
        picture = crop.astype(np.float32) / 255
        picture -= np.float32(IMAGENET_MEAN)
        picture /= np.float32(IMAGENET_STD)
        places = keypoints[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        return np.ascontiguousarray(picture.transpose(2, 0, 1)), self.heatmaps(places, seen)

    @staticmethod
    def heatmaps(places: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """A Gaussian a keypoint, in a square of 3 sigma, pasted where it lies."""
        heatmaps = np.zeros((len(places), HEATMAP, HEATMAP), np.float32)
        radius = int(3 * SIGMA)
        for keypoint in np.flatnonzero(seen):
            x, y = (places[keypoint] * HEATMAP / SIZE + 0.5).astype(int)
            left, top, right, bottom = x - radius, y - radius, x + radius + 1, y + radius + 1
            if left >= HEATMAP or top >= HEATMAP or right < 0 or bottom < 0:
                continue
            across = np.arange(2 * radius + 1, dtype=np.float32)
            down = across[:, None]
            spot = np.exp(-((across - radius) ** 2 + (down - radius) ** 2) / (2 * SIGMA**2))
            rows = slice(max(0, top), min(bottom, HEATMAP))
            columns = slice(max(0, left), min(right, HEATMAP))
            heatmaps[keypoint, rows, columns] = spot[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
        return heatmaps


class Decoding:
    """The least that any pipeline has to do with the files."""

    def __init__(self, table: PoseTable) -> None:
        self.paths = [Path(table.root or ".") / table.frames.names[frame] for frame in table.frame]

    def batch(self) -> None:
        """The pictures of a batch, and nothing of them kept."""
        for number in range(BATCH):
            read_shrunk(self.paths[number % len(self.paths)], 8)


class Ours:
    """The package's data set, and what the trainer does with its batches."""

    def __init__(self, samples: PoseCrops) -> None:
        self.samples, self.epoch = samples, 0

    def batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures (N, 3, 256, 256) and heatmaps (N, 17, 64, 64), float32."""
        each = range(BATCH // len(self.samples))
        keys = [(self.epoch + e, row) for e in each for row in range(len(self.samples))]
        self.epoch += len(each)
        batch = default_collate([self.samples[key] for key in keys])
        size = (HEATMAP, HEATMAP)
        targets, _ = heatmap_targets(batch["keypoints"], batch["labelled"], size, SIGMA, udp=False)
        return normalise(batch["image"]), targets


def main() -> None:
    """Print the table of speeds."""
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=15)
    options = arguments.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    source = options.data / "ap10k_sample" / "test_ap10k.json"
    table = aptv2.read_annotations(source)
    with tempfile.TemporaryDirectory() as folder:
        packed = write_pack(source, Path(folder), (SIZE, SIZE), OFFICIAL)
        pack = Pack(folder)

        def ours(pixels: Images | Pack) -> Ours:
            return Ours(
                PoseCrops(
                    table, pixels, (SIZE, SIZE), OFFICIAL, 0, replace(MSRA, mmpose_crops=False)
                )
            )

        contenders = {
            "classic": Classic(table, lean=False),
            "classic, lean": Classic(table, lean=True),
            "ours, from the files": ours(Images(table, kept=0)),
            "ours, from a pack": ours(pack),
            "ours, images kept in memory": ours(Images(table)),
            "decoding alone, at an eighth": Decoding(table),
        }
        times = measure({n: c.batch for n, c in contenders.items()}, options.rounds)
    rows = []
    for name, seconds in times.items():
        ratios = [times[base] / seconds for base in ("classic", "classic, lean")]
        spread = [f"{np.median(r):.2f} ({r.min():.2f} to {r.max():.2f})" for r in ratios]
        rows.append([name, f"{BATCH / np.median(seconds):.0f}", *spread])
    print(markdown(["", "samples/s", "against classic", "against classic, lean"], rows))
    print(f"\nThe pack takes {packed.size / packed.animals / 1e3:.0f} kB an animal. {machine()}")


def measure(batches: dict[str, Callable[[], object]], rounds: int) -> dict[str, np.ndarray]:
    """Processor seconds (rounds,) of each contender's batches, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in batches}
    for turn in range(rounds + 1):
        for name, batch in batches.items():
            start = time.process_time()
            batch()
            if turn:  # the first is for caches to fill
                times[name].append(time.process_time() - start)
    return {name: np.array(seconds) for name, seconds in times.items()}


if __name__ == "__main__":
    main()
