"""The lite network as a whole, and how it is made ready for use."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from torch import Tensor, nn

from aptv2.models.lite.backbone import Backbone, imagenet_state
from aptv2.models.lite.detection import DetectionHead
from aptv2.models.lite.fused import fuse
from aptv2.models.lite.pose import PoseHead, probabilities
from aptv2.models.lite.tracking import TrackingHead
from aptv2.models.lite.transfer import load_for_other_keypoints
from aptv2.models.network import Batch, Network, Objective
from aptv2.models.networks.lite import CODEC, EMBEDDED
from aptv2.models.pose.base import PoseModel
from aptv2.models.protocols import Detector, Tracker
from aptv2.models.registry import Task
from aptv2.skeleton import ANIMAL17, Skeleton
from aptv2.weights.files import load_weights, read_part
from aptv2.weights.imagenet import imagenet_tensors


class PosePart(nn.Module):
    """The part that reads the pose of an animal in a crop: a backbone and its head.

    Parameters
    ----------
    keypoints
        How many the head finds.
    """

    def __init__(self, keypoints: int) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.head = PoseHead(keypoints)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Heatmap logits (N, K, H/4, W/4) and visibility logits (N, K)."""
        return self.head(self.backbone(images))


class SearchPart(nn.Module):
    """The part that looks for animals in frames and around where one was: a backbone, two heads.

    The tracker reads the detection head on the features that it has anyway, so one backbone
    serves both.
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.detection = DetectionHead()
        self.tracking = TrackingHead()


class LiteNetwork(Network):
    """Two parts that share nothing: pose moves a backbone away from what finding animals needs.

    Parameters
    ----------
    skeleton
        The keypoints that the pose head finds.
    """

    def __init__(self, skeleton: Skeleton = ANIMAL17) -> None:
        super().__init__()
        self.skeleton = skeleton
        self.pose = PosePart(len(skeleton))
        self.search = SearchPart()

    def fill(self, source: str | Path, expert: str | None = None) -> None:
        """Take trained weights; a file of this package only."""
        tensors: dict[str, Tensor] = {}
        for part, _ in self.named_children():
            tensors |= {f"{part}.{name}": each for name, each in read_part(source, part).items()}
        load_weights(self, tensors, source)

    def start_from(self, source: str | Path) -> None:
        """Take what training starts from; keypoints that both know keep what was learnt of them."""
        if source == "in1k":
            for part in (self.pose, self.search):
                part.backbone.load_state_dict(imagenet_state(imagenet_tensors(), part.backbone))
        else:
            load_for_other_keypoints(self, EMBEDDED if source == "embedded" else source)

    def prepare(self) -> None:
        """Fold the norms into the convolutions."""
        fuse(self)

    def pose_model(self, input_size: tuple[int, int] | None = None) -> PoseModel:
        """The pose head."""
        return LitePose(self.pose, self.skeleton, input_size or (256, 256))

    def detector(self) -> Detector:
        """The detection head."""
        from aptv2.models.lite.detector import LiteDetector

        return LiteDetector(self.search)

    def tracker(self, pose: bool = False) -> Tracker:
        """The tracking head."""
        from aptv2.models.lite.tracker import LiteTracker

        return LiteTracker(self.search)

    def keep(self, task: Task) -> None:
        """Drop the part that the task does not need, in place; its weights are then not read."""
        del self._modules["search" if task == "pose" else "pose"]

    def learn(self, tasks: Collection[Task], backbone: bool, resting: int = 0) -> None:
        """Let the heads of some tasks learn, and the backbones that serve them."""
        self.pose.head.requires_grad_("pose" in tasks)
        self.search.detection.requires_grad_("detection" in tasks)
        self.search.tracking.requires_grad_("tracking" in tasks)
        self.pose.backbone.learn(backbone and "pose" in tasks, resting)
        self.search.backbone.learn(backbone and bool(set(tasks) - {"pose"}), resting)

    def loss(self, task: Task, batch: Batch, objective: Objective) -> Tensor:
        """The loss of one head."""
        from aptv2.models.lite.losses import LOSSES

        return LOSSES[task](self, batch)


class LitePose(PoseModel):
    """Pose with the lite network: softmax heatmaps at stride 4."""

    def __init__(
        self,
        part: PosePart,
        skeleton: Skeleton = ANIMAL17,
        input_size: tuple[int, int] = (256, 256),
    ) -> None:
        super().__init__(input_size, skeleton, CODEC)
        self.part = part

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps (N, K, H/4, W/4), 1 at the peak of a keypoint that is surely there."""
        return probabilities(*self.part(images))
