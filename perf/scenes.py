"""The scenes with several animals that other scripts use: real pixels with known tracks.

The animals are those that DAVIS has masks of here. The camel and the cow, and the clip `cows`, are
of the validation clips; goat and dog (`libby`), and the other clips, which serve as surroundings,
are of the clips that the lite network was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import FPS, back_and_forth
from pasting import (
    Actor,
    Cutout,
    Scene,
    beside,
    box_table,
    compose,
    cut_out,
    in_place,
    walker,
)

from aptv2 import PoseTable
from aptv2.images import read_image
from aptv2.video.writer import VideoWriter

LENGTH = 120  # frames of a scene

# Frames in which the animals are seen from the side and whole.
SIDE_VIEWS = {"camel": (0, 24), "cows": (0, 60), "goat": (24, 60), "libby": (3, 24)}


def pasted_scenes(data: Path, length: int = LENGTH) -> Iterator[Scene]:
    """Animals that meet, pass, hide and overtake each other, one scene after the other."""
    camel, cow, goat, dog = side_views(data)
    whole_cow = davis_cutout(data, "cows")

    def walk(cutout: Cutout, height: float, *path: tuple[float, float]) -> Actor:
        return walker(cutout, path, height, length)

    stories: list[tuple[str, str, list[Actor]]] = [
        (
            "pass each other",
            "paragliding-launch",
            [walk(camel, 130, (90, 300), (560, 300)), walk(cow, 120, (550, 315), (80, 315))],
        ),
        (
            "twins pass each other",
            "drift-chicane",
            [walk(camel, 130, (90, 290), (550, 290)), walk(camel, 130, (550, 300), (90, 300))],
        ),
        (
            "one walks behind the other",
            "car-shadow",
            [walk(dog, 70, (60, 245), (590, 245)), walk(cow, 190, (330, 320), (330, 320))],
        ),
        (
            "overtaking",
            "drift-chicane",
            [walk(goat, 120, (230, 280), (430, 280)), walk(camel, 150, (80, 300), (570, 300))],
        ),
        (
            "meet and turn back",
            "kite-surf",
            [
                walk(cow, 130, (100, 300), (300, 300), (100, 300)),
                walk(camel, 150, (540, 310), (370, 310), (540, 310)),
            ],
        ),
        (
            "before and behind a third",
            "cows",
            [
                walk(camel, 110, (60, 200), (600, 200)),
                in_place(whole_cow, length),
                walk(goat, 100, (600, 345), (60, 345), (600, 345)),
            ],
        ),
        (
            "herd of five",
            "car-shadow",
            [
                walk(cow, 75, (560, 250), (340, 250), (120, 250)),
                walk(camel, 105, (80, 265), (250, 265), (420, 265)),
                walk(dog, 60, (60, 290), (560, 290), (200, 290)),
                walk(goat, 100, (330, 320), (480, 320), (300, 320)),
                walk(cow, 105, (180, 350), (130, 350), (320, 350)),
            ],
        ),
    ]
    for name, clip, actors in stories:
        yield compose(name, background(data, clip, length), actors)


def clips_beside(data: Path) -> Iterator[Scene]:
    """The validation clips side by side, and with two training clips in a square."""
    camel, cows, goat, libby = (_as_it_is(data, name) for name in SIDE_VIEWS)
    camel = replace(camel, ignored=_second_camel(camel.frames))
    yield beside("camel and cows", [camel, cows], 2)
    yield beside("camel, cows, goat and libby", [camel, cows, goat, libby], 2)


def davis_cutout(data: Path, clip: str, first: int = 0, last: int | None = None) -> Cutout:
    """The animal of a DAVIS clip in frames `first` to `last`, the latter not included."""
    paths = sorted(clip_folder(data, clip).glob("*.jpg"))[first:last]
    masks = data / "davis" / "masks" / clip
    return cut_out(
        [read_image(path) for path in paths],
        [read_image(masks / f"{path.stem}.png")[:, :, 0] > 127 for path in paths],
    )


def side_views(data: Path) -> list[Cutout]:
    """The four animals from the side, facing right: camel, cow, goat and dog."""
    return [davis_cutout(data, name, *span) for name, span in SIDE_VIEWS.items()]


def background(data: Path, clip: str, length: int) -> list[np.ndarray]:
    """Frames of a DAVIS clip, played to and fro."""
    frames = [read_image(path) for path in sorted(clip_folder(data, clip).glob("*.jpg"))]
    return [frames[i] for i in back_and_forth(len(frames), length)]


def clip_folder(data: Path, clip: str) -> Path:
    """Folder of a DAVIS clip, of whichever split."""
    return next((data / "davis" / "got10k_layout").glob(f"*/{clip}"))


def write(scene: Scene, folder: Path) -> Path:
    """Encode a scene to a video file in a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{scene.name.replace(',', '').replace(' ', '-')}.mp4"
    height, width = scene.frames[0].shape[:2]
    with VideoWriter(path, width, height, FPS) as writer:
        for frame in scene.frames:
            writer.write(frame)
    return path


# The clip `camel` shows a second one, without annotation, behind the first. Measured by eye:
# frame, x, y, width, height.
_SECOND_CAMEL = (
    (28, 228, 62, 35, 160),
    (32, 220, 72, 38, 155),
    (36, 208, 80, 46, 155),
    (40, 199, 81, 60, 155),
    (46, 185, 83, 62, 157),
    (52, 167, 84, 63, 160),
    (60, 149, 93, 64, 158),
    (70, 128, 95, 64, 158),
    (89, 108, 97, 65, 158),
)


def _second_camel(frames: Sequence[np.ndarray]) -> PoseTable:
    measured = np.array(_SECOND_CAMEL, float)
    numbers = np.arange(int(measured[0, 0]), len(frames))
    boxes = np.stack([np.interp(numbers, measured[:, 0], c) for c in measured[:, 1:].T], axis=1)
    return box_table(frames, [(int(n), -1, box) for n, box in zip(numbers, boxes, strict=True)])


def _as_it_is(data: Path, clip: str) -> Scene:
    cutout = davis_cutout(data, clip)
    frames = background(data, clip, len(cutout))
    rows = [(number, 1, box) for number, box in enumerate(cutout.boxes)]
    return Scene(clip, frames, box_table(frames, rows), box_table(frames, []))
