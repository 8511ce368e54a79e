"""Good inputs of every kind, which `fuzz.py` damages, and how each is read.

Files of every annotation and result format, videos, images, boxes, weights and recipes; and
requests of the page.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BOXES = "frame,x,y,width,height,track_id\n0,1,2,30,40,1\n3,4,5,6,7,2\n"


def _table() -> Any:
    from aptv2.tables import Frames, PoseTable

    rng = np.random.default_rng(0)
    frames = Frames.make(6, indices=np.arange(6), times=np.arange(6) / 25, sizes=[[64, 48]] * 6)
    keypoints = np.concatenate([rng.uniform(1, 40, (9, 17, 2)), rng.uniform(0, 1, (9, 17, 1))], 2)
    return PoseTable.make(
        frames,
        [0, 0, 1, 1, 2, 3, 4, 5, 5],
        boxes=rng.uniform(1, 30, (9, 4)),
        keypoints=keypoints,
        scores=rng.uniform(0, 1, 9),
        tracks=[1, 2, 1, 2, 1, 1, 1, 1, 2],
        species=[1] * 9,
        categories={1: "dog"},
    )


def annotations(folder: Path) -> list[Path]:
    """A file of each format that is read."""
    from dataclasses import replace

    from aptv2.export import FORMATS, write, write_coco

    table = _table()
    write_coco(table, folder / "clip.tracks.json")
    write_coco(replace(table, scores=np.full(9, np.nan, np.float32)), folder / "labels.json")
    for name in ("dlc", "dlc-csv", "slp", "coco"):
        if FORMATS[name].available:
            write(table, name, folder, "clip")
    shapes = [{"label": "nose", "points": [[3, 4]], "group_id": 1, "shape_type": "point"}]
    (folder / "labelme.json").write_text(
        '{"version": "5", "flags": {}, "imagePath": "a.jpg", "imageWidth": 64, "imageHeight": 48, '
        f'"imageData": null, "shapes": {str(shapes).replace(chr(39), chr(34))}}}'
    )
    (folder / "annotations.xml").write_text(
        '<annotations><version>1.1</version><meta><task><labels/></task></meta><image id="0" '
        'name="a.jpg" width="64" height="48"><skeleton label="dog"><points label="nose" '
        'outside="0" occluded="0" points="3.0,4.0"/></skeleton><box label="dog" xtl="1" ytl="2" '
        'xbr="30" ybr="40" rotation="10"/></image></annotations>'
    )
    return sorted(path for path in folder.iterdir() if path.is_file())


def read_annotations(folder: Path) -> Callable[..., None]:
    """Read, and write again as what holds everything."""
    import aptv2
    from aptv2.export import write_coco, write_csv

    def use(name: str, content: bytes, rng: random.Random) -> None:
        (path := folder / name).write_bytes(content)
        table = aptv2.read_annotations(path)
        write_csv(table, folder / "out.csv")
        write_coco(table, folder / "out.json")

    return use


def videos(folder: Path) -> list[Path]:
    """Short videos in common containers, and images of several kinds."""
    import av
    from PIL import Image

    rng = np.random.default_rng(0)
    made = []
    for name, codec in (("a.mp4", "libx264"), ("a.avi", "mjpeg"), ("a.mkv", "libx264")):
        made.append(folder / name)
        with av.open(str(made[-1]), "w") as out:
            stream = out.add_stream(codec, rate=25)
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            for _ in range(8):
                image = rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(image, "rgb24")))
            out.mux(stream.encode(None))
    image = Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    for name in ("a.jpg", "a.png", "a.tif", "a.webp", "a.bmp"):
        made.append(folder / name)
        image.save(made[-1])
    image.save(folder / "p.jpg", progressive=True)
    return [*made, folder / "p.jpg"]


def read_video(folder: Path) -> Callable[..., None]:
    """Decode every frame."""
    from aptv2.images import read_image
    from aptv2.video.reader import open_video

    def use(name: str, content: bytes, rng: random.Random) -> None:
        (path := folder / name).write_bytes(content)
        if path.suffix in (".mp4", ".avi", ".mkv"):
            for _, _frame in zip(range(60), open_video(path), strict=False):
                pass
        else:
            read_image(path)

    return use


def texts(folder: Path) -> list[Path]:
    """Recipes and a boxes file."""
    from aptv2 import recipes

    made = []
    for path in Path(recipes.__file__).parent.glob("*.yaml"):
        made.append(folder / path.name)
        made[-1].write_bytes(path.read_bytes())
    (folder / "boxes.csv").write_text(BOXES)
    return [*made, folder / "boxes.csv", folder / "boxes.csv"]


def read_text(folder: Path) -> Callable[..., None]:
    """Read a recipe or first boxes."""
    from aptv2.inference.boxes_file import read_boxes
    from aptv2.training.recipes import read_recipe

    def use(name: str, content: bytes, rng: random.Random) -> None:
        (path := folder / name).write_bytes(content)
        read_boxes(path, 64, 48) if path.suffix == ".csv" else read_recipe(path)

    return use


def weights(folder: Path) -> list[Path]:
    """Small files of weights."""
    import torch
    from safetensors.torch import save_file

    tensors = {f"layer{n}.weight": torch.rand(4, 3) for n in range(4)}
    save_file(tensors, folder / "a.safetensors")
    torch.save({"state_dict": tensors, "meta": {"epoch": 3}}, folder / "a.pth")
    torch.save(tensors, folder / "b.pth", _use_new_zipfile_serialization=False)
    return [folder / name for name in ("a.safetensors", "a.pth", "b.pth")]


def read_weights(folder: Path) -> Callable[..., None]:
    """Read the tensors."""
    from aptv2.weights import read_weights as read

    def use(name: str, content: bytes, rng: random.Random) -> None:
        (path := folder / name).write_bytes(content)
        read(path)

    return use


REQUESTS = (
    *("POST /edits", "POST /track", "POST /find", "POST /undo", "POST /cancel", "POST /draw"),
    *("GET ", "GET /poses", "GET /first.jpg", "GET /video.mp4", "GET /pose.mp4"),
    *("GET /export/csv", "GET /export/tracks", "GET /export/dlc", "GET /export/nwb"),
)
BODIES = (
    b'{"kind": "merge", "track": 1, "value": 2}',
    b'{"kind": "split", "track": 1, "value": 3}',
    b'{"kind": "renumber", "track": 2, "value": 9}',
    b'{"kind": "delete", "track": 2}',
    b'{"kind": "name", "track": 1, "name": "Bella"}',
    b'{"frame": 2}',
    b'{"boxes": [{"frame": 0, "x": 1, "y": 2, "width": 30, "height": 20}], "pose": "lite"}',
)


def requests(folder: Path) -> list[Path]:
    """Bodies of requests."""
    for number, body in enumerate(BODIES):
        (folder / f"{number}.json").write_bytes(body)
    return sorted(folder.glob("*.json"))


def send(folder: Path) -> Callable[..., None]:
    """Send what was changed to an opened result, by all routes."""
    from starlette.testclient import TestClient

    from aptv2.app.server import create_app
    from aptv2.app.workspace import Workspace
    from aptv2.export import write_coco

    place = Path(tempfile.mkdtemp(dir=folder))
    write_coco(_table(), place / "clip.tracks.json")
    workspace = Workspace(max_bytes=10**6)
    clip = workspace.open_result(place / "clip.tracks.json")
    client = TestClient(
        create_app(workspace), base_url="http://127.0.0.1", raise_server_exceptions=False
    )

    def use(name: str, content: bytes, rng: random.Random) -> None:
        method, _, route = rng.choice(REQUESTS).partition(" ")
        path = f"/api/clips/{clip.id}{route}"
        if rng.random() < 0.2:
            path, method = f"/api/clips?name={content[:40].hex()}", "POST"
        elif rng.random() < 0.1:
            path += rng.choice(("/%00", "/%ff", "/..%2f..", "x" * 5000, "?frame=1e999"))
        kinds = ("bytes=0-", "bytes=9-1", "bytes=-5", "bytes=99999999999999999999-", "x")
        headers = {"range": rng.choice(kinds)} if rng.random() < 0.2 else {}
        answer = client.request(method, path, content=content, headers=headers)
        if answer.status_code >= 500 and answer.status_code not in (503, 507):
            raise AssertionError(f"{method} {path[:60]}: {answer.status_code} {answer.text[:80]}")

    return use


CLASSES: dict[str, tuple[Callable[[Path], list[Path]], Callable[[Path], Callable[..., None]]]] = {
    "annotations": (annotations, read_annotations),
    "video": (videos, read_video),
    "text": (texts, read_text),
    "weights": (weights, read_weights),
    "page": (requests, send),
}
