"""Scenes of animals on known paths, as an imperfect detector and pose network report them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from aptv2 import boxes as box_tools

WIDTH, HEIGHT, FPS = 640, 360, 25.0

# A quadruped seen from its left, in a box from 0 to 1: the 17 keypoints of ANIMAL17.
POSE = np.array(
    [
        [0.08, 0.14], [0.11, 0.13], [0.02, 0.25], [0.20, 0.22], [0.95, 0.25],
        [0.27, 0.50], [0.25, 0.70], [0.24, 0.98], [0.33, 0.50], [0.33, 0.70], [0.34, 0.97],
        [0.80, 0.50], [0.83, 0.72], [0.80, 0.98], [0.87, 0.50], [0.92, 0.72], [0.91, 0.97],
    ]
)  # fmt: skip


@dataclass
class Seen:
    """What the detector reports of one frame."""

    boxes: np.ndarray
    scores: np.ndarray
    keypoints: np.ndarray


@dataclass
class Scene:
    """Frames of detections, and of the animals that are really there: (numbers, boxes)."""

    seen: list[Seen]
    truth: list[tuple[np.ndarray, np.ndarray]]


def path(
    start: tuple[float, float],
    end: tuple[float, float],
    frames: int,
    size: tuple[float, float] = (90, 60),
    first: int = 0,
    length: int | None = None,
) -> np.ndarray:
    """float64 (length, 4): a box whose centre walks straight; NaN before and after its frames."""
    boxes = np.full((length or first + frames, 4), np.nan)
    share = np.linspace(0, 1, frames)[:, None]
    centre = np.array(start) * (1 - share) + np.array(end) * share
    boxes[first : first + frames] = np.concatenate(
        [centre - np.array(size) / 2, np.tile(size, (frames, 1))], axis=1
    )
    return boxes


def simulate(
    paths: list[np.ndarray],
    *,
    jitter: float = 0.03,
    miss: float = 0.03,
    false_positives: float = 0.1,
    blind: dict[int, range] | None = None,
    seed: int = 0,
) -> Scene:
    """Detections of animals; a later path is nearer to the camera and hides the earlier ones.

    Parameters
    ----------
    jitter
        Standard deviation of box edges and keypoints, as a share of the box.
    miss
        Share of clearly visible animals that the detector overlooks.
    false_positives
        Mean number of boxes without an animal in a frame.
    blind
        Frames in which an animal (by its place in `paths`) is there but not found.
    """
    rng = np.random.default_rng(seed)
    phases = rng.uniform(0, 2 * np.pi, len(paths))
    shapes = POSE + rng.normal(0, 0.04, (len(paths), *POSE.shape))
    seen, truth = [], []
    for t in range(max(map(len, paths))):
        whole = np.array([p[t] if t < len(p) else np.full(4, np.nan) for p in paths])
        inside = box_tools.clip(np.nan_to_num(whole), WIDTH, HEIGHT)
        share = box_tools.area(inside) / np.maximum(box_tools.area(np.nan_to_num(whole)), 1)
        present = np.flatnonzero(share > 0.15)
        poses = _poses(whole, shapes, phases + t / FPS * 2 * np.pi * 1.5)
        boxes, scores, keypoints = [], [], []
        for place, animal in enumerate(present):
            front = present[place + 1 :]
            visible = _visible_part(inside[animal], inside[front])
            clear = box_tools.area(visible) / box_tools.area(inside[animal])
            unseen = blind is not None and t in blind.get(int(animal), range(0))
            if unseen or clear < 0.35 or rng.random() < miss + 0.5 * (1 - clear) ** 2:
                continue
            side = np.tile(visible[2:], 2)
            boxes.append(visible + rng.normal(0, jitter, 4) * side)
            scores.append(np.clip(0.9 * clear**0.5 + rng.normal(0, 0.08), 0.05, 1))
            keypoints.append(_measured_keypoints(poses, animal, front, inside, jitter, rng))
        for _ in range(rng.poisson(false_positives)):
            side = rng.uniform(20, 90, 2)
            corner = rng.uniform(0, 1, 2) * (np.array([WIDTH, HEIGHT]) - side)
            boxes.append(np.concatenate([corner, side]))
            scores.append(rng.uniform(0.1, 0.65))
            noise = np.concatenate([rng.random((17, 2)), rng.uniform(0, 0.3, (17, 1))], axis=1)
            keypoints.append(noise * [*side, 1] + [*corner, 0])
        seen.append(_suppressed(boxes, scores, keypoints))
        truth.append((present, inside[present]))
    return Scene(seen, truth)


def identity_scores(
    truth: list[tuple[np.ndarray, np.ndarray]], found: list[tuple[np.ndarray, np.ndarray]]
) -> dict[str, float]:
    """IDF1 (Ristani et al. 2016), identity switches and numbers used, at an IoU of 0.5."""
    overlaps: dict[tuple[int, int], int] = {}
    last: dict[int, int] = {}
    switches = total_truth = total_found = 0
    for (ids, boxes), (numbers, reported) in zip(truth, found, strict=True):
        total_truth, total_found = total_truth + len(ids), total_found + len(numbers)
        iou = box_tools.iou(boxes, reported)
        for i, j in zip(*np.nonzero(iou >= 0.5), strict=True):
            key = (int(ids[i]), int(numbers[j]))
            overlaps[key] = overlaps.get(key, 0) + 1
        for i, j in zip(*linear_sum_assignment(-iou), strict=True):
            if iou[i, j] >= 0.5:
                animal, number = int(ids[i]), int(numbers[j])
                switches += last.setdefault(animal, number) != number
                last[animal] = number
    rows = sorted({a for a, _ in overlaps})
    columns = sorted({b for _, b in overlaps})
    table = np.zeros((len(rows), len(columns)))
    for (a, b), count in overlaps.items():
        table[rows.index(a), columns.index(b)] = count
    hits = table[linear_sum_assignment(-table)].sum()
    numbers_used = {int(n) for numbers, _ in found for n in numbers}
    return {
        "idf1": 2 * hits / max(total_truth + total_found, 1),
        "switches": switches,
        "numbers": len(numbers_used),
        "found": total_found / max(total_truth, 1),
    }


def _poses(boxes: np.ndarray, shapes: np.ndarray, phases: np.ndarray) -> np.ndarray:
    """float64 (animals, 17, 2): legs swing, the rest stays."""
    swing = np.zeros((len(boxes), 17))
    for leg, offset in ((7, 0.0), (10, np.pi), (13, np.pi), (16, 0.0)):
        swing[:, leg] = 0.10 * np.sin(phases + offset)
        swing[:, leg - 1] = 0.05 * np.sin(phases + offset)
    local = shapes.copy()
    local[:, :, 0] += swing
    return boxes[:, None, :2] + local * boxes[:, None, 2:]


def _visible_part(box: np.ndarray, front: np.ndarray) -> np.ndarray:
    """What is left of a box when those in front cut away the side that they cover."""
    left, top, right, bottom = box_tools.xywh_to_xyxy(box)
    for other in box_tools.xywh_to_xyxy(front):
        if min(bottom, other[3]) - max(top, other[1]) < 0.5 * (bottom - top):
            continue
        if other[0] <= left < other[2]:
            left = min(other[2], right)
        elif other[0] < right <= other[2]:
            right = max(other[0], left)
    return np.array([left, top, right - left, bottom - top])


def _measured_keypoints(
    poses: np.ndarray,
    animal: int,
    front: np.ndarray,
    boxes: np.ndarray,
    jitter: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Noisy keypoints; a covered keypoint is reported at random or at the covering animal's."""
    points = poses[animal] + rng.normal(0, jitter, (17, 2)) * boxes[animal, 2:]
    scores = rng.uniform(0.5, 0.95, 17)
    for other in front:
        x, y, w, h = boxes[other]
        covered = (np.abs(points - [x + w / 2, y + h / 2]) < np.array([w, h]) / 2).all(axis=1)
        wrong = covered & (rng.random(17) < 0.5)
        points[wrong] = poses[other][wrong]
        scores[covered] = rng.uniform(0.1, 0.6, int(covered.sum()))
    return np.concatenate([points, scores[:, None]], axis=1)


def _suppressed(boxes: list, scores: list, keypoints: list) -> Seen:
    """Sorted by score, with overlaps above 0.6 removed, as the detector does."""
    order = np.argsort(scores)[::-1]
    all_boxes = np.array(boxes).reshape(-1, 4)[order]
    iou, kept = box_tools.iou(all_boxes, all_boxes), []
    for i in range(len(order)):
        if all(iou[i, j] < 0.6 for j in kept):
            kept.append(i)
    return Seen(
        all_boxes[kept].astype(np.float32),
        np.array(scores)[order][kept].astype(np.float32),
        np.array(keypoints).reshape(-1, 17, 3)[order][kept].astype(np.float32),
    )
