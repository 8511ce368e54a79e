"""The lite network as a whole, and how it is made ready for use."""

from __future__ import annotations

from torch import Tensor, nn

from aptv2.models.lite.body import Body, FoldedConv
from aptv2.models.lite.detection import DetectionHead
from aptv2.models.lite.pose import PoseHead, probabilities
from aptv2.models.lite.pyramid import ConvNorm
from aptv2.models.lite.tracking import TrackingHead
from aptv2.models.pose import PoseModel
from aptv2.skeleton import ANIMAL17, Skeleton


class PosePart(nn.Module):
    """What reads the pose of an animal in a crop: a backbone and its head.

    Parameters
    ----------
    joints
        How many the head finds.
    """

    def __init__(self, joints: int) -> None:
        super().__init__()
        self.backbone = Body()
        self.head = PoseHead(joints)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Heatmap logits (N, K, H/4, W/4) and visibility logits (N, K)."""
        return self.head(self.backbone(images))


class SearchPart(nn.Module):
    """What looks for animals, in a frame and around where one was: a backbone and two heads.

    The tracker reads the detection head on the features that it has anyway, so one backbone
    serves both.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Body()
        self.detection = DetectionHead()
        self.tracking = TrackingHead()


class LiteNetwork(nn.Module):
    """Two parts that share nothing: pose moves a backbone away from what finding animals needs.

    Parameters
    ----------
    skeleton
        The joints that the pose head finds.
    """

    def __init__(self, skeleton: Skeleton = ANIMAL17) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.pose = PosePart(len(skeleton))
        self.search = SearchPart()


class LitePose(PoseModel):
    """Pose with the lite network: softmax heatmaps at stride 4."""

    def __init__(
        self,
        part: PosePart,
        skeleton: Skeleton = ANIMAL17,
        input_size: tuple[int, int] = (256, 256),
    ) -> None:
        super().__init__(input_size, skeleton, decoding="calibrated")
        self.part = part

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps (N, K, H/4, W/4), 1 at the peak of a joint that is surely there."""
        return probabilities(*self.part(images))


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
