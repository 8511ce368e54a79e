"""Speed of reading keypoints from heatmaps: batched, beside a loop over keypoints.

The loop is a straight re-statement of the classic way, one keypoint after the other in NumPy with
OpenCV's Gaussian blur; `tests/bench/test_decode_speed.py` holds both to the same keypoints. 64
animals with 17 heatmaps of 64x64, Gaussians on noise. Both take turns in one process on one thread;
the ratio is taken within each round: median and quartiles. Times are processor time, so that what
else the machine does counts for neither. The batched decoder runs ten times in its turn, which is
then about as long as the loop's.

    python perf/decode_speed.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from common import machine, markdown
from torch import Tensor

from aptv2.codecs import heatmaps as codecs

ANIMALS, KEYPOINTS, SIDE = 64, 17, 64
ROUNDS = 20
REPEATS = 10  # of the batched decoder in its turn


def highest(heatmap: np.ndarray) -> tuple[np.ndarray, float]:
    """Place (2,) and value of a map's (h, w) highest pixel; (-1, -1) where it is not above 0."""
    value = np.max(heatmap)
    y, x = np.unravel_index(np.argmax(heatmap), heatmap.shape)
    return np.array([x, y] if value > 0 else [-1, -1], np.float32), value


def quarter(heatmap: np.ndarray) -> tuple[np.ndarray, float]:
    """A quarter pixel from the highest pixel towards its higher neighbours."""
    place, value = highest(heatmap)
    height, width = heatmap.shape
    x, y = int(place[0]), int(place[1])
    if 1 < x < width - 1 and 1 < y < height - 1:
        slope = np.array(
            [heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]]
        )
        place += np.sign(slope) * 0.25
    return place, value


def dark(heatmap: np.ndarray, kernel: int = 11) -> tuple[np.ndarray, float]:
    """A Newton step on the logarithm of the map, which is smoothed and as high as before."""
    place, value = highest(heatmap)
    border = kernel // 2
    smooth = cv2.GaussianBlur(np.pad(heatmap, border), (kernel, kernel), 0)
    smooth = smooth[border:-border, border:-border]
    log = np.log(np.maximum(smooth * (np.max(heatmap) / np.max(smooth)), 1e-10))
    height, width = heatmap.shape
    x, y = int(place[0]), int(place[1])
    if 1 < x < width - 2 and 1 < y < height - 2:
        slope = np.array([log[y, x + 1] - log[y, x - 1], log[y + 1, x] - log[y - 1, x]]) / 2
        dxx = (log[y, x + 2] - 2 * log[y, x] + log[y, x - 2]) / 4
        dyy = (log[y + 2, x] - 2 * log[y, x] + log[y - 2, x]) / 4
        dxy = log[y + 1, x + 1] - log[y - 1, x + 1] - log[y + 1, x - 1] + log[y - 1, x - 1]
        curve = np.array([[dxx, dxy / 4], [dxy / 4, dyy]], np.float64)
        if np.linalg.det(curve) != 0:
            place -= np.linalg.inv(curve) @ slope
    return place, value


def udp(heatmap: np.ndarray, kernel: int = 11) -> tuple[np.ndarray, float]:
    """A Newton step on the logarithm of the smoothed map, cut to 0.001 … 50."""
    place, value = highest(heatmap)
    smooth = cv2.GaussianBlur(heatmap, (kernel, kernel), 0)
    log = np.pad(np.log(np.clip(smooth, 0.001, 50)), 1, mode="edge")
    x, y = int(place[0]), int(place[1])
    if value > 0:
        near = log[y : y + 3, x : x + 3]
        slope = np.array([near[1, 2] - near[1, 0], near[2, 1] - near[0, 1]]) / 2
        dxx = near[1, 2] - 2 * near[1, 1] + near[1, 0]
        dyy = near[2, 1] - 2 * near[1, 1] + near[0, 1]
        sides = near[1, 0] + near[1, 2] + near[0, 1] + near[2, 1]
        dxy = (near[2, 2] + near[0, 0] + 2 * near[1, 1] - sides) / 2
        curve = np.array([[dxx, dxy], [dxy, dyy]]) + np.finfo(np.float32).eps * np.eye(2)
        place -= np.linalg.inv(curve) @ slope
    return place, value


PAIRS: dict[str, tuple[Callable[..., tuple[np.ndarray, float]], Callable[..., Tensor]]] = {
    "argmax": (highest, codecs.argmax),
    "quarter pixel": (quarter, codecs.decode_quarter),
    "DARK": (dark, codecs.decode_dark),
    "UDP": (udp, codecs.decode_udp),
}


def keypoint_by_keypoint(
    decode: Callable[[np.ndarray], tuple[np.ndarray, float]], heatmaps: np.ndarray
) -> np.ndarray:
    """Keypoints (N, K, 3) of heatmaps (N, K, h, w), read one after the other."""
    keypoints = np.empty((*heatmaps.shape[:2], 3), np.float32)
    for animal, maps in enumerate(heatmaps):
        for keypoint, heatmap in enumerate(maps):
            keypoints[animal, keypoint, :2], keypoints[animal, keypoint, 2] = decode(heatmap)
    return keypoints


def noisy_heatmaps(animals: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Gaussians of all heights and widths on noise, some of them beyond the border."""
    generator = torch.Generator().manual_seed(seed)
    shape = (animals, KEYPOINTS)
    places = torch.rand(*shape, 2, generator=generator) * (torch.tensor(size[::-1]) + 4) - 2
    heights = 0.3 + 0.9 * torch.rand(*shape, 1, 1, generator=generator)
    noise = 0.05 * torch.rand(*shape, *size, generator=generator)
    return noise + heights * codecs.gaussian_heatmaps(places, size, 2.0)


def processor_time(action: Callable[[], object], repeats: int = 1) -> float:
    """Seconds a call."""
    start = time.process_time()
    for _ in range(repeats):
        action()
    return (time.process_time() - start) / repeats


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    heatmaps = noisy_heatmaps(ANIMALS, (SIDE, SIDE))
    array = heatmaps.numpy()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in PAIRS}
    with torch.inference_mode():
        for _ in range(ROUNDS + 1):  # the first one warms up
            for name, (loop, batched) in PAIRS.items():
                slow = processor_time(lambda loop=loop: keypoint_by_keypoint(loop, array))
                fast = processor_time(lambda batched=batched: batched(heatmaps), REPEATS)
                times[name].append((slow, fast))
    rows = []
    for name, pairs in times.items():
        slow, fast = np.array(pairs[1:]).T * 1e6 / ANIMALS
        low, middle, high = np.percentile(slow / fast, [25, 50, 75])
        rows.append([name, *(f"{np.median(v):.1f}" for v in (slow, fast))])
        rows[-1].append(f"{middle:.0f}x ({low:.0f} to {high:.0f})")
    print(markdown(["", "loop, µs an animal", "batched, µs an animal", "ratio"], rows))
    print(f"\n{ANIMALS}x{KEYPOINTS}x{SIDE}x{SIDE} float32, {ROUNDS} rounds; {machine()}")


if __name__ == "__main__":
    main()
