"""ViTPose and ViTPose++ against Hugging Face's own implementation, with random weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from aptv2.codecs import UDP
from aptv2.models.backbones.vit import VisionTransformer
from aptv2.models.heads.heatmap import HeatmapHead
from aptv2.models.pose.heatmap import HeatmapPose
from aptv2.models.registry import build
from aptv2.skeleton import ANIMAL17
from aptv2.weights.experts import EXPERTS, select_expert
from aptv2.weights.huggingface import from_huggingface

transformers = pytest.importorskip("transformers", reason="needs the package transformers")

SIZE, WIDTH, DEPTH, HEADS = (96, 64), 96, 3, 4
BAR = 1e-5  # of the heatmaps' standard deviation


def theirs(**settings: object) -> nn.Module:
    """Their network with weights as training leaves them: no norm or bias is at its start."""
    small = {"hidden_size": WIDTH, "num_hidden_layers": DEPTH, "num_attention_heads": HEADS}
    settings = {"image_size": SIZE, **small, **settings}
    backbone = transformers.VitPoseBackboneConfig(
        **settings, out_indices=[settings["num_hidden_layers"]]
    )
    config = transformers.VitPoseConfig(
        backbone_config=backbone, use_simple_decoder=False, num_labels=17
    )
    torch.manual_seed(0)
    model = transformers.VitPoseForPoseEstimation(config)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif name.endswith(("norm.weight", "before.weight", "after.weight")) or (
            "batchnorm" in name and name.endswith("weight")
        ):
            tensor.normal_(1, 0.1)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.1 if tensor.ndim == 1 else tensor[0].numel() ** -0.5)
    return model.eval().requires_grad_(False)


def ours() -> HeatmapPose:
    backbone = VisionTransformer(SIZE, WIDTH, DEPTH, HEADS)
    return HeatmapPose(backbone, HeatmapHead(WIDTH, 17, 2), SIZE, ANIMAL17, UDP).eval()


def assert_equal(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.shape == expected.shape
    assert expected.std() > 0.05
    assert (found - expected).abs().max() <= BAR * expected.std()


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_vitpose(images: torch.Tensor) -> None:
    their_model, model = theirs(), ours()
    model.load_state_dict(from_huggingface(their_model.state_dict()))
    assert_equal(model(images), their_model(images).heatmaps)


@torch.inference_mode()
@pytest.mark.parametrize(
    ("name", "width", "depth", "heads"),
    [
        pytest.param("vitpose_s", 384, 12, 12, id="s"),
        pytest.param("vitpose_b", 768, 12, 12, id="b", marks=pytest.mark.slow),
        pytest.param("vitpose_l", 1024, 24, 16, id="l", marks=pytest.mark.slow),
    ],
)
def test_the_networks_of_the_paper(name: str, width: int, depth: int, heads: int) -> None:
    their_model = theirs(
        image_size=(256, 192),
        hidden_size=width,
        num_hidden_layers=depth,
        num_attention_heads=heads,
    )
    model = build(name).eval()
    images = torch.randn(1, 3, 256, 192)
    model.load_state_dict(from_huggingface(their_model.state_dict()))
    assert_equal(model(images), their_model(images).heatmaps)


@torch.inference_mode()
def test_every_expert_of_vitpose_plus_plus(images: torch.Tensor) -> None:
    their_model, model = theirs(num_experts=len(EXPERTS), part_features=WIDTH // 4), ours()
    tensors = from_huggingface(their_model.state_dict())
    outputs = []
    for number, expert in enumerate(EXPERTS):
        state = select_expert(tensors, expert)
        model.load_state_dict(state | _head(tensors))
        index = torch.full((2,), number)
        outputs.append(model(images))
        assert_equal(outputs[-1], their_model(images, dataset_index=index).heatmaps)
    assert (outputs[0] - outputs[1]).std() > 0.01


def _head(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """All 17 heatmaps, also for experts with fewer keypoints: one head serves all."""
    return {name: each for name, each in tensors.items() if name.startswith("head.final_layer.")}
