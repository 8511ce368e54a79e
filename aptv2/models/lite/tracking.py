"""The tracking head: where the animal of a template is in a search picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aptv2.models.lite.backbone import CHANNELS
from aptv2.models.lite.pyramid import Block, ConvNorm, double
from aptv2.models.trackers.base import SEARCH_SIZE, STRIDE, TEMPLATE_SIZE


class TrackingHead(nn.Module):
    """Template and search cells in one transformer, then a centre head.

    Both pictures become cells at stride 16; cells of the template that lie on the animal carry a
    mark. A few layers of attention let each search cell look at the template and at the rest of
    the search, as in OSTrack (Ye et al., ECCV 2022); its centre head (score, size, offset) reads
    the search cells. The template's share is computed once per animal.
    """

    def __init__(self, width: int = 128, layers: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.lateral8 = ConvNorm(CHANNELS[1], width, kernel=3, stride=2, act=False)
        self.lateral16 = ConvNorm(CHANNELS[2], width, act=False)
        self.lateral32 = ConvNorm(CHANNELS[3], width, act=False)
        self.refine = Block(width)
        template, search = TEMPLATE_SIZE // STRIDE, SEARCH_SIZE // STRIDE
        self.template_place = nn.Parameter(0.02 * torch.randn(1, template**2, width))
        self.search_place = nn.Parameter(0.02 * torch.randn(1, search**2, width))
        self.target_mark = nn.Parameter(0.02 * torch.randn(width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 2 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)
        self.score = nn.Sequential(Block(width), nn.Conv2d(width, 1, 1))
        self.size = nn.Sequential(Block(width), nn.Conv2d(width, 2, 1))
        self.offset = nn.Sequential(Block(width), nn.Conv2d(width, 2, 1))
        nn.init.constant_(self.score.get_parameter("1.bias"), -3.0)  # one cell is the centre

    def cells(self, features: list[Tensor]) -> Tensor:
        """The backbone's features -> (N, width, H/16, W/16)."""
        _, at8, at16, at32 = features
        joined = self.lateral8(at8) + self.lateral16(at16) + double(self.lateral32(at32))
        return self.refine(F.relu(joined))

    def template(self, features: list[Tensor], boxes: Tensor) -> Tensor:
        """Template tokens (N, 64, width); `boxes` (N, 4) are corners as shares of the picture."""
        cells = self.cells(features)
        n = cells.shape[2]
        middle = (torch.arange(n, device=cells.device) + 0.5) / n
        in_x = (middle[None] >= boxes[:, 0:1]) & (middle[None] <= boxes[:, 2:3])
        in_y = (middle[None] >= boxes[:, 1:2]) & (middle[None] <= boxes[:, 3:4])
        inside = (in_y[:, :, None] & in_x[:, None, :]).flatten(1)[..., None]
        return tokens(cells) + self.template_place + inside * self.target_mark

    def forward(self, template: Tensor, features: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Find the templates in the search pictures.

        Parameters
        ----------
        template
            Tokens (N, 64, width) from :meth:`template`.
        features
            The backbone's features of the search pictures (N, 3, 256, 256), or of fewer: each then
            serves equally many templates in turn.

        Returns
        -------
        tuple of Tensor
            Score logits (N, 1, 16, 16), sizes (N, 2, 16, 16) as shares of the picture, offsets of
            the centre from the cell's corner (N, 2, 16, 16) in cells.
        """
        cells = self.cells(features)
        cells = cells.repeat_interleave(len(template) // len(cells), dim=0)
        x = torch.cat([template, tokens(cells) + self.search_place], dim=1)
        for layer in self.layers:
            x = layer(x)
        found = self.norm(x[:, template.shape[1] :]).transpose(1, 2).unflatten(2, cells.shape[2:])
        found = found.contiguous(memory_format=torch.channels_last)
        size, offset = torch.sigmoid(self.size(found).float()), self.offset(found).float()
        return self.score(found), size, torch.sigmoid(offset)


def tokens(cells: Tensor) -> Tensor:
    """(N, C, h, w) -> (N, h*w, C)."""
    return cells.flatten(2).transpose(1, 2)


def centre_boxes(size: Tensor, offset: Tensor) -> Tensor:
    """Every cell's box, (N, 4, h, w): centre x, y, width, height as shares of the picture."""
    n = size.shape[2]
    steps = torch.arange(n, device=size.device)
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    return torch.cat([(torch.stack([x, y]) + offset) / n, size], dim=1)


def corner_form(boxes: Tensor) -> Tensor:
    """Boxes (N, 4) centre x, y, width, height -> corners x0, y0, x1, y1."""
    half = boxes[:, 2:] / 2
    return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1)
