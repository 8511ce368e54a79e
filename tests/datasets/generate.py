"""Makes APTv2 releases of given clips, as published down to their dirt.

Pictures and coordinates are random; how the files are laid out, named and related is as released.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
import simplejpeg
from release_clips import FAMILIES, SPECIES, Clip

KEYPOINTS = [
    *("left_eye", "right_eye", "nose", "neck", "root_of_tail"),
    *("left_shoulder", "left_elbow", "left_front_paw"),
    *("right_shoulder", "right_elbow", "right_front_paw"),
    *("left_hip", "left_knee", "left_back_paw", "right_hip", "right_knee", "right_back_paw"),
]
LIMBS = "1-2 1-3 2-3 3-4 4-5 4-6 6-7 7-8 4-9 9-10 10-11 5-12 12-13 13-14 5-15 15-16 16-17"


def write_release(
    root: Path,
    clips: list[Clip],
    *,
    bare: Mapping[str, int] | None = None,
    dirty: int = 0,
    sizes: Iterable[tuple[int, int]] = ((1280, 720), (1920, 1080), (640, 360)),
    pictures: bool = False,
    unnamed: int = 0,
    folders: bool = False,
    repeated: int = 0,
    placeholders: int = 0,
    listed_size: tuple[int, int] | None = None,
    crowd_key: str = "iscrowd",
    layout: Literal["annotations", "easy and hard"] = "annotations",
    spelled: Literal["as on disk", "otherwise"] = "as on disk",
) -> Path:
    """Write a release.

    Parameters
    ----------
    root
        Folder for it.
    clips
        What it holds, such as :func:`release_clips.full_size_clips`.
    bare
        Boxes without any keypoint, a split.
    dirty
        Number of wrong `num_keypoints`.
    sizes
        Sizes of the images, clip by clip in turn.
    pictures
        Write the images, and LabelMe files beside them.
    unnamed
        With pictures, how many images more lie there that no split names (390 in the release).
    folders
        Write the few-shot, leave-one-out and tracking files too.
    repeated
        Records that follow once more in their file; every other copy is all zeros.
    placeholders
        Tracked records of zeros in frames after an animal's last one, with a track of their own.
    listed_size
        Size that the annotations give all images, whatever theirs is.
    crowd_key
        Name of the crowd flag.
    layout
        The annotation files: `annotations/`, or `annotations_easy/` and `annotations_hard/` as the
        official configurations read them.
    spelled
        Whether the annotations spell the species' folders as they are on disk.
    """
    rng = np.random.default_rng(3)
    images, animals = _images(clips, list(sizes)), _animals(clips)
    boxes, keypoints = _poses(rng, animals, images)
    split = np.array([clips[c].split for c in animals["clip"]])
    for name, count in (bare or {}).items():
        keypoints[rng.choice(np.flatnonzero(split == name), count, replace=False)] = 0
    numbers = (keypoints[:, :, 2] > 0).sum(axis=1)
    wrong = rng.choice(len(numbers), dirty, replace=False)
    numbers[wrong] = rng.integers(18, 41, dirty)

    items = [
        {
            "id": row + 1,
            "image_id": image + 1,
            "video_id": _video(clip, clips[clip].tree),
            "track_id": track,
            "category_id": SPECIES.index(clips[clip].species) + 1,
            "bbox": box,
            "area": round(box[2] * box[3], 4),
            crowd_key: 0,
            "num_keypoints": number,
            "keypoints": points,
        }
        for row, (image, clip, track, box, number, points) in enumerate(
            zip(
                animals["image"].tolist(),
                animals["clip"].tolist(),
                animals["track"].tolist(),
                boxes.tolist(),
                numbers.tolist(),
                keypoints.reshape(len(keypoints), -1).tolist(),
                strict=True,
            )
        )
    ]
    records = [orjson.dumps(item) for item in items]
    for turn, row in enumerate(rng.choice(len(items), repeated + placeholders, replace=False)):
        added = _copy(items[row], turn, repeats=turn < repeated) | {"id": len(items) + turn + 1}
        records[row] += b",\n" + orjson.dumps(added)
    limbs = [[int(end) for end in limb.split("-")] for limb in LIMBS.split()]
    categories = [
        {
            "id": i,
            "name": name,
            "supercategory": "animal",
            "keypoints": KEYPOINTS,
            "skeleton": limbs,
        }
        for i, name in enumerate(SPECIES, 1)
    ]
    head = b'{"images":%b,"categories":%b,"annotations":[' % (
        orjson.dumps([_listed(image, listed_size, spelled) for image in images]),
        orjson.dumps(categories),
    )
    tree = np.array([clips[c].tree for c in animals["clip"]])
    species = np.array([clips[c].species for c in animals["clip"]])
    files = [(f"annotations/{name}", rows) for name, rows in _files(split, tree, species, folders)]
    if layout == "easy and hard":
        files = [
            (f"annotations_{part}/{name}_annotations.json", (split == name) & (tree == part))
            for part in ("easy", "hard")
            for name in ("train", "val", "test")
        ]
    for name, rows in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        chosen = b",\n".join(records[row] for row in np.flatnonzero(rows))
        path.write_bytes(head + chosen + b"]}")
    if pictures:
        _write_pictures(rng, root / "data", images, animals, boxes, keypoints)
        first = root / "data" / images[0]["file_name"]
        for number in range(unnamed):
            (first.parent / f"{9000 + number}.jpg").write_bytes(first.read_bytes())
    return root


def _copy(item: dict[str, Any], turn: int, repeats: bool) -> dict[str, Any]:
    """A record that repeats another one, every other as zeros; or a placeholder of zeros."""
    zeros = {"bbox": [0, 0, 0, 0], "area": 0, "num_keypoints": 0, "keypoints": [0] * 51}
    if not repeats:
        return item | zeros | {"track_id": 900 + turn}
    return item | (zeros if turn % 2 else {})


def _listed(image: dict[str, Any], size: tuple[int, int] | None, spelled: str) -> dict[str, Any]:
    """What the annotations say of an image."""
    name = image["file_name"]
    if spelled == "otherwise":
        name = name.replace("spider-monkey", "spidermonkey").replace("chimps", "chimpanzee")
    width, height = size or (image["width"], image["height"])
    return image | {"file_name": name, "width": width, "height": height}


def _files(
    split: np.ndarray, tree: np.ndarray, species: np.ndarray, folders: bool
) -> Iterator[tuple[str, np.ndarray]]:
    """Name of each annotation file and the mask of the animals in it."""
    for name in ("train", "val", "test"):
        yield f"{name}_annotations.json", split == name
        if name != "train":
            for part in ("easy", "hard"):
                yield f"{name}_annotations_{part}.json", (split == name) & (tree == part)
    if not folders:
        return
    for shots in (5, 10, 20, 40, 80):
        for name in ("train", "val"):
            order = np.cumsum(split == name) <= shots * 30
            yield f"fewshot/{name}_{shots}shot.json", (split == name) & order
    for family, members in FAMILIES.items():
        inside = np.isin(species, sorted(members))
        for name, wanted in (("train", ~inside), ("val", inside)):
            rows = (split == name) & wanted
            yield f"leaveoneout_train70/{name}_{family}.json", rows
            easy = rows & (tree == "easy") if name == "train" else rows
            yield f"leaveoneout_train70onlyeasy/{name}_{family}.json", easy
    for name in ("train", "val", "test"):
        for family, members in FAMILIES.items():
            rows = (split == name) & np.isin(species, sorted(members))
            yield f"tracking/{name}_{family}.json", rows


def _video(place: int, tree: str) -> int:
    """The number of a clip, which begins beyond a million in the hard tree."""
    return place + 1 + (1_000_000 if tree == "hard" else 0)


def _images(clips: list[Clip], sizes: list[tuple[int, int]]) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = []
    numbers: dict[tuple[str, str], int] = defaultdict(int)
    for place, clip in enumerate(clips):
        numbers[clip.tree, clip.species] += 1
        folder = f"{clip.tree}/{species_folder(clip)}/v{numbers[clip.tree, clip.species]}C1"
        width, height = sizes[place % len(sizes)]
        images += [
            {
                "id": len(images) + 1 + frame,
                "file_name": f"{folder}/{frame:04}.jpg",
                "width": width,
                "height": height,
                "video_id": _video(place, clip.tree),
            }
            for frame in range(clip.frames)
        ]
    return images


def species_folder(clip: Clip) -> str:
    """The folder of a species, which some trees spell in another way."""
    spellings = {"chimpanzee": "chimps", "spider monkey": "spidermonkey"}
    name = clip.species.replace(" ", "-")
    if clip.tree == "hard":
        name = spellings.get(clip.species, name)
    return f"{SPECIES.index(clip.species) + 1}{name}"


def _animals(clips: list[Clip]) -> dict[str, np.ndarray]:
    """Rows sorted by image: its place, the clip's, the track's number in the clip and in all."""
    first = np.cumsum([0] + [clip.frames for clip in clips])
    parts = [
        (first[place] + start, place, track, length)
        for place, clip in enumerate(clips)
        for track, (start, length) in enumerate(clip.tracks)
    ]
    start, clip, track, length = np.array(parts).T
    whole = np.repeat(np.arange(len(parts)), length)
    age = np.arange(len(whole)) - np.repeat(np.cumsum(length) - length, length)
    image = start[whole] + age
    order = np.lexsort((track[whole], image))
    columns = {"image": image, "clip": clip[whole], "track": track[whole], "whole": whole}
    return {name: values[order] for name, values in (columns | {"age": age}).items()}


def _poses(
    rng: np.random.Generator, animals: dict[str, np.ndarray], images: list[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (N, 4) that move a little, inside their images, and keypoints (N, 17, 3) in them."""
    size = np.array([(image["width"], image["height"]) for image in images])[animals["image"]]
    tracks = int(animals["whole"].max()) + 1
    sides = rng.uniform(0.1, 0.5, (tracks, 2))[animals["whole"]]
    corner = rng.uniform(0, 0.4, (tracks, 2))[animals["whole"]]
    speed = rng.uniform(0, 0.003, (tracks, 2))[animals["whole"]]
    corner = corner + speed * animals["age"][:, None]
    boxes = np.round(np.concatenate([corner, sides], axis=1) * np.tile(size, 2), 2)
    boxes[:, 2:] = np.minimum(boxes[:, 2:], size - boxes[:, :2])
    boxes = np.round(boxes, 2)
    inner = rng.uniform(0.05, 0.95, (len(boxes), 17, 2))
    points = np.round(boxes[:, None, :2] + inner * boxes[:, None, 2:], 2)
    seen = rng.random((len(boxes), 17)) < 0.8
    seen[:, 3] = True
    keypoints = np.concatenate([points, np.full((len(boxes), 17, 1), 2)], axis=2)
    return boxes, keypoints * seen[:, :, None]


def _write_pictures(
    rng: np.random.Generator,
    folder: Path,
    images: list[dict[str, Any]],
    animals: dict[str, np.ndarray],
    boxes: np.ndarray,
    keypoints: np.ndarray,
) -> None:
    """JPEG files, and beside each its LabelMe file with `group_id` the track."""
    for row, image in enumerate(images):
        path = folder / image["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (image["height"], image["width"], 3), np.uint8)
        path.write_bytes(simplejpeg.encode_jpeg(pixels))
        shapes = []
        for animal in np.flatnonzero(animals["image"] == row):
            track = int(animals["track"][animal])
            x, y, w, h = boxes[animal].tolist()
            shapes.append(_shape("box", track, "rectangle", [[x, y], [x + w, y + h]]))
            for name, (x, y, seen) in zip(KEYPOINTS, keypoints[animal].tolist(), strict=True):
                if seen:
                    shapes.append(_shape(name, track, "point", [[x, y]]))
        label = {
            "version": "4.5.7",
            "shapes": shapes,
            "imagePath": path.name,
            "imageData": None,
            "imageHeight": image["height"],
            "imageWidth": image["width"],
        }
        path.with_suffix(".json").write_bytes(orjson.dumps(label))


def _shape(label: str, track: int, kind: str, points: list[list[float]]) -> dict[str, Any]:
    return {"label": label, "group_id": track, "shape_type": kind, "points": points, "flags": {}}
