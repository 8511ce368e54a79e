"""The lite network as a whole, and how it is made ready for use."""

from __future__ import annotations

from torch import Tensor, nn

from aptv2.models.lite.backbone import Backbone, FoldedConv
from aptv2.models.lite.detection import DetectionHead
from aptv2.models.lite.pose import PoseHead, probabilities
from aptv2.models.lite.pyramid import ConvNorm
from aptv2.models.lite.tracking import TrackingHead
from aptv2.models.pose.base import PoseModel
from aptv2.skeleton import ANIMAL17, Skeleton


class LiteNetwork(nn.Module):
    """One backbone, three heads.

    Parameters
    ----------
    skeleton
        The keypoints that the pose head finds.
    """

    def __init__(self, skeleton: Skeleton = ANIMAL17) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.backbone = Backbone()
        self.pose = PoseHead(len(skeleton))
        self.detection = DetectionHead()
        self.tracking = TrackingHead()


class LitePose(PoseModel):
    """Pose with the lite network: softmax heatmaps at stride 4."""

    def __init__(
        self,
        network: LiteNetwork,
        skeleton: Skeleton = ANIMAL17,
        input_size: tuple[int, int] = (256, 256),
    ) -> None:
        super().__init__(input_size, skeleton)
        self.backbone, self.head = network.backbone, network.pose

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps (N, K, H/4, W/4), 1 at the peak of a keypoint that is surely there."""
        return probabilities(*self.head(self.backbone(images)))


def fuse(module: nn.Module) -> nn.Module:
    """Fold every batch norm into the convolution before it, in place, for use without training.

    Raises
    ------
    ValueError
        In training mode, where batch norms would still change.
    """
    if module.training:
        raise ValueError("only a network in eval mode can be fused")
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, FoldedConv):
                setattr(parent, name, child.fused())
            elif isinstance(child, ConvNorm):
                fused = nn.utils.fusion.fuse_conv_bn_eval(child.conv, child.norm)
                setattr(parent, name, nn.Sequential(fused, *list(child)[2:]))
    return module
