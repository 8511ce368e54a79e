"""The lite network as a whole, and how it is made ready for use."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from torch import Tensor, nn

from aptv2.models.lite.backbone import Backbone, FoldedConv, imagenet_state
from aptv2.models.lite.detection import DetectionHead
from aptv2.models.lite.pose import PoseHead, probabilities
from aptv2.models.lite.pyramid import ConvNorm
from aptv2.models.lite.tracking import TrackingHead
from aptv2.models.lite.transfer import load_for_other_keypoints
from aptv2.models.network import Batch, Network, Objective
from aptv2.models.networks.lite import EMBEDDED
from aptv2.models.pose.base import PoseModel
from aptv2.models.protocols import Detector, Tracker
from aptv2.models.registry import Task
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.weights.files import load_weights, read_weights
from aptv2.weights.imagenet import imagenet_tensors


class LiteNetwork(Network):
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

    def fill(self, source: str | Path, expert: str | None = None) -> None:
        """Take trained weights; a file of this package only."""
        tensors, _ = read_weights(source)
        load_weights(self, tensors, source)

    def start_from(self, source: str | Path) -> None:
        """Take what training starts from; keypoints that both know keep what was learnt of them."""
        if source == "in1k":
            self.backbone.load_state_dict(imagenet_state(imagenet_tensors(), self.backbone))
        else:
            load_for_other_keypoints(self, EMBEDDED if source == "embedded" else source)

    def prepare(self) -> None:
        """Fold the norms into the convolutions."""
        fuse(self)

    def pose_model(self, input_size: tuple[int, int] | None = None) -> PoseModel:
        """The pose head."""
        return LitePose(self, self.skeleton, input_size or (256, 256))

    def detector(self) -> Detector:
        """The detection head."""
        from aptv2.models.lite.detector import LiteDetector

        return LiteDetector(self)

    def tracker(self, pose: bool = False) -> Tracker:
        """The tracking head."""
        from aptv2.models.lite.tracker import LiteTracker

        return LiteTracker(self)

    def learn(self, tasks: Collection[Task], backbone: bool) -> None:
        """Let only some heads learn, and the backbone where it is asked for."""
        self.backbone.learn(backbone)
        for task in ("pose", "detection", "tracking"):
            getattr(self, task).requires_grad_(task in tasks)

    def loss(self, task: Task, batch: Batch, objective: Objective) -> Tensor:
        """The loss of one head."""
        from aptv2.models.lite.losses import LOSSES

        return LOSSES[task](self, batch)


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
