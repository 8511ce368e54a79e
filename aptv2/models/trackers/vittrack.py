"""ViTTrack: one plain ViT that finds the animal of a template in a search picture.

Our reconstruction of the paper's tracker, whose weights are published and whose code is not: the
one-stream tracker OSTrack (Ye et al., ECCV 2022), with or without its candidate elimination
(:mod:`aptv2.models.trackers.elimination`). Patches of template and search become tokens, which go
through the blocks of the ViT together, so that each search token may look at the animal in every
layer; a centre head then reads the search tokens. With the weights of an official OSTrack ViT-B it
gives OSTrack's maps.

Of a template nothing but its patch embedding is the same in every frame: from the first block on
its tokens have looked at the search. Reusing more would change the result, so only that is kept.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aptv2.errors import InputError
from aptv2.models.backbones.vit import NORM, PatchEmbed, initialise, transformer_blocks
from aptv2.models.heads.heatmap import ExactConv2d
from aptv2.models.network import Batch, Network, Objective
from aptv2.models.protocols import Tracker
from aptv2.models.registry import Task
from aptv2.models.trackers.base import STRIDE, Views
from aptv2.models.trackers.elimination import eliminating
from aptv2.models.trackers.initial import load_initial_tracker_weights
from aptv2.models.trackers.losses import search_loss

LEAST = 1e-4  # of a score or a side, as in OSTrack, whose focal loss takes logarithms
HEAD_WIDTH = 256  # channels after the first layer of OSTrack's head; each next has half as many
UNLIKELY = -4.0  # logit of a score before training: of 256 cells one is the centre


class Maps(NamedTuple):
    """What a centre head says of each cell of a search picture, float32.

    Parameters
    ----------
    score
        (N, 1, 16, 16): how likely the animal's centre is in the cell, 0 to 1.
    size
        (N, 2, 16, 16): width and height of the animal as shares of the picture.
    offset
        (N, 2, 16, 16): x and y of the centre from the cell's corner, in cells.
    """

    score: Tensor
    size: Tensor
    offset: Tensor


class CentreHead(nn.Module):
    """OSTrack's centre head: three branches of convolutions that know nothing of each other.

    Parameters
    ----------
    channels
        Channels of the features.
    width
        Channels after the first layer; each next has half as many.
    """

    def __init__(self, channels: int, width: int = HEAD_WIDTH) -> None:
        super().__init__()
        self.score = _branch(channels, width, 1)
        self.size = _branch(channels, width, 2)
        self.offset = _branch(channels, width, 2)
        nn.init.constant_(self.score.get_parameter("4.bias"), UNLIKELY)

    def forward(self, features: Tensor) -> Maps:
        """Features (N, C, 16, 16) -> maps."""
        score, size = torch.sigmoid(self.score(features)), torch.sigmoid(self.size(features))
        return Maps(
            score.clamp(LEAST, 1 - LEAST), size.clamp(LEAST, 1 - LEAST), self.offset(features)
        )


class Backbone(nn.Module):
    """Tokens in, tokens out: the part that all tasks share.

    Parameters
    ----------
    patch_embed
        Pictures (N, 3, H, W) -> (N, width, H/16, W/16).
    width, depth, heads
        Channels of a token, number of blocks and of attention heads.
    drop_path
        Chance that training skips the last block; it grows linearly from 0 at the first.
    """

    def __init__(
        self, patch_embed: nn.Module, width: int, depth: int, heads: int, drop_path: float
    ) -> None:
        super().__init__()
        self.patch_embed = patch_embed
        self.blocks = transformer_blocks(width, depth, heads, drop_path)
        self.norm = NORM(width)
        self.blocks.apply(initialise)

    def embed(self, images: Tensor) -> Tensor:
        """Pictures (N, 3, H, W) -> tokens (N, H/16 * W/16, width), without positions."""
        dtype = self.norm.weight.dtype
        return self.patch_embed(images.to(dtype)).flatten(2).transpose(1, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (N, T, width) of embedded pictures -> as many that have looked at each other."""
        return self.norm(self.blocks(tokens))


class ViTTrack(Network):
    """The one-stream tracker.

    Parameters
    ----------
    backbone
        Shared by everything.
    width
        Channels of the backbone's tokens.
    head_width
        Channels of the first layers of the heads.
    views
        Its pictures.
    eliminates
        True for candidate elimination.
    """

    channels_last = False  # those convolutions are twice as far from exact sums

    def __init__(
        self,
        backbone: Backbone,
        width: int,
        head_width: int = HEAD_WIDTH,
        views: Views = Views(),  # noqa: B008
        eliminates: bool = False,
    ) -> None:
        super().__init__()
        self.backbone, self.views, self.eliminates = backbone, views, eliminates
        self.positions = nn.ParameterDict()
        self.add_positions("template", (views.template, views.template), width)
        self.add_positions("search", (views.search, views.search), width)
        self.centre = CentreHead(width, head_width)

    def add_positions(self, kind: str, size: tuple[int, int], width: int) -> None:
        """Learned positions of the tokens of one kind of picture, of `size` (height, width)."""
        count = (size[0] // STRIDE) * (size[1] // STRIDE)
        self.positions[kind] = nn.Parameter(torch.empty(1, count, width))
        nn.init.trunc_normal_(self.positions[kind], std=0.02)

    def forward(self, template: Tensor, search: Tensor) -> Maps:
        """Find the animals of the templates in the search pictures.

        Parameters
        ----------
        template, search
            float (N, 3, 128, 128) and (N, 3, 256, 256), normalised; or of the sides of `views`.
        """
        return self.centre(self.search_features(self.template_tokens(template), search))

    def template_tokens(self, template: Tensor) -> Tensor:
        """Pictures (N, 3, 128, 128) -> tokens (N, 64, C): all that every frame has in common."""
        return self.backbone.embed(template) + self.positions["template"]

    def search_features(self, template_tokens: Tensor, search: Tensor) -> Tensor:
        """One pass: tokens (N, 64, C), pictures (N, 3, 256, 256) -> features (N, C, 16, 16)."""
        tokens = self.backbone.embed(search) + self.positions["search"]
        tokens, count = torch.cat([template_tokens, tokens], dim=1), template_tokens.shape[1]
        if self.eliminates:
            found = eliminating(self.backbone.blocks, self.backbone.norm, tokens, count)
        else:
            found = self.backbone(tokens)[:, count:]
        cells = self.views.search // STRIDE
        return found.transpose(1, 2).unflatten(2, (cells, cells))

    def start_from(self, source: str | Path) -> None:
        """Take what training starts from: of a tracker, a ViTPose or MAE, all that fits."""
        load_initial_tracker_weights(self, self.name, source)

    def tracker(self, pose: bool = False) -> Tracker:
        """Used as OSTrack is; see :class:`aptv2.models.trackers.vit_tracker.ViTTracker`."""
        from aptv2.models.trackers.vit_tracker import ViTTracker

        return ViTTracker(self, pose)

    def learn(self, tasks: Collection[Task], backbone: bool, resting: int = 0) -> None:
        """Let rest the head and the positions where tracking is not learnt."""
        self.centre.requires_grad_("tracking" in tasks)
        for kind, positions in self.positions.items():
            positions.requires_grad_(("pose" if kind == "pose" else "tracking") in tasks)

    def loss(self, task: Task, batch: Batch, objective: Objective) -> Tensor:
        """OSTrack's loss of a batch of pairs.

        Raises
        ------
        InputError
            Where the network is one that only uses OSTrack's checkpoints.
        """
        if self.eliminates or self.views != Views():
            raise InputError(
                f"model.name: {self.name} only uses OSTrack's checkpoints; train vittrack_b."
            )
        return search_loss(self, batch)


def plain_backbone(width: int, depth: int, heads: int, drop_path: float) -> Backbone:
    """A ViT on patches of the picture itself."""
    return Backbone(PatchEmbed(width, padding=0), width, depth, heads, drop_path)


def _branch(channels: int, width: int, out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for outputs in (width, width // 2, width // 4, width // 8):
        conv = nn.Conv2d(channels, outputs, 3, padding=1)
        layers.append(nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)))
        channels = outputs
    layers.append(ExactConv2d(channels, out, 1))
    branch = nn.Sequential(*layers)
    for parameter in branch.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
    return branch
