"""Weights files that are cut short, damaged or something else: read, or refused in a sentence."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from small_tensors import tensors

from aptv2.errors import InputError
from aptv2.weights import read_weights, write_weights


class TestBroken:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "it is empty"),
            (b"<!DOCTYPE html><p>", "no torch file: it begins with '<!DOCTYPE html>"),
            (b"hello world, no weights", "no torch file: it begins with 'hello world"),
            (b"PK\x03\x04 and no more", "it is cut short or damaged: get it again"),
            (b"\x80\x02}q\x00", "it is cut short or damaged: get it again"),
        ],
    )
    def test_what_is_wrong_is_said(self, tmp_path: Path, content: bytes, said: str) -> None:
        (tmp_path / "net.pth").write_bytes(content)
        with pytest.raises(InputError, match=r"not a readable weights file") as caught:
            read_weights(tmp_path / "net.pth")
        assert said in str(caught.value)

    @pytest.mark.parametrize("name", ["net.safetensors", "net.pth"])
    def test_missing(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(InputError, match=f"{name}: there is no such weights file"):
            read_weights(tmp_path / name)
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=f"{name}: there is no such weights file"):
            read_weights(tmp_path / name)

    @pytest.mark.parametrize("kept", [0, 1, 7, 8, 60, 200, -1])
    def test_truncated_safetensors(self, tmp_path: Path, kept: int) -> None:
        path = tmp_path / "net.safetensors"
        write_weights(path, tensors())
        path.write_bytes(path.read_bytes()[:kept])
        with pytest.raises(InputError, match=r"net\.safetensors: not a readable safetensors file"):
            read_weights(path)

    @pytest.mark.parametrize("new", [True, False])
    @pytest.mark.parametrize("share", [0, 0.02, 0.3, 0.7, 0.99])
    def test_truncated_torch_file(self, tmp_path: Path, share: float, new: bool) -> None:
        path = tmp_path / "net.pth"
        torch.save(tensors(), path, _use_new_zipfile_serialization=new)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(InputError, match=r"net\.pth: "):
            read_weights(path)

    @pytest.mark.parametrize(
        "content",
        [b"the cat was asleep", b"\x80\x02.", b"\0" * 100, b"{}", b"PK\x05\x06" + b"\0" * 18],
        ids=["text", "pickle of nothing", "zeros", "JSON", "empty zip"],
    )
    @pytest.mark.parametrize("name", ["net.safetensors", "net.pth"])
    def test_something_else(self, tmp_path: Path, name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_weights(tmp_path / name)

    @pytest.mark.parametrize(
        "content",
        [
            torch.ones(3),
            [torch.ones(3)],
            {"epoch": 3},
            {"state_dict": {"a": 1}},
            5,
            {1: torch.ones(1)},
        ],
        ids=[
            "tensor",
            "list",
            "number in dict",
            "number in state_dict",
            "number",
            "number as name",
        ],
    )
    def test_no_named_tensors(self, tmp_path: Path, content: Any) -> None:
        torch.save(content, tmp_path / "net.pth")
        with pytest.raises(InputError, match=r"net\.pth: holds no named tensors"):
            read_weights(tmp_path / "net.pth")

    @pytest.mark.parametrize("about", ["{", "[" * 100_000, "[1, 2]", "7"])
    def test_a_word_about_itself_that_is_none(self, tmp_path: Path, about: str) -> None:
        path = tmp_path / "net.safetensors"
        save_file({"x": torch.ones(2)}, path, metadata={"aptv2": about})
        with pytest.raises(InputError, match=r"net\.safetensors: not a readable"):
            read_weights(path)

    @pytest.mark.parametrize(
        "entry",
        [
            {"dtype": "F16", "shape": [2**40], "data_offsets": [0, 4]},
            {"dtype": "F16", "shape": [2], "data_offsets": [0, 2**50]},
            {"dtype": "F16", "shape": [-2], "data_offsets": [0, 4]},
            {"dtype": "Q9", "shape": [2], "data_offsets": [0, 4]},
        ],
        ids=["vast shape", "vast offset", "negative shape", "unknown type"],
    )
    def test_a_header_that_lies(self, tmp_path: Path, entry: dict[str, Any]) -> None:
        header = json.dumps({"x": entry}).encode()
        path = tmp_path / "net.safetensors"
        path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
        with pytest.raises(InputError, match="not a readable safetensors file"):
            read_weights(path)


class TestMutilated:
    """Whatever is done to a file, it is read or refused with one sentence."""

    @staticmethod
    def original(kind: str) -> bytes:
        if kind == "safetensors":
            header = json.dumps(
                {"x": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}}
            ).encode()
            return struct.pack("<Q", len(header)) + header + b"\0" * 4
        buffer = io.BytesIO()
        torch.save(tensors(), buffer, _use_new_zipfile_serialization=kind == "zip")
        return buffer.getvalue()

    @settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        kind=st.sampled_from(["safetensors", "zip", "legacy"]),
        place=st.floats(0, 1, exclude_max=True),
        piece=st.binary(max_size=6),
        cut=st.integers(0, 6),
    )
    def test_bytes(self, tmp_path: Path, kind: str, place: float, piece: bytes, cut: int) -> None:
        whole = self.original(kind)
        at = int(place * len(whole))
        path = tmp_path / ("net.safetensors" if kind == "safetensors" else "net.pth")
        path.write_bytes(whole[:at] + piece + whole[at + cut :])
        self.read(path)

    @settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        place=st.floats(0, 1, exclude_max=True), piece=st.binary(max_size=3), cut=st.integers(0, 3)
    )
    def test_the_pickle_inside(self, tmp_path: Path, place: float, piece: bytes, cut: int) -> None:
        """A zip file checks its bytes, so that random damage hardly ever reaches its pickle."""
        whole = io.BytesIO(self.original("zip"))
        path = tmp_path / "net.pth"
        with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
            for name in source.namelist():
                content = source.read(name)
                if name.endswith("data.pkl"):
                    at = int(place * len(content))
                    content = content[:at] + piece + content[at + cut :]
                target.writestr(name, content)
        self.read(path)

    @staticmethod
    def read(path: Path) -> None:
        found, said = {}, str(path)
        try:
            found, _ = read_weights(path)
        except InputError as error:
            said = str(error)
        assert str(path) in said
        assert "\n" not in said
        assert all(isinstance(tensor, torch.Tensor) for tensor in found.values())
