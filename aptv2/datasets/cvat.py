"""CVAT XML 1.1, for images and for video, as CVAT's "export task" writes it.

For images: `<image name width height>` with shapes in it. For video: `<track id label>` with a
shape a frame, those between key frames written out; `outside="1"` where the object is not there.
The shapes are `<skeleton>` (an animal; its `<points>` are the keypoints, labelled, `outside` where
not labelled and `occluded` where hidden), `<box>` and `<points>` of a single point, which
`group_id` ties together (:mod:`aptv2.datasets.shapes`). `<meta>` lists the labels; a keypoint's has
the skeleton's as `<parent>`, and the skeleton's an `<svg>` whose lines are the limbs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from aptv2.datasets.names import fault_of, is_file, subfolders, with_slashes
from aptv2.datasets.records import read_bytes
from aptv2.datasets.shapes import Animal, Picture, Shape, animals_of, keypoints_of, number, table_of
from aptv2.errors import InputError
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.tables import PoseTable

_MOST_FRAMES = 10**6
Element = ElementTree.Element


class _Task(NamedTuple):
    """One file: its frames, the keypoint list and, where no images lie beside it, its video."""

    pictures: list[Picture]
    skeleton: Skeleton
    video: Path | None = None


def load_xml(path: Path) -> Element:
    """The root element of an XML file.

    A document type is refused: it is what entity bombs and references to other files need, and no
    annotation tool writes one.

    Raises
    ------
    InputError
        Where the file cannot be read, is not XML, or declares a document type.
    """
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data

    def refuse(*_: Any) -> None:
        raise InputError(f"{path} declares a document type, which annotations never need.")

    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(read_bytes(path), True)
        return builder.close()
    except (expat.ExpatError, ValueError, AssertionError, LookupError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{path} is not valid XML ({error}); it may be cut off, so get the file again."
        ) from None


def is_cvat(document: Any) -> bool:
    """Whether parsed XML looks like CVAT's."""
    return isinstance(document, Element) and document.tag == "annotations"


def is_cvat_folder(folder: Path) -> bool:
    """Whether a folder, or a folder in it, holds CVAT's `annotations.xml`."""
    return bool(_xml_files(folder))


def read_cvat(path: str | Path) -> PoseTable:
    """Read one file, or the `annotations.xml` of a folder or of the folders in it, as one table.

    Returns
    -------
    PoseTable
        A clip is a video, numbered from 1; images have no clip. Keypoints, in the order of the
        labels, and limbs are the skeleton's; or else the labels of the points. The species is
        the label of the skeleton or box, a track the `id` of a track or a `group_id`. Visibility
        is 1 where a keypoint is occluded and else 2. Where an animal has no box it is that around
        its keypoints.

    Raises
    ------
    InputError
        Where a file cannot be read or holds something wrong; it names the file and the shape.
    """
    path = Path(path)
    files = _xml_files(path) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} holds no annotations.xml, nor does a folder in it.")
    root = path if path.is_dir() else path.parent
    return _table([_parse(load_xml(one), one, root, i) for i, one in enumerate(files, 1)], root)


def parse_cvat(document: Element, path: Path) -> PoseTable:
    """As :func:`read_cvat`, from one parsed file that came from `path`."""
    return _table([_parse(document, path, path.parent, 1)], path.parent)


def _table(tasks: list[_Task], root: Path) -> PoseTable:
    skeleton = tasks[0].skeleton
    if any(task.skeleton != skeleton for task in tasks):
        raise InputError(f"{root} holds tasks with different keypoints; give one of them.")
    pictures = [picture for task in tasks for picture in task.pictures]
    # A table has one root: of several videos without images, none can be it.
    video = tasks[0].video if len(tasks) == 1 else None
    videos = {
        clip: task.video.relative_to(root).as_posix()
        for clip, task in enumerate(tasks, 1)
        if len(tasks) > 1 and task.video is not None
    }
    return replace(table_of(pictures, skeleton, video or root), videos=videos)


def _xml_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    places = [folder] if is_file(folder / "annotations.xml") else subfolders(folder)
    return [one / "annotations.xml" for one in places if is_file(one / "annotations.xml")]


def _parse(document: Element, path: Path, root: Path, clip: int) -> _Task:
    if not is_cvat(document):
        raise InputError(f"{path} is not CVAT's: its root element is no <annotations>.")
    if document.find("meta/project") is not None and document.find("track") is not None:
        raise InputError(f"{path} is of a whole project of videos; export one task at a time.")
    images = document.findall("image")
    prefix = path.parent.relative_to(root).as_posix().removeprefix(".")
    if images:
        pictures = [_image(image, f"{path}: image {i}") for i, image in enumerate(images)]
        names = [picture.name for picture in pictures]
        inner = _join(prefix, "images")
        prefix = inner if any(is_file(root / inner / name) for name in names[:5]) else prefix
        for picture in pictures:
            picture.name = _join(prefix, picture.name)
        video = None
    else:
        pictures, video = _video(document, path, prefix, clip)
    labels = [
        name for picture in pictures for animal in picture.animals for name in animal.keypoints
    ]
    return _Task(pictures, _skeleton(document, labels, path), video)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _image(image: Element, where: str) -> Picture:
    name = with_slashes(image.get("name", ""))
    if not name or fault_of(name):
        raise InputError(f'{where}: "name" {fault_of(name) or "is missing"}; correct it.')
    size = _whole(image, "width", where), _whole(image, "height", where)
    animals, shapes = [], []
    for element in image:
        if element.tag == "skeleton":
            spot = f"{where} ({name}): skeleton {element.get('label')!r}"
            group = _whole(element, "group_id", spot)
            animals.append(_skeleton_animal(element, element, group or -1, spot))
        elif element.tag in ("box", "points"):
            spot = f"{where} ({name}): {element.tag} {element.get('label')!r}"
            group = _whole(element, "group_id", spot)
            shapes.append(_shape(element, element, group or None, group or -1, spot))
    return Picture(name, size, animals + animals_of(shapes))


def _video(
    document: Element, path: Path, prefix: str, clip: int
) -> tuple[list[Picture], Path | None]:
    size = (
        _whole_text(document, "meta/*/original_size/width", path),
        _whole_text(document, "meta/*/original_size/height", path),
    )
    animals: dict[int, list[Animal]] = {}
    shapes: dict[int, list[Shape]] = {}
    for track in document.iter("track"):
        where = f"{path}: track {track.get('id')}"
        key, group = _whole(track, "id", where), _whole(track, "group_id", where)
        for element in track:
            spot = f"{where}: {element.tag} of frame {element.get('frame')}"
            if element.tag not in ("skeleton", "box", "points") or element.get("outside") == "1":
                continue
            frame = _whole(element, "frame", spot)
            if element.tag == "skeleton":
                found = _skeleton_animal(element, track, key, spot)
                if found.keypoints:
                    animals.setdefault(frame, []).append(found)
            else:
                shape = _shape(element, track, group or None, key, spot)
                shapes.setdefault(frame, []).append(shape)
    last = max([*animals, *shapes], default=-1)
    count = max(_whole_text(document, "meta/*/size", path), last + 1)
    if count > _MOST_FRAMES:
        raise InputError(f"{path}: frame {count - 1} is beyond all bounds; correct it.")
    name, video = _frame_name(document, path)
    pictures = []
    for frame in range(count):
        here = animals.get(frame, []) + animals_of(shapes.get(frame, []))
        file = _join(prefix, name.format(frame)) if name else ""
        pictures.append(Picture(file, size, here, clip, frame))
    return pictures, video


def _frame_name(document: Element, path: Path) -> tuple[str, Path | None]:
    """How the images of frames are called ("" where there are none), or else the video."""
    for pattern in (
        "images/frame_{:06d}.png",
        "images/frame_{:06d}.PNG",
        "images/frame_{:06d}.jpg",
    ):
        if is_file(path.parent / pattern.format(0)):
            return pattern, None
    source = document.findtext("meta/source") or document.findtext("meta/task/source") or ""
    video = path.parent / source
    # A plain name only: what a file says must not lead out of its folder.
    return "", video if Path(source).name == source and is_file(video) else None


def _skeleton_animal(element: Element, named: Element, track: int, where: str) -> Animal:
    animal = Animal(named.get("label", ""), track)
    for point in element.iter("points"):
        keypoint = _shape(point, point, None, -1, f"{where}: keypoint {point.get('label')!r}")
        if len(keypoint.corners) != 1:
            raise InputError(f"{keypoint.where} is not one point; correct it.")
        if keypoint.label in animal.keypoints:
            raise InputError(f"{keypoint.where} is there twice; remove one.")
        if point.get("outside") != "1":
            animal.keypoints[keypoint.label] = (*keypoint.corners[0], keypoint.visibility)
    return animal


def _shape(element: Element, named: Element, group: int | None, track: int, where: str) -> Shape:
    """A box or a point; `named` is the element with the label."""
    label = named.get("label")
    if not label:
        raise InputError(f'{where}: "label" is missing; correct it.')
    corners: tuple[tuple[float, float], ...]
    if element.tag == "box":
        x1, y1, x2, y2 = (
            number(element.get(key), f'{where}: "{key}"') for key in ("xtl", "ytl", "xbr", "ybr")
        )
        if x2 < x1 or y2 < y1:
            raise InputError(f"{where} has a negative size; correct it.")
        angle = number(element.get("rotation", "0"), f'{where}: "rotation"')
        corners = _enclosing(x1, y1, x2, y2, angle)
    else:
        pair = element.get("points", "").split(",")
        if len(pair) != 2:
            raise InputError(
                f'{where}: "points" is not one "x,y"; label every keypoint by itself, '
                "or draw a skeleton."
            )
        corners = ((number(pair[0], f"{where}: x"), number(pair[1], f"{where}: y")),)
    visibility = 1 if element.get("occluded") == "1" else 2
    return Shape(label, corners, group, track, visibility, where)


def _enclosing(
    x1: float, y1: float, x2: float, y2: float, degrees: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Corners of the box around one that is turned about its centre."""
    if degrees % 360 == 0:
        return (x1, y1), (x2, y2)
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    half_width, half_height = (x2 - x1) / 2, (y2 - y1) / 2
    across = cosine * half_width + sine * half_height
    down = sine * half_width + cosine * half_height
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    return (x - across, y - down), (x + across, y + down)


def _whole(element: Element, key: str, where: str) -> int:
    """A whole number from 0; 0 where it is not given."""
    return _as_whole(element.get(key, "0"), f'{where}: "{key}"')


def _whole_text(document: Element, place: str, path: Path) -> int:
    return _as_whole(document.findtext(place) or "0", f"{path}: <{place.rpartition('/')[2]}>")


def _as_whole(text: str, where: str) -> int:
    found = number(text, where)
    if not 0 <= found < 2**31 or found != int(found):
        raise InputError(f"{where} is {text[:40]!r}, not a whole number from 0; correct it.")
    return int(found)


def _skeleton(document: Element, labels: Iterable[str], path: Path) -> Skeleton:
    """Keypoints and limbs that `<meta>` gives, or the labels of points where it gives none."""
    known = document.findall("meta//label")
    skeletons: dict[str, list[str]] = {}
    for label in known:
        if parent := label.findtext("parent"):
            skeletons.setdefault(parent, []).append(label.findtext("name") or "")
    lists = list(skeletons.values())
    if any(names != lists[0] for names in lists):
        raise InputError(
            f"{path}: the skeletons {', '.join(skeletons)} have different keypoints; "
            "export the animals of one skeleton at a time."
        )
    points = [label.findtext("name") or "" for label in known if label.findtext("type") == "points"]
    used = list(dict.fromkeys(labels))
    names = lists[0] if lists else [name for name in points if name in used]
    skeleton = keypoints_of([*names, *used])
    if skeleton is ANIMAL17 or not lists:
        return skeleton
    svg = next((text for label in known if (text := label.findtext("svg"))), "")
    return Skeleton(skeleton.names, limbs=_limbs(svg, skeleton.names))


def _limbs(svg: str, names: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Lines of CVAT's picture of a skeleton, as far as both ends are keypoints."""
    keypoint_of = {}
    for tag in re.findall(r"<circle\b[^>]*>", svg):
        node, name = _quoted(tag, "data-node-id"), _quoted(tag, "data-label-name")
        if node and name in names:
            keypoint_of[node] = names.index(name)
    ends = [
        (_quoted(tag, "data-node-from"), _quoted(tag, "data-node-to"))
        for tag in re.findall(r"<line\b[^>]*>", svg)
    ]
    return tuple(
        (keypoint_of[a], keypoint_of[b]) for a, b in ends if a in keypoint_of and b in keypoint_of
    )


def _quoted(tag: str, key: str) -> str:
    match = re.search(rf'{key}="([^"]*)"', tag)
    return match[1] if match else ""
