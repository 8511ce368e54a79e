"""The built package in an environment of its own, with no source in sight."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

REPO = Path(__file__).resolve().parents[1]
# Two steps of a small batch.
SHORT = ("stages.0.epochs=1", "stages.0.tasks.pose={batch: 4, size: 64}", "workers=0")

Run = Callable[..., str]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel, and this one's other packages."""
    pytest.importorskip("hatchling", reason="builds the wheel")
    root = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", root, REPO]
    subprocess.run(wheel, check=True)
    (built,) = root.glob("aptv2-*.whl")
    venv.create(root / "venv", symlinks=True)
    python = root / "venv" / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    # A path file adds a folder without its own path files, so without an editable install.
    Path(done.stdout.strip(), "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", built], check=True)
    return root / "venv"


@pytest.fixture
def run(environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a program of the environment in an empty folder."""
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    monkeypatch.chdir(tmp_path)

    def call(program: str, *arguments: str | Path) -> str:
        command = [str(environment / "bin" / program), *map(str, arguments)]
        done = subprocess.run(command, env=bare, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


def write_labels(folder: Path) -> None:
    """COCO keypoints of one bright spot on ten dark pictures."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(10):
        pixels = rng.integers(0, 60, (96, 128, 3), np.uint8)
        x, y = (int(value) for value in rng.integers(30, 60, 2))
        pixels[y - 4 : y + 5, x - 4 : x + 5] = 255
        Image.fromarray(pixels).save(folder / f"{number}.png")
        images.append({"id": number, "file_name": f"{number}.png", "width": 128, "height": 96})
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "bbox": [x - 20, y - 20, 60, 50],
                "keypoints": [x, y, 2, x + 20, y + 10, 2],
                "num_keypoints": 2,
            }
        )
    category = {"id": 1, "name": "beast", "keypoints": ["spot", "tail"], "skeleton": [[1, 2]]}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (folder / "labels.json").write_text(json.dumps(content))


def test_the_package_is_the_installed_one(run: Run, environment: Path) -> None:
    said = run("python", "-c", "import aptv2; print(aptv2.__file__)")
    assert Path(said.strip()).is_relative_to(environment)


def test_demo(run: Run) -> None:
    pytest.importorskip("skimage", reason="the photograph is scikit-image's")
    assert "1 animal in" in run("aptv2", "demo")
    assert len(json.loads(Path("demo/chelsea.tracks.json").read_text())["annotations"]) > 10


def test_train_then_track(run: Run, make_clip: Callable[..., Path]) -> None:
    assert "finetune" in run("aptv2", "train", "--list")
    write_labels(Path("labels"))
    run("aptv2", "train", "finetune", "--data", "labels", "-o", "run", *SHORT)
    clip = make_clip()
    said = run("aptv2", "track", clip, "-o", "out", "--pose", "run/lite.safetensors")
    assert "in 12 frames" in said
    assert {path.name for path in Path("out").iterdir()} == {
        "clip.csv",
        "clip.pose.mp4",
        "clip.tracks.json",
    }


def test_the_page_has_its_files(run: Run) -> None:
    pytest.importorskip("starlette", reason="needs the extra 'app'")
    code = (
        "from importlib.resources import files; "
        "print(sorted(f.name for f in (files('aptv2.app') / 'page').iterdir()))"
    )
    assert "index.html" in run("python", "-c", code)
