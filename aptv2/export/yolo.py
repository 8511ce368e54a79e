"""YOLO pose: the folders and text files that Ultralytics trains from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from aptv2.datasets.names import fault_of, is_file
from aptv2.datasets.yolo import label_path
from aptv2.errors import InputError
from aptv2.export.folders import new_folder, place_images
from aptv2.images import image_size
from aptv2.tables import PoseTable


def write_yolo(
    tables: Mapping[str, PoseTable], folder: str | Path, images: str = "copy"
) -> list[str]:
    """Write a YOLO pose data set: `data.yaml`, `images/<split>/…` and `labels/<split>/…`.

    Parameters
    ----------
    tables
        Split (`train`, `val`, `test`) -> its animals; all with the same species and keypoints. A
        frame belongs to each split that has it in its table.
    folder
        A new folder.
    images
        "copy", "link" or "none"; see :func:`aptv2.export.folders.place_images`.

    Returns
    -------
    list of str
        What of the tables the format does not hold, a sentence each.

    Raises
    ------
    InputError
        Where a frame's size is not known, two frames would share a label file, or the folder
        cannot be written.

    Notes
    -----
    Ultralytics refuses coordinates outside an image, so boxes end at its edge and keypoints outside
    are written as absent. Animals without a box get one around their keypoints.
    """
    first = next(iter(tables.values()))
    classes = {key: place for place, key in enumerate(sorted(first.categories))}
    names = [first.categories[key] for key in classes]
    if any((table.species == -1).any() for table in tables.values()):
        classes[-1] = len(names)
        names.append("animal")
    losses: dict[str, int] = {}
    with new_folder(folder) as temporary:
        for split, table in tables.items():
            _write_split(table, temporary, split, classes, images, losses)
        skeleton = first.skeleton
        settings = {split: f"images/{split}" for split in tables}
        # Ultralytics asks for both.
        settings.setdefault("train", next(iter(settings.values())))
        settings.setdefault("val", settings["train"])
        description = {
            **settings,
            "kpt_shape": [len(skeleton), 3],
            "flip_idx": skeleton.flip.tolist(),
            "names": dict(enumerate(names)),
            "kpt_names": {place: list(skeleton.names) for place in range(len(names))},
        }
        text = yaml.safe_dump(description, allow_unicode=True, sort_keys=False)
        (temporary / "data.yaml").write_text(text, encoding="utf-8")
    for table in tables.values():
        _count_unheld(table, classes, losses)
    return [sentence.format(count) for sentence, count in losses.items() if count]


def _write_split(
    table: PoseTable,
    folder: Path,
    split: str,
    classes: Mapping[int, int],
    images: str,
    losses: dict[str, int],
) -> None:
    frames = table.frames
    digits = max(6, len(str(len(frames))))
    given = table.image_names if any(table.video_names) else frames.names
    files = [f"images/{split}/{name or f'{row:0{digits}d}.jpg'}" for row, name in enumerate(given)]
    for name in frames.names:
        if fault := fault_of(name):
            raise InputError(f"{table.root or 'the table'}: an image name {fault}; correct it.")
    labels = [label_path(file) for file in files]
    twice, count = Counter(labels).most_common(1)[0] if labels else ("", 0)
    if count > 1:
        raise InputError(
            f"{count} frames would share {twice}; rename their images so that they differ in "
            "more than the suffix."
        )
    sizes = _sizes(table)
    numbers = _numbers(replace(table, frames=replace(frames, sizes=sizes)), losses)
    order = np.argsort(table.frame, kind="stable")
    bounds = np.searchsorted(table.frame[order], np.arange(len(frames) + 1))
    (folder / "images" / split).mkdir(parents=True, exist_ok=True)
    for row, label in enumerate(labels):
        lines = []
        for animal in order[bounds[row] : bounds[row + 1]]:
            values = numbers[animal]
            if np.isnan(values[:4]).any():
                continue
            # A box's corner is computed from its centre, which needs more digits than a keypoint.
            box = " ".join(f"{value:.15g}" for value in values[:4])
            keypoints = " ".join(f"{value:.9g}" for value in values[4:])
            lines.append(f"{classes[int(table.species[animal])]} {box} {keypoints}\n")
        path = folder / label
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
    placed = dict(zip(files, frames.names, strict=True))
    missing = place_images(table.root, folder, placed, images)
    key = "Images that are not there: {}; put them beside their labels, in images/."
    losses[key] = losses.get(key, 0) + missing


def _sizes(table: PoseTable) -> np.ndarray:
    """int32 (F, 2): width and height, from the images where the table does not say."""
    sizes = table.frames.sizes.copy()
    for row in np.flatnonzero((sizes <= 0).any(axis=1)):
        name = table.frames.names[row]
        if table.root is None or not name or not is_file(table.root / name):
            raise InputError(
                f"image {table.frames.ids[row]} ({name or 'without a name'}) has no width and "
                f"height and is not in {table.root or 'a known folder'}; YOLO needs its size, so "
                "add it to the annotations."
            )
        sizes[row] = image_size(table.root / name)
    return sizes


def _numbers(table: PoseTable, losses: dict[str, int]) -> np.ndarray:
    """float64 (N, 4 + 3K): boxes by centre and keypoints, as shares of the image; NaN: no box."""

    def lose(count: int, sentence: str) -> None:
        losses[sentence] = losses.get(sentence, 0) + int(count)

    unboxed = np.isnan(table.boxes).any(axis=1)
    boxed = table.with_keypoint_boxes()
    still = np.isnan(boxed.boxes).any(axis=1)
    lose((unboxed & ~still).sum(), "Animals without a box that got one around their keypoints: {}.")
    lose(
        still.sum(), "Animals left out, as they have neither a box nor keypoints that span one: {}."
    )
    size = table.frames.sizes[table.frame].astype(np.float64)
    low = boxed.boxes[:, :2].astype(np.float64)
    high = low + boxed.boxes[:, 2:]
    inner_low, inner_high = np.clip(low, 0, size), np.clip(high, 0, size)
    cut = ((inner_low != low) | (inner_high != high)).any(axis=1) & ~still
    # A box that is inside keeps its very numbers.
    sides = np.where(cut[:, None], inner_high - inner_low, boxed.boxes[:, 2:])
    lose(cut.sum(), "Boxes that reach out of their image, cut at its edge: {}.")
    keypoints = table.keypoints.astype(np.float64)
    with np.errstate(invalid="ignore"):
        points = keypoints[:, :, :2]
        inside = ((points >= 0) & (points <= size[:, None])).all(axis=2) & (keypoints[:, :, 2] >= 0)
    lose(
        (~inside & ~(keypoints[:, :, 2] <= 0)).sum(),
        "Keypoints left out, as they lie out of their image: {}.",
    )
    keypoints[:, :, :2] /= size[:, None]
    keypoints[~inside] = 0
    centres = (inner_low + sides / 2) / size
    return np.concatenate(
        [centres, sides / size, keypoints.reshape(len(table), 3 * len(table.skeleton))], axis=1
    )


def _count_unheld(table: PoseTable, classes: Mapping[int, int], losses: dict[str, int]) -> None:
    """Add what YOLO has no place for."""
    frames = table.frames
    for sentence, count in (
        ("Track numbers lost, as YOLO pose has none: {}.", (table.tracks != -1).sum()),
        ("Scores of animals lost, as YOLO pose has none: {}.", (~np.isnan(table.scores)).sum()),
        ("Areas lost, as YOLO pose has none: {}.", (~np.isnan(table.areas)).sum()),
        ("Crowds that became ordinary animals: {}.", table.crowd.sum()),
        ("Animals of unknown species, now of the class animal: {}.", (table.species == -1).sum()),
        ("Frames whose clip is left only in their name: {}.", (frames.clips != -1).sum()),
        ("Frames whose time is lost: {}.", (~np.isnan(frames.times)).sum()),
        ("Frames without a name that got a number: {}.", sum(not name for name in frames.names)),
    ):
        losses[sentence] = losses.get(sentence, 0) + int(count)
    if any(key != place for key, place in classes.items()):
        losses[f"Species ids are now 0 to {len(classes) - 1}, in the order of the old."] = 1
    losses["Limbs, sigmas, image and annotation ids are lost: YOLO pose has none."] = 1
