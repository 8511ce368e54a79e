"""Overlays: boxes, skeletons, track numbers and trails drawn on a frame.

Everything is drawn at the frame's own resolution with OpenCV's anti-aliased primitives, whose
coordinates are given in 1/16 pixel so that nothing jitters between the frames of a video.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import ArrayLike

from aptv2 import boxes as box_tools
from aptv2.drawing.trails import Trails
from aptv2.skeleton import ANIMAL17, MIDDLE, Skeleton

Colour = tuple[int, int, int]

# Chosen greedily for the largest distance in CIELAB to those before, the smallest of three kinds
# of sight counting: normal, deuteranopia and protanopia (simulated after Machado et al., 2009).
TRACK_COLOURS = (
    "#f6be2b", "#885efb", "#3cf4f6", "#ea2d59", "#82a4f5", "#b5fb8f",
    "#b75e95", "#cf5704", "#2ea377", "#e017bc", "#c6a154", "#34f8c3",
)  # fmt: skip
NO_TRACK, OUTLINE, WHITE = "#e1e1e1", "#181818", "#ffffff"
MIN_SCORE = 0.3
"""Keypoints of a lower score are not drawn."""
_SHIFT = 4  # fractional bits of the coordinates given to OpenCV
_FADED = 0.5  # opacity of unsure keypoints
_TRAIL_OPACITY = 0.9  # of the newest end
_TRAIL_STEPS = 9  # opacities along a trail
_CIRCLE = np.exp(2j * np.pi * np.arange(16) / 16)[:, None].view(np.float64)  # (16, 2) points
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAP_HEIGHT = 22.0  # pixels of a capital letter at font scale 1


def track_colour(track: int) -> Colour:
    """RGB colour of a track number, the same in every frame; light grey below 0 (no track)."""
    return parse_colour(NO_TRACK if track < 0 else TRACK_COLOURS[track % len(TRACK_COLOURS)])


def tag_ink(colour: Colour) -> str:
    """Colour of the text on a tag of some colour, the darker on light ones."""
    return OUTLINE if np.dot(colour, (0.299, 0.587, 0.114)) > 140 else WHITE


def draw_overlay(
    frame: np.ndarray,
    boxes: ArrayLike,
    keypoints: ArrayLike,
    tracks: ArrayLike,
    scores: ArrayLike,
    *,
    trails: Trails | None = None,
    skeleton: Skeleton = ANIMAL17,
    min_score: float = MIN_SCORE,
    names: Mapping[int, str] | None = None,
) -> np.ndarray:
    """Draw the animals of one frame.

    Parameters
    ----------
    frame
        uint8 (H, W, 3), RGB; stays as it is.
    boxes
        (N, 4): x, y, width, height in pixels. NaN draws no box; the skeleton is drawn all the same.
    keypoints
        (N, K, 3): x, y in pixels and a score from 0 to 1, or a visibility (0, 1, 2).
    tracks
        (N,): track numbers, which choose the colour of box, tag and trail; below 0 for none.
    scores
        (N,): confidence in the animal, shown in the tag; NaN shows none.
    trails
        Where the animals have been, this frame included.
    skeleton
        The keypoints, their limbs and colours: warm left, cool right, green middle.
    min_score
        Keypoints below it are left out; those in the lowest quarter above it are faded.
    names
        Track number -> name, shown in place of the number.

    Returns
    -------
    np.ndarray
        uint8 (H, W, 3), RGB, a new array.

    Raises
    ------
    ValueError
        Where the frame is no RGB image or the arrays do not fit each other.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
        raise ValueError(f"a frame is uint8 (H, W, 3), not {frame.dtype} {frame.shape}")
    image = np.array(frame, order="C")
    animals = _animals(boxes, keypoints, tracks, scores, len(skeleton), min_score, image)
    unit = min(image.shape[:2]) / 240
    if trails is not None:
        _draw_trails(image, trails, max(1, round(1.8 * unit)))
    for animal in animals:
        _draw_box(image, animal, max(1, round(0.55 * unit)))
    for animal in animals:
        _draw_skeleton(image, animal, skeleton, min_score, unit)
    for animal in animals:
        _draw_tag(image, animal, unit, names or {})
    return image


@dataclass(frozen=True)
class _Animal:
    area: float  # of the box, or of the keypoints' extent where the box is NaN
    box: np.ndarray | None  # (4,) the part inside the frame; None where there is none
    tag: (
        np.ndarray | None
    )  # (4,) where the tag goes: the same of the keypoints' where the box is NaN
    points: np.ndarray  # int32 (K, 2), fixed-point
    scores: np.ndarray  # (K,), 0 where a keypoint is not shown
    track: int
    score: float

    @property
    def colour(self) -> Colour:
        return track_colour(self.track)


def _animals(
    boxes: ArrayLike,
    keypoints: ArrayLike,
    tracks: ArrayLike,
    scores: ArrayLike,
    keypoint_count: int,
    min_score: float,
    image: np.ndarray,
) -> list[_Animal]:
    """The rows, the largest animal first."""
    numbers = np.asarray(tracks, np.int64).reshape(-1)
    count = len(numbers)
    arrays = []
    for name, values, shape in (
        ("boxes", boxes, (count, 4)),
        ("keypoints", keypoints, (count, keypoint_count, 3)),
        ("scores", scores, (count,)),
    ):
        array = np.asarray(values, np.float64)
        if array.shape != shape and (count or array.size):
            raise ValueError(f"{name} have shape {array.shape}, not {shape}")
        arrays.append(array.reshape(shape))
    corners, poses, confidence = arrays
    shown = np.isfinite(poses).all(axis=2) & (poses[:, :, 2] >= min_score)
    poses = np.where(shown[:, :, None], poses, 0.0)
    boxed = np.isfinite(corners.sum(axis=1))
    extents = corners.copy()
    for row in np.flatnonzero(~boxed):
        extents[row] = box_tools.around_keypoints(poses[row])
    extents = np.nan_to_num(extents, nan=0.0)
    parts = box_tools.clip(extents, image.shape[1], image.shape[0])
    seen = parts[:, 2:].min(axis=1, initial=np.inf) >= 1
    areas = box_tools.area(extents)
    points = _fixed(poses[:, :, :2], image)
    return [
        _Animal(
            area=float(areas[row]),
            box=parts[row] if seen[row] and boxed[row] else None,
            tag=parts[row] if seen[row] else None,
            points=points[row],
            scores=poses[row, :, 2],
            track=int(numbers[row]),
            score=float(confidence[row]),
        )
        for row in np.argsort(-areas, kind="stable")
    ]


def _draw_trails(image: np.ndarray, trails: Trails, thickness: int) -> None:
    height, width = image.shape[:2]
    for track, path, freshness in trails.paths():
        if len(path) < 2:
            continue
        points = _fixed(_smooth(path), image)
        margin = thickness + 1
        low = np.maximum(points.min(axis=0) // 2**_SHIFT - margin, 0)
        high = np.minimum(points.max(axis=0) // 2**_SHIFT + margin + 2, (width, height))
        if (low >= high).any():
            continue
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        points = points - (low << _SHIFT)
        stretch = max(1, -(-len(points) // _TRAIL_STEPS))
        for first in range(0, len(points) - 1, stretch):
            last = min(first + stretch, len(points) - 1)
            fresh = freshness[last]
            width_here = max(1, round(thickness * (0.4 + 0.6 * fresh)))
            opacity = round(255 * _TRAIL_OPACITY * fresh)
            line = [points[first : last + 1]]
            cv2.polylines(mask, line, False, opacity, width_here, cv2.LINE_AA, _SHIFT)
        _blend(image[low[1] : high[1], low[0] : high[0]], mask, track_colour(track))


def _smooth(path: np.ndarray) -> np.ndarray:
    """Mean over up to seven points around each: a box's centre moves with every step of a leg."""
    total = np.cumsum(np.vstack([np.zeros((1, 2)), path]), axis=0)
    here = np.arange(len(path))
    reach = np.minimum(np.minimum(here, here[::-1]), 3)
    return (total[here + reach + 1] - total[here - reach]) / (2 * reach + 1)[:, None]


def _blend(region: np.ndarray, mask: np.ndarray, colour: Colour) -> None:
    """Lay a colour over a region in place; the mask, uint8, holds its opacity."""
    opacity = cv2.merge([mask, mask, mask])
    kept = cv2.multiply(region, cv2.bitwise_not(opacity), scale=1 / 255)
    laid = cv2.multiply(opacity, np.full_like(opacity, colour), scale=1 / 255)
    region[:] = cv2.add(kept, laid)


def _draw_box(image: np.ndarray, animal: _Animal, thickness: int) -> None:
    if animal.box is None:
        return
    # Box edges lie between pixels, and what OpenCV draws is centred on them; the line stays inside.
    inset = thickness / 2 - 0.5
    left, top = animal.box[:2] + inset
    right, bottom = animal.box[:2] + animal.box[2:] - 1 - inset
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    colour, line = animal.colour, [_fixed(corners, image)]
    cv2.polylines(image, line, True, colour, thickness, cv2.LINE_AA, _SHIFT)


def _draw_skeleton(
    image: np.ndarray, animal: _Animal, skeleton: Skeleton, min_score: float, unit: float
) -> None:
    size = math.sqrt(animal.area) / min(image.shape[:2])
    thickness = round(0.8 + 0.85 * unit * min(max(2 * size, 0.5), 1.25))
    score, points = animal.scores, animal.points
    shown = score > 0
    if not shown.any():
        return
    sure = shown & (score >= min_score + (1 - min_score) / 4)
    if not (sure == shown).all():
        height, width = image.shape[:2]
        margin = 3 * thickness + 2
        low = np.clip(points[shown].min(axis=0) // 2**_SHIFT - margin, 0, (width, height))
        high = np.clip(points[shown].max(axis=0) // 2**_SHIFT + margin + 1, low, (width, height))
        region = image[low[1] : high[1], low[0] : high[0]]
        if region.size:
            layer = region.copy()
            _draw_limbs(layer, points - (low << _SHIFT), shown, sure, skeleton, thickness)
            region[:] = cv2.addWeighted(layer, _FADED, region, 1 - _FADED, 0)
    _draw_limbs(image, points, sure, np.zeros_like(sure), skeleton, thickness)


def _draw_limbs(
    canvas: np.ndarray,
    points: np.ndarray,
    shown: np.ndarray,
    done: np.ndarray,
    skeleton: Skeleton,
    thickness: int,
) -> None:
    """Limbs and keypoints that are shown, but for those whose keypoints are all `done`."""
    keypoint_colours, limb_colours = _palette(skeleton)
    limbs: dict[Colour, list[np.ndarray]] = {}
    for (a, b), colour in zip(skeleton.limbs, limb_colours, strict=True):
        if shown[a] and shown[b] and not (done[a] and done[b]):
            limbs.setdefault(colour, []).append(points[[a, b]])
    edge, outline = max(1, thickness // 3), parse_colour(OUTLINE)
    if thickness > 1:  # around thinner lines the outline would hide a small animal
        lines = [line for same in limbs.values() for line in same]
        cv2.polylines(canvas, lines, False, outline, thickness + 2 * edge, cv2.LINE_AA, _SHIFT)
    for colour, same in limbs.items():
        cv2.polylines(canvas, same, False, colour, thickness, cv2.LINE_AA, _SHIFT)
    dots = np.flatnonzero(shown & ~done)
    radius = 0.9 * thickness + 0.5
    rims = _circles(points[dots], radius + 0.7 * edge)
    for keypoint, rim, disc in zip(dots, rims, _circles(points[dots], radius), strict=True):
        cv2.fillConvexPoly(canvas, rim, outline, cv2.LINE_AA, _SHIFT)
        cv2.fillConvexPoly(canvas, disc, keypoint_colours[keypoint], cv2.LINE_AA, _SHIFT)


def _circles(centres: np.ndarray, radius: float) -> np.ndarray:
    """Polygons (M, 16, 2) around fixed-point centres; cv2.circle makes small ones diamonds."""
    return (centres[:, None] + _CIRCLE * (radius * 2**_SHIFT)).astype(np.int32)


def _draw_tag(image: np.ndarray, animal: _Animal, unit: float, names: Mapping[int, str]) -> None:
    """Name or number, and score on plates above the box, or in its top where there is no room."""
    ink = parse_colour(tag_ink(animal.colour))
    plates: list[tuple[str, Colour, Colour | None]] = []
    if animal.track >= 0:
        plates.append((_label(animal.track, names), ink, animal.colour))
    if math.isfinite(animal.score):
        plates.append((f"{animal.score:.2f}", parse_colour(WHITE), None))
    if not plates or animal.tag is None:
        return
    scale = max(8.5, 4.6 * unit) / _CAP_HEIGHT
    weight = max(1, round(2 * scale))
    sizes = [cv2.getTextSize(text, _FONT, scale, weight)[0] for text, _, _ in plates]
    text_height = max(size[1] for size in sizes)
    pad = max(3, text_height // 3)
    tag_width = sum(size[0] + 2 * pad for size in sizes)
    tag_height = text_height + 2 * pad
    height, width = image.shape[:2]
    if tag_width > width or tag_height > height:
        return
    left, top = int(min(animal.tag[0], width - tag_width)), int(animal.tag[1])
    top = top - tag_height if top >= tag_height else min(top, height - tag_height)
    for (text, text_colour, plate_colour), size in zip(plates, sizes, strict=True):
        right = left + size[0] + 2 * pad
        plate = image[top : top + tag_height, left:right]
        plate[:] = plate // 4 if plate_colour is None else plate_colour
        start = (left + pad, top + pad + text_height)
        cv2.putText(image, text, start, _FONT, scale, text_colour, weight, cv2.LINE_AA)
        left = right


def _label(track: int, names: Mapping[int, str]) -> str:
    """The name without its accents, since OpenCV writes ASCII only; else the number."""
    name = unicodedata.normalize("NFKD", names.get(track, ""))
    plain = "".join(letter for letter in name if not unicodedata.combining(letter))
    return plain if plain and plain.isascii() else str(track)


def _fixed(points: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Points (..., 2) as OpenCV's fixed-point int32; what is far outside the image comes nearer."""
    reach = 4 * max(image.shape[:2]) + 64
    return np.round(np.clip(points, -reach, reach) * 2**_SHIFT).astype(np.int32)


@lru_cache(maxsize=16)
def _palette(skeleton: Skeleton) -> tuple[tuple[Colour, ...], tuple[Colour, ...]]:
    """Colours of keypoints and limbs; a limb takes its side from whichever end has one."""
    colours = skeleton.colours
    limbs = []
    for a, b in skeleton.limbs:
        sides = {colours[a], colours[b]} - {MIDDLE}
        limbs.append(sides.pop() if len(sides) == 1 else MIDDLE)
    return tuple(map(parse_colour, colours)), tuple(map(parse_colour, limbs))


def parse_colour(colour: str) -> Colour:
    """RGB of a colour written as `#rrggbb`."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
