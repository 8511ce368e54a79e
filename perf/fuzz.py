"""Damaged inputs of every kind, thousands of them: each is read, or refused in one sentence.

Good files are written first: every annotation and result format, videos, images, boxes, weights and
recipes; and requests of the page. Each try changes one at random and reads it, in a process with a
bound on time and memory. A fault is any error that is no `InputError` of one line that ends with a
full stop, more than 5 seconds, more than the memory, a crash, or an answer 500. Tries follow from
the seed, so a fault is found again by its class and number.

    python perf/fuzz.py [--tries 600] [--seed 0] [--classes video,page] [--first 0]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SECONDS, BYTES = 5, 6 * 2**30
TOKENS = (
    *(b"0", b"-1", b"1e308", b"-1e400", b"NaN", b"9223372036854775808", b"99999999999999999999999"),
    *(b"0.0000001", b"null", b'""', b"[]", b"{}", b"true", b"[" * 3000, b'{"a":' * 3000, b"\x00"),
    *(b"\xff\xfe", b"../../etc/passwd", b"\r\n", b"&a [*a,*a]", b"2001-99-99", b"\xf0\x9f\x90\x84"),
)
BOXES = "frame,x,y,width,height,track_id\n0,1,2,30,40,1\n3,4,5,6,7,2\n"
NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")


def main() -> None:
    """Print the table: class, tries, faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=600, help="of each class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first try")
    parser.add_argument("--classes", default=",".join(CLASSES))
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        work(options.classes, Path(options.child), options.seed, options.first, options.tries)
        return
    faults = 0
    print("| class | tries | refused | faults | seconds |\n|---|---|---|---|---|")
    for name in options.classes.split(","):
        began = time.monotonic()
        refused, found = drive(name, options.seed, options.first, options.tries)
        faults += len(found)
        seconds = time.monotonic() - began
        print(f"| {name} | {options.tries} | {refused} | {len(found)} | {seconds:.0f} |")
        for fault in found:
            print(f"    {name} {fault}", file=sys.stderr)
    raise SystemExit(faults > 0)


def drive(name: str, seed: int, first: int, tries: int) -> tuple[int, list[str]]:
    """Run the tries of a class in processes that may crash; the refusals, and the faults."""
    refused, faults, at, end = 0, [], first, first + tries
    with tempfile.TemporaryDirectory() as folder:
        while at < end:
            command = [sys.executable, __file__, "--child", folder, "--classes", name]
            numbers = ["--seed", str(seed), "--first", str(at), "--tries", str(end - at)]
            child = subprocess.Popen([*command, *numbers], stdout=subprocess.PIPE, text=True)
            assert child.stdout is not None
            started = None
            for line in child.stdout:
                word, number, *rest = line.rstrip("\n").split(" ", 2)
                if word == "TRY":
                    started = int(number)
                elif word == "DONE":
                    at, started = int(number) + 1, None
                    refused += rest[0] == "refused"
                    if rest[0].startswith("FAULT"):
                        faults.append(f"{number}: {rest[0]}")
            code = child.wait()
            if started is not None:
                faults.append(f"{started}: the process ended with {code}")
                at = started + 1
            elif code:
                raise SystemExit(f"{name}: the process ended with {code} before a try")
    return refused, faults


def work(name: str, folder: Path, seed: int, first: int, tries: int) -> None:
    """The tries of a class, in this process."""
    report = os.fdopen(os.dup(1), "w", buffering=1)
    warnings.simplefilter("ignore")
    make, read = CLASSES[name]
    place = folder / "good"
    place.mkdir(exist_ok=True)
    seeds = make(place)
    use = read(folder)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    signal.signal(signal.SIGALRM, _late)
    for number in range(first, first + tries):
        report.write(f"TRY {number}\n")
        rng = random.Random(f"{seed} {name} {number}")
        good = rng.choice(seeds)
        content = changed(rng, good.read_bytes(), rng.choice(seeds).read_bytes())
        signal.alarm(SECONDS)
        try:
            said = _outcome(use, good.name, content, rng)
        finally:
            signal.alarm(0)
        report.write(f"DONE {number} {said}\n")


class Late(BaseException):
    """The time is over."""


def _late(*_: object) -> None:
    raise Late


def _outcome(use: Callable[..., None], name: str, content: bytes, rng: random.Random) -> str:
    from aptv2.errors import InputError

    try:
        use(name, content, rng)
    except InputError as error:
        sentence = str(error)
        if "\n" in sentence or not sentence.endswith((".", ". …")):
            return f"FAULT {name}: no sentence: {sentence[:200]!r}"
        return "refused"
    except Late:
        return f"FAULT {name}: more than {SECONDS} seconds"
    except BaseException as error:
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"FAULT {name}: {error!r:.200} ({Path(where.filename).name}:{where.lineno})".replace(
            "\n", " "
        )
    return "read"


def changed(rng: random.Random, good: bytes, other: bytes) -> bytes:
    """A file with one to four changes."""
    content = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(content) + 1)
        kind = rng.randrange(8)
        if kind == 0:
            del content[at:]
        elif kind == 1:
            del content[at : at + rng.choice((1, 4, 64, 1000))]
        elif kind == 2:
            content[at:at] = rng.choice(TOKENS)
        elif kind == 3 and content:
            for _ in range(rng.choice((1, 8))):
                content[rng.randrange(len(content))] = rng.randrange(256)
        elif kind == 4:
            start = rng.randrange(len(other) + 1)
            content[at:at] = other[start : start + rng.choice((8, 200, 5000))]
        elif kind == 5:
            content[at : at + 8] = rng.choice((b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7))
        elif numbers := list(NUMBER.finditer(content[:200_000])):
            number = rng.choice(numbers)
            content[number.start() : number.end()] = rng.choice(TOKENS)
    return bytes(content)


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
    (folder / "boxes.csv").write_text(
        "frame,x,y,width,height,track_id\n0,1,2,30,40,1\n3,4,5,6,7,2\n"
    )
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

if __name__ == "__main__":
    main()
