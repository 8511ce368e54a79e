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
from torch import Tensor, nn
from typer.testing import CliRunner

import aptv2
from aptv2.cli.main import app
from aptv2.codecs import MSRA, UDP
from aptv2.errors import InputError
from aptv2.images import read_image
from aptv2.models import load_pose_model, onnx_export
from aptv2.models.backbones.vit import VisionTransformer
from aptv2.models.heads.heatmap import HeatmapHead
from aptv2.models.networks.lite import EMBEDDED
from aptv2.models.onnx_export import export_onnx, export_weights
from aptv2.models.pose.base import PoseModel
from aptv2.models.pose.heatmap import HeatmapPose
from aptv2.models.pose.onnx import METADATA, OnnxPose
from aptv2.skeleton import ANIMAL17, Skeleton

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

FRAME = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
BOXES = np.array([[10, 10, 80, 60], [40, 20, 90, 90], [0, 0, 160, 120.0]])
SIZE = (64, 96)
THREE = Skeleton(("left_ear", "right_ear", "nose"), limbs=((0, 2),), sigmas=(0.1, 0.1, 0.2))


class Conv(nn.Module):
    """A backbone of one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.layers(images)]


def small(udp: bool, skeleton: Skeleton = ANIMAL17) -> HeatmapPose:
    """A small network: a transformer, or a layer of convolution, and the paper's head."""
    torch.manual_seed(0)
    backbone = VisionTransformer(SIZE, 32, 2, 2) if udp else Conv()
    head = HeatmapHead(32 if udp else 8, len(skeleton), 2 if udp else 0)
    nn.init.normal_(head.final_layer.weight)
    return (
        HeatmapPose(backbone, head, SIZE, skeleton, UDP if udp else MSRA)
        .eval()
        .requires_grad_(False)
    )


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


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with three keypoints, as a convolution network of the paper."""
    path = tmp_path_factory.mktemp("onnx") / "small.onnx"
    export_onnx(small(udp=False, skeleton=THREE), "res50", path)
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


class TestRefused:
    def change(self, path: Path, target: Path, change: Callable[[onnx.ModelProto], object]) -> str:
        """A copy of a file, changed."""
        model = onnx.load(path)
        change(model)
        onnx.save(model, target)
        return str(target)

    def test_a_missing_file(self) -> None:
        with pytest.raises(InputError, match=r"gone\.onnx: there is no such ONNX file"):
            load_pose_model("gone.onnx")

    @pytest.mark.parametrize("content", [b"", b"no model", "half", "scrambled"])
    def test_a_broken_file(self, content: bytes | str, exported: Path, tmp_path: Path) -> None:
        whole = exported.read_bytes()
        broken = {"half": whole[: len(whole) // 2], "scrambled": whole[::-1]}
        path = tmp_path / "net.onnx"
        path.write_bytes(content if isinstance(content, bytes) else broken[content])
        with pytest.raises(InputError, match=r"net\.onnx: (not|no) ") as refused:
            load_pose_model(str(path))
        assert "\n" not in str(refused.value)

    def test_another_network(self, exported: Path) -> None:
        with pytest.raises(InputError, match="holds res50, not vitpose_b; load it as 'res50'"):
            load_pose_model("vitpose_b", exported)

    def test_a_file_of_another_program(self, exported: Path, tmp_path: Path) -> None:
        path = self.change(exported, tmp_path / "o.onnx", lambda m: m.ClearField("metadata_props"))
        with pytest.raises(InputError, match=rf"no entry '{METADATA}'"):
            load_pose_model(path)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ('"msra"', '"maybe"'),
            ("[64,96]", "[64,96000]"),
            ("0.485", "0.5"),
            ("quarter", "magic"),
            ('"nose"', '"left_ear"'),
            ("{", "["),
        ],
    )
    def test_wrong_metadata(self, old: str, new: str, exported: Path, tmp_path: Path) -> None:
        def change(model: onnx.ModelProto) -> None:
            entry = next(each for each in model.metadata_props if each.key == METADATA)
            assert old in entry.value
            entry.value = entry.value.replace(old, new, 1)

        with pytest.raises(InputError, match="no pose network written by aptv2") as refused:
            load_pose_model(self.change(exported, tmp_path / "net.onnx", change))
        assert "\n" not in str(refused.value)

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("[64,96]", "[96,64]", "does not run"),
            ('"nose"', '"nose","tail"', "its output has shape"),
        ],
    )
    def test_metadata_of_another_graph(
        self, old: str, new: str, said: str, exported: Path, tmp_path: Path
    ) -> None:
        def change(model: onnx.ModelProto) -> None:
            entry = next(each for each in model.metadata_props if each.key == METADATA)
            entry.value = entry.value.replace(old, new).replace("[0.1,0.1,0.2]", "[]")

        with pytest.raises(InputError, match=said):
            load_pose_model(self.change(exported, tmp_path / "net.onnx", change))

    @pytest.mark.parametrize(
        ("operator", "said"),
        [
            ("Loop", "holds the operator 'Loop'"),
            ("If", "holds the operator 'If'"),
            ("ConstantOfShape", "holds the operator 'ConstantOfShape'"),
            ("Range", "holds the operator 'Range'"),
            ("Expand", "'big' within it is larger than in any pose network"),
            ("Pad", "'big' within it is larger than in any pose network"),
        ],
    )
    def test_a_program_that_never_ends_or_fills_the_memory(
        self, operator: str, said: str, exported: Path, tmp_path: Path
    ) -> None:
        def change(model: onnx.ModelProto) -> None:
            sizes = [1, 3, 60_000, 60_000] if operator == "Expand" else [0] * 6 + [60_000] * 2
            shape = onnx.numpy_helper.from_array(np.array(sizes, np.int64), "sizes")
            model.graph.initializer.append(shape)
            one = onnx.numpy_helper.from_array(np.ones((1, 3, 1, 1), np.float32), "one")
            model.graph.initializer.append(one)
            model.graph.node.add(op_type=operator, input=["one", "sizes"], output=["big"])

        with pytest.raises(InputError, match=said) as refused:
            load_pose_model(self.change(exported, tmp_path / "net.onnx", change))
        assert "written by aptv2 weights export." in str(refused.value)

    def test_a_network_that_takes_hours(self, exported: Path, tmp_path: Path) -> None:
        def change(model: onnx.ModelProto) -> None:
            name = "images"
            weight = onnx.numpy_helper.from_array(np.zeros((3, 3, 9, 9), np.float32), "w")
            model.graph.initializer.append(weight)
            for step in range(19_000):
                output = f"again{step}"
                node = model.graph.node.add(op_type="Conv", input=[name, "w"], output=[output])
                node.attribute.add(name="pads", ints=[300] * 4, type=onnx.AttributeProto.INTS)
                name = output
                if step > 20:
                    break

        with pytest.raises(InputError, match="larger than in any pose network"):
            load_pose_model(self.change(exported, tmp_path / "net.onnx", change))

    @pytest.mark.parametrize("place", ["../secret.bin", "/secret.bin", "link.bin", "sub/x.bin"])
    @pytest.mark.parametrize("inside", [False, True])
    def test_weights_outside_its_folder(
        self, place: str, inside: bool, exported: Path, tmp_path: Path
    ) -> None:
        """In the graph itself, or in a node's attribute."""
        folder = tmp_path / "folder"
        folder.mkdir()
        (tmp_path / "secret.bin").write_bytes(bytes(1 << 20))
        (folder / "link.bin").symlink_to(tmp_path / "secret.bin")

        def change(model: onnx.ModelProto) -> None:
            tensor = model.graph.initializer[0]
            if inside:
                node = model.graph.node.add(op_type="Constant", output=["unused"])
                node.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
                tensor = node.attribute[0].t
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=place)

        path = folder / "net.onnx"
        model = onnx.load(exported)
        change(model)
        path.write_bytes(model.SerializeToString())
        with pytest.raises(InputError, match="refused, its weights are outside its folder"):
            load_pose_model(str(path))

    @pytest.mark.parametrize(
        ("setting", "said"),
        [
            ({"dtype": "bfloat16"}, "computes in float32"),
            ({"dtype": "float99"}, "float99"),
            ({"device": "toaster"}, "toaster"),
            ({"device": "meta"}, "does not know it; try cpu"),
            ({"compile": True}, "leave out compile"),
            ({"expert": "ap10k"}, "leave out compile and expert"),
        ],
    )
    def test_settings(self, setting: dict, said: str, exported: Path) -> None:
        with pytest.raises(InputError, match=said):
            load_pose_model(str(exported), **setting)

    @pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
    def test_without_the_extra(
        self, package: str, exported: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(InputError, match=rf"package {package}: pip install 'aptv2\[onnx\]'"):
            load_pose_model(str(exported))


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
