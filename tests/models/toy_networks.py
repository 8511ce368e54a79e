"""Code of a pose network, a detector and a tracker, and the recipe that trains them."""

POSE = '''
"""A pose network of one layer."""

from torch import Tensor, nn

from aptv2.codecs import MSRA
from aptv2.models.losses import heatmap_loss
from aptv2.models.network import Batch, Network, Objective
from aptv2.models.pose.base import PoseModel, normalise
from aptv2.models.registry import NetworkSpec, Signature


class ToyPose(PoseModel, Network):
    def __init__(self, input_size, skeleton) -> None:
        super().__init__(input_size, skeleton, MSRA)
        self.backbone = nn.Conv2d(3, 8, 9, stride=4, padding=4)
        self.toy_head = nn.Conv2d(8, len(skeleton), 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.toy_head(self.backbone(images.to(self.backbone.weight.dtype)).relu())

    def pose_model(self, input_size=None) -> PoseModel:
        return self

    def loss(self, task: str, batch: Batch, objective: Objective) -> Tensor:
        return heatmap_loss(self(normalise(batch["image"])), batch, objective.codec)


def build(*, skeleton, input_size, drop_path):
    return ToyPose(input_size, skeleton)


SPECS = (
    NetworkSpec(
        name="toy_pose",
        title="Toy pose",
        tasks=("pose",),
        build=build,
        signature=Signature(present=("toy_head.weight",)),
        input_size=(64, 64),
        codec=MSRA,
        keypoint_layer="toy_head.weight",
    ),
)
'''

DETECTOR = '''
"""A detector of two layers: a map of centres at stride 8, and boxes of one size."""

import numpy as np
import torch
from torch import Tensor, nn

from aptv2 import crops
from aptv2.models.losses import centre_focal_loss
from aptv2.models.network import Batch, Network, Objective
from aptv2.models.pose.base import normalise, normalise_for
from aptv2.models.registry import NetworkSpec, Signature


class ToyDetector(Network):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 8, 15, stride=8, padding=7)
        self.toy_centres = nn.Conv2d(8, 1, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.toy_centres(self.backbone(images).relu())[:, 0]

    def detector(self) -> "Finder":
        return Finder(self)

    def loss(self, task: str, batch: Batch, objective: Objective) -> Tensor:
        logits = self(normalise(batch["image"])).float()
        centres = torch.zeros_like(logits)
        for centre, boxes, wanted in zip(centres, batch["boxes"], batch["wanted"], strict=True):
            x, y = ((boxes[wanted > 0, :2] + boxes[wanted > 0, 2:]) / 16).long().unbind(1)
            centre[y.clamp(0, len(centre) - 1), x.clamp(0, len(centre) - 1)] = 1
        return centre_focal_loss(logits, centres, batch["known"] > 0)


class Finder:
    def __init__(self, network: ToyDetector) -> None:
        self.network = network

    def detect(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.detect_batch([frame])[0]

    @torch.inference_mode()
    def detect_batch(self, frames) -> list[tuple[np.ndarray, np.ndarray]]:
        found = []
        for frame in frames:
            images = normalise_for(self.network, torch.from_numpy(frame[None]))
            scores = self.network(images.to(next(self.network.parameters()).dtype))[0].sigmoid()
            row, column = divmod(int(scores.argmax()), scores.shape[1])
            box = np.array([[8 * column - 26, 8 * row - 16, 60, 40]], np.float32)
            found.append((box, np.array([0.9], np.float32)))
        return found


def build(*, skeleton, input_size, drop_path):
    return ToyDetector()


SPECS = (
    NetworkSpec(
        name="toy_detector",
        title="Toy detector",
        tasks=("detection",),
        build=build,
        signature=Signature(present=("toy_centres.weight",)),
    ),
)
'''

TRACKER = '''
"""A tracker of one layer: where the search looks most like the template."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aptv2.models.network import Batch, Network, Objective
from aptv2.models.pose.base import normalise, normalise_for
from aptv2.models.registry import NetworkSpec, Signature
from aptv2.models.trackers.base import Found, TemplateTracker
from aptv2.models.trackers.vit_tracker import crop_sides, crop_squares


class ToyTracker(Network):
    def __init__(self) -> None:
        super().__init__()
        self.toy_look = nn.Conv2d(3, 8, 16, stride=16)

    def template(self, images: Tensor) -> Tensor:
        return self.toy_look(images)[:, :, 3:5, 3:5].mean(dim=(2, 3))

    def forward(self, templates: Tensor, search: Tensor) -> Tensor:
        return torch.einsum("nc,nchw->nhw", templates, self.toy_look(search))

    def tracker(self, pose: bool = False) -> "Follower":
        return Follower(self)

    def loss(self, task: str, batch: Batch, objective: Objective) -> Tensor:
        template, search = normalise(batch["template"]), normalise(batch["search"])
        logits = self(self.template(template), search).flatten(1)
        x, y = (batch["box"][:, :2] * 16).long().clamp(0, 15).unbind(1)
        return F.cross_entropy(logits, y * 16 + x)


class Follower(TemplateTracker):
    def __init__(self, network: ToyTracker) -> None:
        self.network = network
        super().__init__()

    def _forget(self) -> None:
        super()._forget()
        self.templates = torch.empty(0, 8)

    @torch.inference_mode()
    def _meet(self, frame: np.ndarray, boxes: np.ndarray) -> None:
        pixels, _ = crop_squares(frame, boxes, 2.0, 128)
        images = normalise_for(self.network, torch.from_numpy(pixels))
        templates = self.network.template(self.typed(images))
        self.templates = torch.cat([self.templates.to(templates), templates])

    @torch.inference_mode()
    def _find(self, frame: np.ndarray) -> Found:
        pixels, _ = crop_squares(frame, self.boxes, 4.0, 256)
        images = normalise_for(self.network, torch.from_numpy(pixels))
        scores = self.network(self.templates, self.typed(images)).float().flatten(1)
        cells = scores.argmax(1).numpy()
        shift = (np.stack([cells % 16, cells // 16], axis=1) + 0.5) / 16 - 0.5
        boxes = self.boxes.copy()
        boxes[:, :2] += shift * crop_sides(self.boxes, 4.0)[:, None]
        return Found(boxes, np.ones(len(boxes)))

    def typed(self, images: Tensor) -> Tensor:
        return images.to(self.network.toy_look.weight.dtype)


def build(*, skeleton, input_size, drop_path):
    return ToyTracker()


SPECS = (
    NetworkSpec(
        name="toy_tracker",
        title="Toy tracker",
        tasks=("tracking",),
        build=build,
        signature=Signature(present=("toy_look.weight",)),
    ),
)
'''

RECIPE = """
model: {name}
init: random
precision: 32-true
workers: 0
data: {{pose_train: train.json, pose_val: train.json, {data}}}
stages:
  - {{name: only, epochs: {epochs}, warmup: 0, tasks: {{{tasks}}}}}
"""
