"""The registry; and a pose network, a detector and a tracker that are one file and one recipe each.

Each is trained, tested, tracked with and exported; nothing else in the package knows of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toy_networks import DETECTOR, POSE, RECIPE, TRACKER
from typer.testing import CliRunner

import aptv2
from aptv2.cli.main import app
from aptv2.errors import InputError
from aptv2.models import networks, registry
from aptv2.models.registry import Signature
from aptv2.skeleton import ANIMAL17

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

WIDTH, HEIGHT = 160, 120


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of three networks beside those of the package."""
    folder = tmp_path / "networks"
    folder.mkdir()
    for name, code in (("toy_pose", POSE), ("toy_detector", DETECTOR), ("toy_tracker", TRACKER)):
        (folder / f"{name}.py").write_text(code)
    monkeypatch.setattr(networks, "__path__", [*networks.__path__, str(folder)])
    registry.specs.cache_clear()
    yield folder
    registry.specs.cache_clear()
    for name in [name for name in sys.modules if name.startswith("aptv2.models.networks.toy_")]:
        del sys.modules[name]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Photographs with keypoints, and two clips in GOT-10k's layout: an animal and a car."""
    root = tmp_path / "data"
    rng = np.random.default_rng(0)
    images, annotations = [], []
    (root / "images").mkdir(parents=True)

    def paint(path: Path, x: int) -> list[int]:
        pixels = rng.integers(0, 60, (HEIGHT, WIDTH, 3), np.uint8)
        pixels[40:80, x : x + 60] = (220, 120, 60)
        Image.fromarray(pixels).save(path)
        return [x, 40, 60, 40]

    for number in range(1, 5):
        box = paint(root / "images" / f"{number}.png", 10 * number)
        spots = [(box[0] + 3 * k, box[1] + 2 * k, 2) for k in range(17)]
        images.append(
            {"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT}
        )
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "bbox": box,
                "area": 2400,
                "iscrowd": 0,
                "keypoints": [value for spot in spots for value in spot],
            }
        )
    categories = [{"id": 1, "name": "cow", "keypoints": [*ANIMAL17.names], "skeleton": []}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "train.json").write_text(json.dumps(content))
    for clip, kind in (("a", "goat"), ("b", "car")):
        folder = root / "clips" / clip
        folder.mkdir(parents=True)
        boxes = [paint(folder / f"{frame:08d}.png", 10 + 8 * frame) for frame in range(1, 5)]
        lines = "".join(",".join(map(str, box)) + "\n" for box in boxes)
        (folder / "groundtruth.txt").write_text(lines)
        (folder / "meta_info.ini").write_text(
            f"[METAINFO]\nobject_class: {kind}\nresolution: ({WIDTH}, {HEIGHT})\n"
        )
    return root


def run(*arguments: object) -> str:
    outcome = CliRunner().invoke(app, [str(each) for each in arguments])
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def trained(name: str, data: Path, folder: Path, sources: str, tasks: str, epochs: int = 2) -> Path:
    """Weights from a few steps of `aptv2 train`."""
    recipe = folder / f"{name}.yaml"
    recipe.write_text(RECIPE.format(name=name, data=sources, tasks=tasks, epochs=epochs))
    run("train", recipe, "--data", data, "-o", folder / "run")
    weights = folder / "run" / f"{name}.safetensors"
    assert registry.recognise(torch_shapes(weights)).name == name
    return weights


def torch_shapes(path: Path) -> dict[str, torch.Tensor]:
    return aptv2.weights.read_weights(path)[0]


def exported(tracks: Path) -> str:
    run("export", tracks, "--to", "csv", "-o", tracks.with_name("again.csv"))
    return tracks.with_name("again.csv").read_text()


def test_a_pose_network(toys: Path, data: Path, tmp_path: Path) -> None:
    weights = trained("toy_pose", data, tmp_path, "", "pose: {batch: 2, size: 64}")
    report = tmp_path / "test"
    test = ("test", "toy_pose", weights, "--data", data / "train.json", "--resamples", 0)
    run(*test, "-o", report)
    assert json.loads((report / "report.json").read_text())["animals"] == 4
    clip, out = data / "clips" / "a", tmp_path / "out"
    run("track", clip, "-o", out, "--pose", weights, "--no-video", "--boxes", boxes(tmp_path))
    assert len(exported(out / "a.tracks.json").splitlines()) > 17
    pytest.importorskip("onnxscript", reason="needs the extra onnx")
    pytest.importorskip("onnxruntime", reason="needs the extra onnx")
    run("weights", "export", weights, tmp_path / "toy.onnx", "--onnx")
    assert aptv2.load_pose_model(str(tmp_path / "toy.onnx")).network == "toy_pose"


def test_a_detector(toys: Path, data: Path, tmp_path: Path) -> None:
    sources = "scenes: [{path: clips, share: 1, animals: [goat]}]"
    weights = trained(
        "toy_detector", data, tmp_path, sources, "detection: {batch: 2, size: 160}", epochs=20
    )
    detector = aptv2.load_detector("toy_detector", weights, "cpu")
    boxes, scores = detector.detect(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert (boxes.shape, scores.shape) == ((1, 4), (1,))
    table = aptv2.track_video(data / "clips" / "a", tmp_path / "out", detector=detector)
    assert set(table.frames.indices.tolist()) == {0, 1, 2, 3}
    assert len(table) > 0
    assert len(exported(tmp_path / "out" / "a.tracks.json").splitlines()) == 1 + 17 * len(table)


def test_a_tracker(toys: Path, data: Path, tmp_path: Path) -> None:
    sources, tasks = "pairs: {clips: 1}", "tracking: {batch: 2, samples: 8}"
    weights = trained("toy_tracker", data, tmp_path, sources, tasks)
    network = ("--tracker", "toy_tracker", "--tracker-weights", weights)
    said = run("test", *network, "--data", data / "clips", "-o", tmp_path / "results")
    assert "AO" in said
    clip, out = data / "clips" / "a", tmp_path / "out"
    run("track", clip, "-o", out, *network, "--no-video", "--boxes", boxes(tmp_path))
    table = aptv2.read_annotations(out / "a.tracks.json")
    assert table.tracks.tolist() == [1, 1, 1, 1]
    assert len(exported(out / "a.tracks.json").splitlines()) > 17


def boxes(folder: Path) -> Path:
    path = folder / "boxes.csv"
    path.write_text("frame,x,y,width,height\n0,18,40,60,40\n")
    return path


def test_a_recipe_knows_them(toys: Path, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE.format(name="toy_tracker", data="", tasks="pose: {batch: 2}", epochs=1))
    with pytest.raises(InputError, match="toy_tracker learns tracking"):
        aptv2.training.read_recipe(path)
    with pytest.raises(InputError, match="did you mean 'toy_pose'"):
        aptv2.load_pose_model("toy_posé")


def test_names_are_known_without_torch() -> None:
    code = (
        "import sys; from aptv2.models import registry; "
        "assert {'lite', 'res50', 'vittrack_b'} <= set(registry.names()); "
        "raise SystemExit('torch' in sys.modules or 'timm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", registry.names())
def test_a_network_is_recognised_by_its_own_tensors(name: str) -> None:
    spec = registry.spec(name)
    with torch.device("meta"):
        tensors = registry.build(name).state_dict()
    found = registry.recognise(tensors)
    # Elimination has no tensors of its own.
    assert found is spec or (name.endswith("_ce") and found.name == name.removesuffix("_ce"))
    if spec.keypoint_layer is not None:
        assert len(tensors[spec.keypoint_layer]) == len(ANIMAL17)
    assert ("pose" in spec.tasks) == (spec.codec is not None) == (spec.keypoint_layer is not None)
    assert all(any(key.startswith(each) for key in tensors) for each in spec.pretrained)


def test_a_signature() -> None:
    tensors = {"a": torch.zeros(3, 4), "b": torch.zeros(())}
    assert Signature().matches(tensors)
    assert Signature(present=("a", "b"), absent=("c",), sides={"a": (1, 4)}).matches(tensors)
    for wrong in (
        Signature(present=("c",)),
        Signature(absent=("b",)),
        Signature(sides={"a": (0, 4)}),
        Signature(sides={"b": (0, 1)}),
        Signature(sides={"c": (0, 1)}),
    ):
        assert not wrong.matches(tensors)
