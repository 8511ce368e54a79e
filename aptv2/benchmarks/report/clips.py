"""The best and the worst clips of a cell as short videos: annotated poses beside predicted ones."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from aptv2.drawing import draw_overlay
from aptv2.errors import InputError
from aptv2.evaluation.per_keypoint import animal_similarities
from aptv2.images import read_image
from aptv2.tables import PoseTable
from aptv2.video.writer import VideoWriter

_EACH = 2  # best clips, and as many worst ones
_MOST_FRAMES = 30
_SIDE = 288  # pixels of a frame's longer side; two stand side by side
_GAP = 4
_FPS = 6.0
_UNSURE = 0.2  # keypoints below this score are not drawn


class Clip(NamedTuple):
    """A clip that was drawn: its file's name, what it shows and its mean OKS, from 0 to 1."""

    file: str
    best: bool
    species: str
    place: str
    similarity: float
    frames: int
    width: int
    height: int


def draw_clips(truth: PoseTable, found: PoseTable, folder: Path) -> tuple[list[Clip], str]:
    """Draw the clips with the highest and the lowest mean OKS.

    Parameters
    ----------
    truth, found
        Annotated animals, whose `root` the images lie in, and predicted ones over the same frames.
    folder
        For the videos, H.264 in MP4, small enough to stand in a page.

    Returns
    -------
    tuple
        The clips, the best first, and why there are none ("" where there are some).

    Raises
    ------
    InputError
        Where the folder cannot be written.
    """
    clips: list[Clip] = []
    spans = _spans(truth, found)
    if not spans:
        return clips, "No clip has two annotated frames."
    best = spans[:_EACH]
    worst = [span for span in spans[::-1][:_EACH] if span not in best]
    for clip, similarity in (*best, *worst):
        try:
            pictures = _pictures(truth, found, clip)
        except InputError as error:
            return [], f"The images cannot be read: {error}"
        height, width = pictures[0].shape[:2]
        name = f"{len(clips)}.mp4"
        with VideoWriter(folder / name, width, height, _FPS) as video:
            for picture in pictures:
                video.write(picture)
        rows = truth.frames.clips[truth.frame] == clip
        species = dict.fromkeys(truth.categories.get(key, "") for key in truth.species[rows])
        clips.append(
            Clip(
                file=name,
                best=len(clips) < len(best),
                species=", ".join(filter(None, species)) or "unknown",
                place=Path(str(truth.frames.names[truth.frame[rows][0]])).parent.as_posix(),
                similarity=similarity,
                frames=len(pictures),
                width=width,
                height=height,
            )
        )
    return clips, ""


def _spans(truth: PoseTable, found: PoseTable) -> list[tuple[int, float]]:
    """Clips of at least two frames with labelled keypoints, by mean OKS from best to worst."""
    similarities = animal_similarities(truth, found)
    labelled = ~np.isnan(similarities)
    clips = truth.frames.clips[truth.frame]
    spans = []
    for clip in np.unique(clips[labelled & (clips >= 0)]).tolist():
        rows = labelled & (clips == clip)
        if len(np.unique(truth.frame[rows])) > 1:
            spans.append((clip, float(similarities[rows].mean())))
    return sorted(spans, key=lambda span: -span[1])


def _pictures(truth: PoseTable, found: PoseTable, clip: int) -> list[np.ndarray]:
    """The clip's frames with labelled keypoints, all of the first one's size."""
    judged = (truth.frames.clips[truth.frame] == clip) & (truth.num_keypoints > 0)
    frames = np.unique(truth.frame[judged])
    frames = frames[np.argsort(truth.frames.indices[frames], kind="stable")][:_MOST_FRAMES]
    pictures: list[np.ndarray] = []
    for frame in frames.tolist():
        picture = _picture(truth, found, frame)
        if pictures and picture.shape != pictures[0].shape:
            picture = cv2.resize(picture, pictures[0].shape[1::-1], interpolation=cv2.INTER_AREA)
        pictures.append(picture)
    return pictures


def _picture(truth: PoseTable, found: PoseTable, frame: int) -> np.ndarray:
    """Annotated poses on the left, predicted ones on the right."""
    image = read_image(Path(truth.root or ".") / truth.frames.names[frame])
    scale = _SIDE / max(image.shape[:2])
    width, height = (2 * max(1, round(side * scale / 2)) for side in image.shape[1::-1])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    ratio = np.array([width, height]) / image.shape[1::-1]
    halves = [_overlay(small, table, table.rows_of(frame), ratio) for table in (truth, found)]
    return np.concatenate([halves[0], np.full((height, _GAP, 3), 255, np.uint8), halves[1]], axis=1)


def _overlay(
    image: np.ndarray, table: PoseTable, rows: np.ndarray, ratio: np.ndarray
) -> np.ndarray:
    animals = table[rows]
    keypoints = animals.keypoints.copy()
    keypoints[:, :, :2] *= ratio
    boxes = animals.boxes * np.tile(ratio, 2)
    scores = np.full(len(rows), np.nan)  # Their tags would hide what is small here.
    return draw_overlay(
        image, boxes, keypoints, animals.tracks, scores, skeleton=table.skeleton, min_score=_UNSURE
    )
