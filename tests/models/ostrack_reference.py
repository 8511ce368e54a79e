"""OSTrack as it is published, re-implemented from its description alone: plain steps."""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from reference_weights import weight
from torch import Tensor

WIDTH, DEPTH, HEADS = 48, 2, 4

State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]


def state_of(manifest: dict[str, tuple[int, ...]]) -> State:
    return {name: weight(name, shape) for name, shape in manifest.items()}


def small(official: Shapes, depth: int = DEPTH) -> Shapes:
    """OSTrack's names with a narrower, shallower ViT."""
    shapes = {}
    for name, shape in official.items():
        if name.startswith("backbone.blocks.") and int(name.split(".")[2]) >= depth:
            continue
        shapes[name] = tuple(
            {768: WIDTH, 2304: 3 * WIDTH, 3072: 4 * WIDTH}.get(n, n) for n in shape
        )
    return shapes


class Reference:
    """OSTrack with one animal, with or without candidate elimination.

    `pixels` are the sides of template and search, `factor` is the search region's.
    """

    def __init__(
        self,
        state: State,
        heads: int,
        pixels: tuple[int, int] = (128, 256),
        factor: float = 4.0,
        eliminates: bool = False,
    ) -> None:
        self.state, self.heads, self.pixels, self.factor = state, heads, pixels, factor
        self.eliminates = eliminates
        self.depth = 1 + max(int(k.split(".")[2]) for k in state if ".blocks." in k)

    def linear(self, x: Tensor, name: str) -> Tensor:
        return x @ self.state[f"{name}.weight"].T + self.state[f"{name}.bias"]

    def norm(self, x: Tensor, name: str) -> Tensor:
        x = (x - x.mean(-1, keepdim=True)) / torch.sqrt(
            x.var(-1, unbiased=False, keepdim=True) + 1e-6
        )
        return x * self.state[f"{name}.weight"] + self.state[f"{name}.bias"]

    def patches(self, image: Tensor) -> Tensor:
        """A matrix product instead of a convolution."""
        size = image.shape[-1] // 16
        cut = image.reshape(3, size, 16, size, 16).permute(1, 3, 0, 2, 4).reshape(size * size, -1)
        kernel = self.state["backbone.patch_embed.proj.weight"].flatten(1)
        return cut @ kernel.T + self.state["backbone.patch_embed.proj.bias"]

    def block(self, x: Tensor, name: str, places: list[int] | None = None) -> Tensor:
        """One block; `places` of the search tokens shrink where it eliminates."""
        tokens, width = x.shape
        qkv = self.linear(self.norm(x, f"{name}.norm1"), f"{name}.attn.qkv")
        q, k, v = qkv.reshape(tokens, 3, self.heads, -1).permute(1, 2, 0, 3)
        attention = (q @ k.transpose(1, 2) / math.sqrt(width // self.heads)).softmax(-1)
        joined = (attention @ v).transpose(0, 1).reshape(tokens, width)
        x = x + self.linear(joined, f"{name}.attn.proj")
        if places is not None:
            side = self.pixels[0] // 16
            middle = [r * side + c for r in (side // 2 - 1, side // 2) for c in range(side)]
            middle = [m for m in middle if m % side in (side // 2 - 1, side // 2)]
            worth = attention[:, middle].sum(dim=(0, 1))[side * side :].tolist()
            count = -(-len(places) * 7 // 10)
            best = sorted(range(len(places)), key=lambda i: -worth[i])[:count]
            x = torch.cat([x[: side * side], x[[side * side + i for i in best]]])
            places[:] = [places[i] for i in best]
        hidden = F.gelu(self.linear(self.norm(x, f"{name}.norm2"), f"{name}.mlp.fc1"))
        return x + self.linear(hidden, f"{name}.mlp.fc2")

    def branch(self, x: Tensor, kind: str) -> Tensor:
        s = self.state
        for layer in range(1, 5):
            name = f"box_head.conv{layer}_{kind}"
            x = F.conv2d(x, s[f"{name}.0.weight"], s[f"{name}.0.bias"], padding=1)
            mean, var = s[f"{name}.1.running_mean"], s[f"{name}.1.running_var"]
            x = (x - mean[:, None, None]) / torch.sqrt(var + 1e-5)[:, None, None]
            x = x * s[f"{name}.1.weight"][:, None, None] + s[f"{name}.1.bias"][:, None, None]
            x = x.clamp(min=0)
        return F.conv2d(x, s[f"box_head.conv5_{kind}.weight"], s[f"box_head.conv5_{kind}.bias"])

    def maps(self, template: Tensor, search: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z = self.patches(template) + self.state["backbone.pos_embed_z"][0]
        x = self.patches(search) + self.state["backbone.pos_embed_x"][0]
        tokens = torch.cat([z, x])
        places, count = list(range(len(x))), len(z)
        for number in range(self.depth):
            eliminates = self.eliminates and number in (3, 6, 9)
            name = f"backbone.blocks.{number}"
            tokens = self.block(tokens, name, places if eliminates else None)
        kept = self.norm(tokens, "backbone.norm")[count:]
        found = torch.zeros_like(x)
        found[places] = kept
        side = self.pixels[1] // 16
        found = found.T.reshape(1, -1, side, side)
        score = self.branch(found, "ctr").sigmoid().clamp(1e-4, 1 - 1e-4)
        size = self.branch(found, "size").sigmoid().clamp(1e-4, 1 - 1e-4)
        return score, size, self.branch(found, "offset")

    @staticmethod
    def crop(frame: np.ndarray, box: list[float], factor: float, size: int) -> tuple[Tensor, float]:
        """A square around a box, pixel by pixel where it leaves the frame."""
        x, y, w, h = box
        side = math.ceil(math.sqrt(w * h) * factor)
        left, top = round(x + 0.5 * w - side * 0.5), round(y + 0.5 * h - side * 0.5)
        square = np.zeros((side, side, 3), np.uint8)
        for row in range(side):
            for column in range(side):
                i, j = top + row, left + column
                # The last row and column of a frame are lost in OSTrack's padding.
                if 0 <= i < frame.shape[0] - 1 and 0 <= j < frame.shape[1] - 1:
                    square[row, column] = frame[i, j]
        pixels = cv2.resize(square, (size, size), interpolation=cv2.INTER_LINEAR)
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        image = (torch.from_numpy(pixels).float() / 255 - mean) / std
        return image.permute(2, 0, 1), size / side

    def start(self, frame: np.ndarray, box: list[float]) -> None:
        self.template, _ = self.crop(frame, box, 2.0, self.pixels[0])
        self.box = list(box)

    def step(self, frame: np.ndarray) -> list[float]:
        search, factor = self.crop(frame, self.box, self.factor, self.pixels[1])
        self.last = self.maps(self.template, search)
        score, size, offset = (each[0].tolist() for each in self.last)
        size_px = self.pixels[1]
        cells = size_px // 16
        hann = [0.5 * (1 - math.cos(2 * math.pi * (i + 1) / (cells + 1))) for i in range(cells)]
        best, row, column = max(
            (hann[i] * hann[j] * score[0][i][j], i, j) for i in range(cells) for j in range(cells)
        )
        assert best > 0
        cx = (column + offset[0][row][column]) / cells * size_px / factor
        cy = (row + offset[1][row][column]) / cells * size_px / factor
        w, h = (size[k][row][column] * size_px / factor for k in (0, 1))
        x, y, w0, h0 = self.box
        cx += x + 0.5 * w0 - 0.5 * size_px / factor
        cy += y + 0.5 * h0 - 0.5 * size_px / factor
        height, width = frame.shape[:2]
        x1, x2 = cx - 0.5 * w, cx + 0.5 * w
        y1, y2 = cy - 0.5 * h, cy + 0.5 * h
        x1, x2 = min(max(0, x1), width - 10), min(max(10, x2), width)
        y1, y2 = min(max(0, y1), height - 10), min(max(10, y2), height)
        self.box = [x1, y1, max(10, x2 - x1), max(10, y2 - y1)]
        return self.box
