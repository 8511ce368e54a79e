"""The paper's pose networks: a backbone, a heatmap head, and the conventions of their recipes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from aptv2.codecs import Codec
from aptv2.models.heads.heatmap import HeatmapHead
from aptv2.models.losses import heatmap_loss
from aptv2.models.network import Batch, Network, Objective
from aptv2.models.pose.base import PoseModel, normalise
from aptv2.models.registry import Task
from aptv2.skeleton import Skeleton


class HeatmapPose(PoseModel, Network):
    """A network of the paper: Gaussian heatmaps at stride 4, used as MMPose's recipes use it.

    Parameters
    ----------
    backbone
        Pictures (N, 3, H, W) -> a list of feature maps, the first of which goes to the head.
    head
        Features -> heatmaps.
    input_size
        Height and width of the crops in pixels.
    skeleton
        The keypoints, one heatmap each.
    codec
        How crops are made, and heatmaps made and read.
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: HeatmapHead,
        input_size: tuple[int, int],
        skeleton: Skeleton,
        codec: Codec,
    ) -> None:
        super().__init__(input_size, skeleton, codec)
        self.backbone, self.head = backbone, head

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps, float32 (N, K, H/4, W/4), 1 at the peak of a keypoint."""
        return self.head(self.backbone(images.to(self.head.final_layer.weight.dtype))[0])

    def pose_model(self, input_size: tuple[int, int] | None = None) -> HeatmapPose:
        """Itself."""
        return self

    def loss(self, task: Task, batch: Batch, objective: Objective) -> Tensor:
        """Mean squared error of the heatmaps."""
        assert objective.codec is not None
        return heatmap_loss(self(normalise(batch["image"])), batch, objective.codec)

    def train(self, mode: bool = True) -> HeatmapPose:
        """As in torch; on a processor, training is laid out channels first.

        There torch sums the batch statistics of channels-last pictures in float32 and others in
        float64: outputs of a ResNet in training mode then differ four times as much.
        """
        if mode and next(self.parameters()).device.type == "cpu":
            self.to(memory_format=torch.contiguous_format)
        return super().train(mode)


def heatmap_pose(
    backbone: Callable[[], nn.Module],
    channels: int,
    upsamplings: int,
    input_size: tuple[int, int],
    skeleton: Skeleton,
    codec: Codec,
) -> HeatmapPose:
    """An untrained network.

    Parameters
    ----------
    backbone
        Makes it.
    channels
        Of the backbone's output.
    upsamplings
        In the head, see :class:`aptv2.models.heads.heatmap.HeatmapHead`.
    input_size, skeleton, codec
        As of :class:`HeatmapPose`.
    """
    head = HeatmapHead(channels, len(skeleton), upsamplings)
    return HeatmapPose(backbone(), head, input_size, skeleton, codec)
