"""ONNX files: equal to torch, whole or not written, and refused where they are not ours."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from onnx_networks import SIZE, THREE, small
from torch import Tensor, nn
from typer.testing import CliRunner

import aptv2
from aptv2.cli.main import app
from aptv2.errors import InputError
from aptv2.images import read_image
from aptv2.models import load_pose_model, onnx_export
from aptv2.models.networks.lite import EMBEDDED
from aptv2.models.onnx_export import export_onnx, export_weights
from aptv2.models.pose.base import PoseModel
from aptv2.models.pose.onnx import OnnxPose

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

FRAME = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
BOXES = np.array([[10, 10, 80, 60], [40, 20, 90, 90], [0, 0, 160, 120.0]])


@pytest.fixture(scope="module")
def lite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded network as an ONNX file, written by the command."""
    path = tmp_path_factory.mktemp("onnx") / "new" / "lite.onnx"
    outcome = CliRunner().invoke(app, ["weights", "export", "lite", str(path), "--onnx"])
    assert outcome.exit_code == 0, outcome.output
    assert outcome.output.startswith(f"Written: {path} (lite)")
    assert outcome.output.count("\n") == 1  # and nothing of what the exporter has to say
    assert [file.name for file in path.parent.iterdir()] == ["lite.onnx"]
    return path


@pytest.mark.parametrize("udp", [True, False])
def test_it_is_the_same_network(udp: bool, tmp_path: Path) -> None:
    """Heatmaps of any number of pictures, conventions, and keypoints in the frame."""
    model = small(udp)
    assert 0 < export_onnx(model, "vitpose_b", tmp_path / "net.onnx") < 1e-4
    found = load_pose_model(str(tmp_path / "net.onnx"), device="cpu")
    for name in ("input_size", "skeleton", "codec"):
        assert getattr(found, name) == getattr(model, name)
    for count in (1, 2, 5):
        images = torch.randn(count, 3, *SIZE)
        expected = model(images)
        assert (found(images) - expected).abs().max() < 1e-4 * expected.std()
    for flip in (False, True):
        keypoints = found.predict(FRAME, BOXES, flip)
        # UDP's fit to the flat peaks of noise magnifies float32's noise.
        expected = model.predict(FRAME, BOXES, flip)
        np.testing.assert_allclose(keypoints, expected, atol=0.1 if udp else 0.01)
    assert found.predict(FRAME, BOXES[:0]).shape == (0, 17, 3)


def test_lite(lite: Path) -> None:
    found, expected = load_pose_model(str(lite)), load_pose_model("lite", device="cpu")
    assert isinstance(found, OnnxPose)
    np.testing.assert_allclose(
        found.predict(FRAME, BOXES, True), expected.predict(FRAME, BOXES, True), atol=0.01
    )


def test_other_keypoints(exported: Path) -> None:
    model = load_pose_model("res50", exported)
    assert model.skeleton == THREE
    assert model.predict(FRAME, BOXES).shape == (3, 3, 3)


def test_another_process_can_use_it(exported: Path) -> None:
    model = load_pose_model(str(exported))
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(FRAME, BOXES), model.predict(FRAME, BOXES))


def test_a_checksum_stands_for_the_weights(exported: Path, lite: Path) -> None:
    """What resumes a run compares weights; two files must not look the same."""
    first, second = (load_pose_model(str(path)).state_dict() for path in (exported, lite))
    assert first.keys() == second.keys()
    assert any(not torch.equal(first[name], second[name]) for name in first)


def test_track(lite: Path, make_clip: Callable[..., Path], tmp_path: Path) -> None:
    """`--pose model.onnx` gives the tracks that the network itself gives, up to bfloat16."""
    skimage = pytest.importorskip("skimage", reason="the photograph is scikit-image's")
    # An animal: what the tracker says of noise is as near to `LOST` as not.
    cat = read_image(Path(skimage.__file__).parent / "data" / "chelsea.png")[:, :450]
    clip = make_clip(frames=[np.roll(cat, 2 * t, axis=1) for t in range(6)], size=(450, 300))
    boxes = tmp_path / "first.csv"
    boxes.write_text("frame,x,y,width,height\n0,80,5,300,290\n")
    arguments = ["track", str(clip), "--boxes", str(boxes), "--no-video", "--device", "cpu"]
    for pose, folder in ((str(lite), "onnx"), ("lite", "torch")):
        outcome = CliRunner().invoke(
            app, [*arguments, "--pose", pose, "-o", str(tmp_path / folder)]
        )
        assert outcome.exit_code == 0, outcome.output
    found, expected = (
        aptv2.read_annotations(tmp_path / folder / "clip.tracks.json")
        for folder in ("onnx", "torch")
    )
    assert len(found) == 6
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_allclose(found.keypoints[..., 2], expected.keypoints[..., 2], atol=0.1)


def test_test(lite: Path, small_release: Path, tmp_path: Path) -> None:
    """`aptv2 test` takes the file as a checkpoint: the network's poses."""
    results = []
    for checkpoint in (lite, EMBEDDED):
        folder = tmp_path / checkpoint.suffix
        arguments = ["lite", str(checkpoint), "--data", str(small_release), "-o", str(folder)]
        options = ["--dtype", "float32", "--device", "cpu", "--resamples", "0"]
        outcome = CliRunner().invoke(app, ["test", *arguments, *options])
        assert outcome.exit_code == 0, outcome.output
        results.append(json.loads((folder / "predictions.json").read_bytes()))
    found, expected = results
    assert [row["image_id"] for row in found] == [row["image_id"] for row in expected]
    pairs = zip(found, expected, strict=True)
    differences = [np.abs(np.subtract(a["keypoints"], b["keypoints"])).max() for a, b in pairs]
    assert np.median(differences) < 0.01


def test_weights_beyond_two_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They lie in a file beside, which the two together are read from."""
    monkeypatch.setattr(onnx_export, "ONE_FILE", 0)
    model = small(udp=False)
    export_onnx(model, "res50", tmp_path / "net.onnx")
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx", "net.onnx.data"}
    found = load_pose_model(str(tmp_path / "net.onnx"))
    np.testing.assert_allclose(found.predict(FRAME, BOXES), model.predict(FRAME, BOXES), atol=0.01)
    (tmp_path / "net.onnx.data").unlink()
    with pytest.raises(InputError, match=r"net\.onnx: not a usable ONNX file"):
        load_pose_model(str(tmp_path / "net.onnx"))


class TestNotWritten:
    def test_what_differs_from_torch(self, tmp_path: Path) -> None:
        """A network that does something else once it is exported; the file there was stays."""

        class Changed(nn.Module):
            def forward(self, images: Tensor) -> list[Tensor]:
                step = 0.01 * torch.compiler.is_exporting()
                return [images[:, :, ::4, ::4].repeat(1, 3, 1, 1)[:, :8] + step]

        model = small(udp=False)
        model.backbone = Changed()
        path = tmp_path / "net.onnx"
        path.write_text("old")
        with pytest.raises(InputError, match=r"net\.onnx: not written, .* differ from torch's"):
            export_onnx(model, "res50", path)
        assert path.read_text() == "old"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(
        ("source", "target", "said"),
        [
            ("lite", "lite.bin", r"lite\.bin: an ONNX file is called NAME\.onnx"),
            ("gone.pth", "net.onnx", r"gone\.pth: there is no such weights file"),
        ],
    )
    def test_other_names(self, source: str, target: str, said: str, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=said):
            export_weights(source, tmp_path / target)
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
    def test_without_the_extra(
        self, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(InputError, match=rf"package {package}: pip install 'aptv2\[onnx\]'"):
            export_onnx(small(udp=False), "res50", tmp_path / "net.onnx")


def test_compile_gives_the_same_poses(monkeypatch: pytest.MonkeyPatch) -> None:
    """That torch compiles is seen from its own counters; "eager" needs no C++ compiler."""
    from torch._dynamo.utils import counters

    plain = PoseModel.compile
    monkeypatch.setattr(PoseModel, "compile", lambda self: plain(self, backend="eager"))
    counters.clear()
    model = load_pose_model("lite", device="cpu", compile=True)
    expected = load_pose_model("lite", device="cpu").predict(FRAME, BOXES)
    assert counters["stats"]["unique_graphs"] == 0
    np.testing.assert_allclose(model.predict(FRAME, BOXES), expected, atol=1e-3)
    assert counters["stats"]["unique_graphs"] >= 1
