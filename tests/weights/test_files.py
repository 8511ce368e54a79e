"""Weights files: what is written is read, what could run is refused, what is broken is said so."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_tensors import tensors
from torch import nn

from aptv2.errors import InputError
from aptv2.weights import read_weights, write_weights
from aptv2.weights.files import load_weights
from aptv2.weights.unpickling import load_torch_file


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(
        torch.allclose(found[name].double(), expected[name].double(), rtol=1e-3, atol=0)
        for name in expected
    )


class TestRoundTrip:
    def test_matrices_take_half_precision_on_disk(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "net.safetensors"
        write_weights(path, tensors(), {"recipe": "lite", "epochs": 3})
        stored = load_file(path)
        assert stored["a.weight"].dtype == torch.float16
        assert stored["a.running_var"].dtype == torch.float32
        assert stored["a.count"].dtype == torch.int64
        found, about = read_weights(path)
        assert about == {"recipe": "lite", "epochs": 3}
        assert found["a.weight"].dtype == torch.float32
        assert same(found, tensors())
        assert int(found["a.count"]) == 70_000
        assert [file.name for file in path.parent.iterdir()] == ["net.safetensors"]

    def test_every_number_may_stay_as_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "net.safetensors"
        state = {**tensors(), "large": torch.tensor([[1e30]])}
        write_weights(path, state, exact=True)
        stored = load_file(path)
        assert stored.keys() == state.keys()
        assert all(torch.equal(stored[name], state[name]) for name in state)

    def test_without_a_word_about_itself(self, tmp_path: Path) -> None:
        save_file({"x": torch.ones(2)}, tmp_path / "plain.safetensors")
        found, about = read_weights(tmp_path / "plain.safetensors")
        assert about == {}
        assert found["x"].tolist() == [1, 1]

    def test_views_and_shared_memory(self, tmp_path: Path) -> None:
        whole = torch.arange(12.0).reshape(3, 4)
        write_weights(tmp_path / "v.safetensors", {"t": whole.T, "row": whole[1], "same": whole})
        found, _ = read_weights(tmp_path / "v.safetensors")
        assert torch.equal(found["t"], whole.T)
        assert torch.equal(found["row"], whole[1])

    @pytest.mark.parametrize("wrapped", [False, True])
    @pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt", ""])
    def test_torch_files(self, tmp_path: Path, wrapped: bool, suffix: str) -> None:
        path = tmp_path / f"net{suffix}"
        content = {"state_dict": tensors(), "epoch": 3} if wrapped else tensors()
        torch.save(content, path)
        found, about = read_weights(str(path))
        assert same(found, tensors())
        assert about == {}

    def test_an_old_torch_file(self, tmp_path: Path) -> None:
        path = tmp_path / "old.pth"
        torch.save(tensors(), path, _use_new_zipfile_serialization=False)
        assert same(read_weights(path)[0], tensors())

    def test_others_may_read_it_as_they_may_any_file(self, tmp_path: Path) -> None:
        write_weights(tmp_path / "net.safetensors", tensors())
        (tmp_path / "other").touch()
        modes = [(tmp_path / name).stat().st_mode for name in ("net.safetensors", "other")]
        assert modes[0] == modes[1]

    def test_a_failed_write_leaves_what_was_there(self, tmp_path: Path) -> None:
        path = tmp_path / "net.safetensors"
        write_weights(path, tensors())
        before = path.read_bytes()
        with pytest.raises(TypeError):
            write_weights(path, tensors(), {"recipe": object()})
        assert path.read_bytes() == before
        assert list(tmp_path.iterdir()) == [path]

    def test_numbers_beyond_half_precision_are_not_written_as_infinity(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "net.safetensors"
        with pytest.raises(InputError, match=r"a\.weight"):
            write_weights(path, {"a.weight": torch.tensor([[1.0, 1e6]])})
        assert not path.exists()


class Bomb:
    """Pickles to something that makes a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable, tuple[str]]:
        return os.mkdir, (str(self.folder),)


class TestUnsafe:
    @pytest.mark.parametrize("name", ["net.pth", "net.pt", "net.bin", "net.safetensors"])
    @pytest.mark.parametrize("new", [True, False])
    @pytest.mark.parametrize("place", ["alone", "value", "nested"])
    def test_a_file_that_wants_to_run_code_does_not(
        self, tmp_path: Path, name: str, new: bool, place: str
    ) -> None:
        victim, path = tmp_path / "ran", tmp_path / name
        bomb = Bomb(victim)
        content: Any = {
            "alone": bomb,
            "value": {**tensors(), "z": bomb},
            "nested": {"state_dict": tensors(), "optimizer": [bomb]},
        }[place]
        torch.save(content, path, _use_new_zipfile_serialization=new)
        with pytest.raises(InputError, match=r"net\.\w+: (refused|not a readable)"):
            read_weights(path)
        assert not victim.exists()

    def test_harmless_names_are_no_disguise(self, tmp_path: Path) -> None:
        """NumPy's arrays are left out of a file, but what they hold is looked at."""
        array = np.array([Bomb(tmp_path / "ran")], dtype=object)
        torch.save({"state_dict": tensors(), "meta": array}, tmp_path / "net.pth")
        with pytest.raises(InputError, match=r"refused, .*it wants to use (posix|nt)\.mkdir\)\.$"):
            read_weights(tmp_path / "net.pth")
        assert not (tmp_path / "ran").exists()

    def test_names_that_are_left_out_are_never_called(self, tmp_path: Path) -> None:
        """A call of `getattr` in a file does nothing: an empty object is in its place."""

        class Call:
            def __reduce__(self) -> tuple[Callable, tuple[object, str]]:
                return getattr, (torch.Size, "numel")

        torch.save({"state_dict": tensors(), "meta": Call()}, tmp_path / "net.pth")
        content = load_torch_file(tmp_path / "net.pth")
        assert type(content["meta"]).__name__ == "getattr"
        assert vars(content["meta"]) == {}
        assert same(read_weights(tmp_path / "net.pth")[0], tensors())

    def test_the_reason_does_not_tell_how_to_load_it_all_the_same(self, tmp_path: Path) -> None:
        torch.save(Bomb(tmp_path / "ran"), tmp_path / "net.pth")
        with pytest.raises(InputError) as caught:
            read_weights(tmp_path / "net.pth")
        assert "weights_only" not in str(caught.value)

    def test_the_bomb_is_live(self, tmp_path: Path) -> None:
        torch.save(Bomb(tmp_path / "ran"), tmp_path / "net.pth")
        torch.load(tmp_path / "net.pth", weights_only=False)
        assert (tmp_path / "ran").exists()

    def test_a_whole_network_is_refused(self, tmp_path: Path) -> None:
        torch.save(nn.Linear(2, 2), tmp_path / "net.pth")
        with pytest.raises(InputError, match=r"net\.pth: refused, it holds more than weights"):
            read_weights(tmp_path / "net.pth")


class TestInflated:
    """Small files that would fill the memory."""

    def test_a_compressed_archive(self, tmp_path: Path) -> None:
        path, small = tmp_path / "net.pth", tmp_path / "small.pth"
        torch.save({"a": torch.zeros(1 << 20)}, path)
        with zipfile.ZipFile(path) as full, zipfile.ZipFile(small, "w", 8) as packed:
            for part in full.infolist():
                packed.writestr(part.filename, full.read(part))
        assert small.stat().st_size < path.stat().st_size / 100
        assert read_weights(path)[0]["a"].shape == (1 << 20,)
        with pytest.raises(InputError, match=r"small\.pth: refused.*would unpack to 4\d{6}"):
            read_weights(small)

    def test_one_number_that_poses_as_many(self, tmp_path: Path) -> None:
        torch.save({"a": torch.zeros(1).expand(200_000, 200_000)}, tmp_path / "net.pth")
        with pytest.raises(InputError, match=r"would fill 160000000000 bytes, more than any"):
            read_weights(tmp_path / "net.pth")


class TestLoad:
    @pytest.fixture
    def network(self) -> nn.Sequential:
        return nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
    def test_a_network_without_memory_takes_the_tensors(
        self, network: nn.Sequential, dtype: torch.dtype
    ) -> None:
        state = network.state_dict()
        halves = {n: t.to(dtype) if t.is_floating_point() else t for n, t in state.items()}
        load_weights(network.to("meta"), halves, "net.pth")
        for name, found in network.state_dict().items():
            assert found.dtype == state[name].dtype
            assert torch.equal(found, halves[name].to(found.dtype))

    def test_every_tensor_arrives(self, network: nn.Sequential) -> None:
        other = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
        load_weights(network, other.state_dict(), "net.pth")
        for name, tensor in other.state_dict().items():
            assert torch.equal(network.state_dict()[name], tensor)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"0.bias": None}, r"1 missing \(0\.bias\)$"),
            ({"0.gain": torch.ones(1)}, r"1 unexpected \(0\.gain\)$"),
            (
                {"0.bias": None, "0.gain": torch.ones(1)},
                r"1 missing \(0\.bias\) and 1 unexpected \(0\.gain\)$",
            ),
            (
                dict.fromkeys(("1.weight", "1.bias", "1.running_mean", "1.running_var")),
                r"4 missing \(1\.bias, 1\.running_mean, 1\.running_var, …\)$",
            ),
            (
                {"0.weight": torch.ones(2, 4)},
                r"0\.weight has shape \(2, 4\), the network wants \(2, 3\)$",
            ),
        ],
        ids=["missing", "left over", "both", "many", "shape"],
    )
    def test_misfits(
        self, network: nn.Sequential, change: dict[str, torch.Tensor | None], said: str
    ) -> None:
        state = {**network.state_dict(), **change}
        state = {name: tensor for name, tensor in state.items() if tensor is not None}
        before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        with pytest.raises(InputError, match=rf"^net\.pth: .*{said}"):
            load_weights(network, state, "net.pth")
        for name, tensor in network.state_dict().items():
            np.testing.assert_array_equal(tensor, before[name])
