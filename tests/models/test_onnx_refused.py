"""ONNX files that are not ours, or would do harm, are refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aptv2.errors import InputError
from aptv2.models import load_pose_model
from aptv2.models.pose.onnx import METADATA

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxscript", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")


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
