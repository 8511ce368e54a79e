"""VitPose and VitPose++ of transformers: an independent implementation gives the same heatmaps."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from aptv2.errors import InputError
from aptv2.models.checkpoints import load_trained_weights, read_checkpoint
from aptv2.models.pose.heatmap import HeatmapPose
from aptv2.weights.experts import EXPERTS


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A model's folder, as the hub has it."""

    def make(state: dict[str, Tensor], kind: str = "vitpose") -> Path:
        save_file(state, tmp_path / "model.safetensors")
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        return tmp_path

    return make


@pytest.mark.parametrize("experts", [1, 6])
def test_heatmaps_equal_those_of_transformers(
    folder: Callable[..., Path], blank: HeatmapPose, experts: int
) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[256, 192],
        hidden_size=384,
        num_attention_heads=12,
        num_experts=experts,
        part_features=96 if experts > 1 else 0,
        layer_norm_eps=1e-6,  # as in the original; the default here is 1e-12
        out_indices=[12],
    )
    config = transformers.VitPoseConfig(
        backbone_config=backbone, num_labels=17, use_simple_decoder=False
    )
    theirs = transformers.VitPoseForPoseEstimation(config).eval()
    for tensor in theirs.state_dict().values():
        if tensor.is_floating_point():
            # Away from zero and one, so that nothing can be left out unnoticed.
            tensor.add_(torch.randn_like(tensor).abs() * 0.02)
    path = folder({n: t.contiguous() for n, t in theirs.state_dict().items()})
    images = torch.randn(1, 3, 256, 192)
    seen = []
    for number, expert in enumerate(EXPERTS if experts > 1 else [None]):
        if expert in (None, "coco"):
            about = load_trained_weights(blank, "vitpose_s", path, expert)
        else:
            with pytest.warns(UserWarning, match="a head for COCO's human keypoints alone"):
                about = load_trained_weights(blank, "vitpose_s", path, expert)
        assert about["origin"] == "Hugging Face"
        with torch.inference_mode():
            found = blank.eval()(images)
            index = torch.tensor([number]) if experts > 1 else None
            expected = theirs(images, dataset_index=index).heatmaps
        assert (found - expected).abs().max() <= 1e-5 * expected.std()
        seen.append(expected)
    for first, second in pairwise(seen):
        assert (first - second).abs().max() > 1e-3 * first.std()  # the experts do differ


def state() -> dict[str, Tensor]:
    """The beginnings of a VitPose; enough to be told apart."""
    names = [f"attention.attention.{part}.weight" for part in ("query", "key", "value")]
    layers = {f"backbone.encoder.layer.0.{name}": torch.ones(384, 384) for name in names}
    return layers | {"head.deconv1.weight": torch.ones(1), "head.conv.weight": torch.ones(17, 1)}


def test_a_missing_value_matrix_is_no_silent_join(folder: Callable[..., Path]) -> None:
    tensors = state()
    del tensors["backbone.encoder.layer.0.attention.attention.value.weight"]
    with pytest.raises(InputError, match=r"model\.safetensors: no network"):
        read_checkpoint(folder(tensors))


def test_the_simple_decoder(folder: Callable[..., Path]) -> None:
    tensors = state()
    del tensors["head.deconv1.weight"]
    with pytest.raises(InputError, match="ViTPose's simple decoder; take the model without"):
        read_checkpoint(folder(tensors))


def test_folders_of_other_models(folder: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no model\.safetensors in it"):
        read_checkpoint(tmp_path)
    with pytest.raises(InputError, match=r"config\.json: describes a 'bert' model"):
        read_checkpoint(folder(state(), "bert"))
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(InputError, match=r"config\.json: no description of a model"):
        read_checkpoint(tmp_path)
