"""What the pages and the README tell people to type works as it stands there."""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

import aptv2
from aptv2.cli.main import app
from aptv2.inference.demo import make_demo_clip
from aptv2.models.networks.lite import EMBEDDED
from aptv2.video.reader import open_video
from aptv2.video.writer import VideoWriter

REPO = Path(__file__).resolve().parents[1]
PAGES = [*sorted((REPO / "docs").glob("*.md")), REPO / "README.md"]
KEYPOINTS = ("nose", "earL", "earR", "belly")
# A block of code: its language, the file that it shows or none, and the code.
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
SHORT = ("stages.0.epochs=2", "stages.0.tasks.pose={batch: 4, size: 64}", "workers=0")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve frames of a cat."""
    pytest.importorskip("skimage", reason="the photograph is scikit-image's")
    folder = tmp_path_factory.mktemp("clip")
    whole = open_video(make_demo_clip(folder / "whole.mp4"))
    with VideoWriter(folder / "clip.mp4", 320, 180, 25) as writer:
        for frame in islice(whole, 12):
            writer.write(np.ascontiguousarray(frame.image[::2, ::2]))
    return folder / "clip.mp4"


@pytest.fixture
def desk(tmp_path: Path, clip: Path, small_release: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the pages speak of, which is where they are followed."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(clip, "clip.mp4")
    for number in range(2):
        (tmp_path / "videos").mkdir(exist_ok=True)
        shutil.copy(clip, f"videos/{number}.mp4")
    Path("official").mkdir()
    Path("official/aptv2-res50-in1k.safetensors").symlink_to(EMBEDDED)
    write_labels(tmp_path / "my_labels")
    return tmp_path


def write_labels(project: Path) -> None:
    """A DeepLabCut project: five videos of two frames, in which a beast stands elsewhere."""
    rng = np.random.default_rng(0)
    for video in range(5):
        folder = project / "labeled-data" / f"video{video}"
        folder.mkdir(parents=True)
        rows = [["scorer", *["me"] * 8], ["bodyparts", *np.repeat(KEYPOINTS, 2)]]
        rows.append(["coords", *["x", "y"] * 4])
        for number in range(2):
            pixels = rng.integers(0, 60, (120, 160, 3), np.uint8)
            x, y = rng.integers(30, 90), rng.integers(30, 70)
            keypoints = np.array([[x, y], [x + 8, y - 12], [x + 16, y - 12], [x + 40, y + 20]])
            for keypoint, (column, row) in enumerate(keypoints):
                pixels[row - 4 : row + 5, column - 4 : column + 5, keypoint % 3] = 255
            name = f"img{number:03d}.png"
            Image.fromarray(pixels).save(folder / name)
            rows.append([f"labeled-data/video{video}/{name}", *keypoints.ravel().tolist()])
        with (folder / "CollectedData_me.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)


def follow(page: Path) -> None:
    """Do what a page says, from top to bottom; only training is shortened."""
    names: dict[str, object] = {}
    for language, title, code in BLOCK.findall(page.read_text()):
        if title:
            Path(title).write_text(code)
        elif language == "bash":
            for line in code.splitlines():
                program, *arguments = shlex.split(line, comments=True)
                assert program == "aptv2", line
                more = SHORT if arguments[0] == "train" else ()
                result = CliRunner().invoke(app, [*arguments, *more])
                assert result.exit_code == 0, (line, result.output)
        elif language == "python":
            if "movement" in code:
                pytest.importorskip("movement", reason="needs movement")
            exec(compile(code, str(page), "exec"), names)
        else:
            assert language == "console", f"{page}: a block of '{language}' is not run"


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_says_works(desk: Path, page: Path) -> None:
    follow(page)
    if page.stem == "index":
        assert len(aptv2.read_annotations("out/clip.tracks.json")) == 12
        assert Path("many/1.csv").is_file()
    if page.stem == "your-own-animals":
        table = aptv2.read_annotations("out/clip.tracks.json")
        assert table.skeleton.names == KEYPOINTS
        assert table.skeleton.pairs == ((1, 2),)
        assert Path("runs/mine/report/index.html").is_file()
        assert '"animals": 2' in Path("runs/mine/test/report.json").read_text()
    if page.stem == "benchmark":
        assert Path("report/index.html").is_file()


def commands(page: Path) -> list[str]:
    """Lines that start with aptv2: in blocks, fenced or indented."""
    found = re.findall(r"^(?:    |\$ )?((?:\.venv/bin/)?aptv2 [a-z].*)$", page.read_text(), re.M)
    return [line.removeprefix(".venv/bin/") for line in found]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_exist(page: Path) -> None:
    for line in commands(page):
        _, *arguments = shlex.split(line, comments=True)
        command: click.Command = get_command(app)
        while hasattr(command, "commands"):
            name = arguments.pop(0)
            assert name.split("|")[0] in command.commands, line
            command = command.commands[name.split("|")[0]]
        known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        options = {word for word in arguments if re.match("--?[a-z]", word)}
        assert options <= known, line


def test_the_reference_is_whole() -> None:
    shown = re.findall(r"^::: .*\.(\w+)$", (REPO / "docs" / "reference.md").read_text(), re.M)
    assert set(aptv2.__all__) <= set(shown)


def test_the_site_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs the extra 'docs'")
    pytest.importorskip("mkdocstrings", reason="needs the extra 'docs'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) >= len(list((REPO / "docs").glob("*.md")))
    for page in pages:
        text = page.read_text()
        assert 'rel="stylesheet"' in text
        loaded = re.findall(r"<(?:script|img|iframe|source|video)[^>]*\ssrc=\"?([^\"\s>]+)", text)
        loaded += re.findall(r"<link[^>]*\shref=\"?([^\"\s>]+)", text)
        assert not [each for each in loaded if re.match(r"(?:https?:)?//", each)], page
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", style.read_text()), style
