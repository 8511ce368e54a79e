"""Pasting animals into other clips, with a ground truth that knows who hides whom.

An animal is cut out of the frames of a clip with its masks and pasted, with soft edges, into other
frames, where it walks along a path. Those that are pasted later stand in front. What is visible of
each is counted pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from common import back_and_forth

from aptv2 import Frames, PoseTable
from aptv2 import boxes as box_tools

VISIBLE = 0.3  # share of an animal's pixels from which it has to be found
FEATHER = 1.0  # pixels (standard deviation) over which a pasted animal's edge fades


@dataclass(frozen=True)
class Cutout:
    """An animal cut out of a clip.

    Parameters
    ----------
    pixels
        uint8 (h, w, 3), RGB, one a frame: the frame's part in the animal's box.
    masks
        bool (h, w): which of them are the animal's.
    boxes
        int64 (F, 4): x, y, width, height of these parts in their frames.
    """

    pixels: list[np.ndarray]
    masks: list[np.ndarray]
    boxes: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True)
class Actor:
    """An animal of a scene.

    Parameters
    ----------
    cutout
        Its looks; they are played to and fro.
    feet
        float64 (F, 2): where the middle of the lower edge of its box is in each frame.
    scale
        Size relative to the cutout's.
    mirrored
        bool (F,): whether it faces the other way.
    """

    cutout: Cutout
    feet: np.ndarray
    scale: float
    mirrored: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A clip and what is in it.

    Parameters
    ----------
    name
        What happens.
    frames
        uint8 (H, W, 3), RGB.
    truth
        The animals of which at least `VISIBLE` is visible; a box is that of the visible part.
    ignored
        Animals that need not be found but may be: nearly hidden ones (the box is the whole
        animal's) and such as nobody annotated. They have no track.
    """

    name: str
    frames: list[np.ndarray]
    truth: PoseTable
    ignored: PoseTable


def cut_out(frames: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> Cutout:
    """The animal of frames, uint8 (H, W, 3), with masks, bool (H, W), that show it."""
    boxes = np.array([_bounds(mask) for mask in masks])
    parts = [(slice(y, y + height), slice(x, x + width)) for x, y, width, height in boxes]
    return Cutout(
        [frame[part] for frame, part in zip(frames, parts, strict=True)],
        [mask[part] for mask, part in zip(masks, parts, strict=True)],
        boxes,
    )


def walker(
    cutout: Cutout, path: Sequence[tuple[float, float]], height: float, length: int
) -> Actor:
    """An animal that walks from point to point, the same time for each stretch.

    It faces where it walks; where it stands it faces as before, first to the right.

    Parameters
    ----------
    cutout
        The animal, facing right.
    path
        Where its feet are, x and y in pixels of the frame.
    height
        Its height in the cutout's first frame, in pixels.
    length
        Frames.
    """
    stops = np.array(path, float)
    at = np.linspace(0, len(stops) - 1, length)
    feet = np.stack([np.interp(at, np.arange(len(stops)), stops[:, i]) for i in (0, 1)], axis=1)
    mirrored, facing_left = np.zeros(length, bool), False
    for i, step in enumerate(np.append(np.diff(feet[:, 0]), 0)):
        facing_left = step < 0 or (facing_left and step == 0)
        mirrored[i] = facing_left
    return Actor(cutout, feet, height / cutout.boxes[0, 3], mirrored)


def in_place(cutout: Cutout, length: int) -> Actor:
    """The animal where it is in its own clip, to be pasted over that clip's frames."""
    boxes = cutout.boxes[back_and_forth(len(cutout), length)]
    feet = np.stack([boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3]], axis=1)
    return Actor(cutout, feet.astype(float), 1.0, np.zeros(length, bool))


def compose(name: str, frames: Sequence[np.ndarray], actors: Sequence[Actor]) -> Scene:
    """Paste animals into frames, the first farthest back; track numbers count from 1."""
    pictures, shown, hidden = [], [], []
    for number, frame in enumerate(frames):
        picture = frame.astype(np.float32)
        owner = np.zeros(frame.shape[:2], np.int64)
        whole: list[tuple[int, np.ndarray]] = []
        for track, actor in enumerate(actors, 1):
            look = _look(actor, number)
            whole.append((int(np.count_nonzero(look.alpha > 0.5)), look.box))
            _paste(picture, owner, look, track)
        pictures.append(np.round(picture).astype(np.uint8))
        for track, (count, box) in enumerate(whole, 1):
            visible = owner == track
            share = np.count_nonzero(visible) / count
            if share >= VISIBLE:
                shown.append((number, track, _bounds(visible)))
            elif share > 0:
                hidden.append((number, -1, box))
    return Scene(name, pictures, box_table(frames, shown), box_table(frames, hidden))


def beside(name: str, scenes: Sequence[Scene], columns: int) -> Scene:
    """Several scenes at once, side by side in rows, as long as the shortest."""
    length = min(len(scene.frames) for scene in scenes)
    height, width = scenes[0].frames[0].shape[:2]
    frames = []
    for number in range(length):
        tiles = [scene.frames[number] for scene in scenes]
        rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
        frames.append(np.vstack(rows))
    truth: list[tuple[int, int, np.ndarray]] = []
    ignored: list[tuple[int, int, np.ndarray]] = []
    last = 0
    for i, scene in enumerate(scenes):
        row, column = divmod(i, columns)
        offset = np.array([column * width, row * height, 0, 0], np.float32)
        for table, moved in ((scene.truth, truth), (scene.ignored, ignored)):
            part = table[table.frame < length]
            tracks = np.where(part.tracks > 0, part.tracks + last, -1)
            moved += list(zip(part.frame, tracks, part.boxes + offset, strict=True))
        last += int(scene.truth.tracks.max(initial=0))
    return Scene(name, frames, box_table(frames, truth), box_table(frames, ignored))


def without_ignored(found: PoseTable, scene: Scene) -> PoseTable:
    """Drop boxes that are on an ignored animal and on no other, so that they neither help nor harm.

    On an animal is a box half of which, or more, its box covers; on none of the others, one whose
    overlap with each is under a half.
    """
    keep = np.ones(len(found), bool)
    for frame in range(len(found.frames)):
        rows = found.rows_of(frame)
        truth = scene.truth.boxes[scene.truth.rows_of(frame)]
        ignored = scene.ignored.boxes[scene.ignored.rows_of(frame)]
        on_ignored = box_tools.coverage(found.boxes[rows], ignored).max(axis=1, initial=0) >= 0.5
        elsewhere = box_tools.iou(found.boxes[rows], truth).max(axis=1, initial=0) < 0.5
        keep[rows] = ~(on_ignored & elsewhere)
    return found[keep]


def box_table(
    frames: Sequence[np.ndarray], rows: Sequence[tuple[int, int, np.ndarray]]
) -> PoseTable:
    """A table of boxes from frame numbers, tracks and boxes."""
    height, width = frames[0].shape[:2]
    count = len(frames)
    known = Frames.make(count, sizes=np.tile([width, height], (count, 1)), indices=np.arange(count))
    return PoseTable.make(
        known,
        [number for number, _, _ in rows],
        boxes=[box for _, _, box in rows],
        tracks=[track for _, track, _ in rows],
    )


class _Look(NamedTuple):
    """An actor in one frame."""

    pixels: np.ndarray  # float32 (h, w, 3)
    alpha: np.ndarray  # float32 (h, w): opacity
    corner: np.ndarray  # int64 (2,): where their top left corner is in the frame
    box: np.ndarray  # int64 (4,) xywh: the whole animal's, in the frame


def _look(actor: Actor, frame: int) -> _Look:
    shown = back_and_forth(len(actor.cutout), frame + 1)[-1]
    pixels, mask = actor.cutout.pixels[shown], actor.cutout.masks[shown].astype(np.float32)
    border = [(4, 4), (4, 4)]  # for the edge to fade in
    pixels, mask = np.pad(pixels, [*border, (0, 0)], mode="edge"), np.pad(mask, border)
    if actor.mirrored[frame]:
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
    if actor.scale != 1:
        height, width = (max(1, round(side * actor.scale)) for side in mask.shape)
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    # The edge fades inwards: nothing of the old surroundings comes along.
    alpha = np.clip(2 * cv2.GaussianBlur(mask, (0, 0), FEATHER) - 0.8, 0, 1)
    inside = _bounds(mask > 0.5)
    feet = inside[:2] + inside[2:] * np.array([0.5, 1])
    corner = np.round(actor.feet[frame] - feet).astype(np.int64)
    box = np.concatenate([corner + inside[:2], inside[2:]])
    return _Look(pixels.astype(np.float32), alpha, corner, box)


def _paste(picture: np.ndarray, owner: np.ndarray, look: _Look, track: int) -> None:
    """Blend an animal into a picture and mark its pixels as its own, as far as it is inside."""
    size = np.array(look.alpha.shape[::-1])
    low = np.maximum(look.corner, 0)
    high = np.minimum(look.corner + size, picture.shape[1::-1])
    if (low >= high).any():
        return
    x, y = low - look.corner
    width, height = high - low
    alpha = look.alpha[y : y + height, x : x + width]
    there = slice(low[1], high[1]), slice(low[0], high[0])
    own = look.pixels[y : y + height, x : x + width]
    picture[there] += alpha[..., None] * (own - picture[there])
    owner[there][alpha > 0.5] = track


def _bounds(mask: np.ndarray) -> np.ndarray:
    """Box int64 (4,) xywh around the pixels of a mask that holds some."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], np.ptp(columns) + 1, np.ptp(rows) + 1])
