"""Keypoint AP while a network is trained, on as many devices as train it."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch.distributed
from lightning.pytorch.callbacks import Callback

from aptv2.datasets.splits import clips_of, subset
from aptv2.evaluation.keypoints import score_keypoints
from aptv2.models.pose.base import PoseModel
from aptv2.tables import PoseTable
from aptv2.testing.boxes import annotated_boxes
from aptv2.testing.pose import parts_of
from aptv2.testing.predict import predict_poses
from aptv2.training.data.loaders import Place
from aptv2.training.module import StageTraining
from aptv2.weights import write_weights


def predict_shared(
    model: PoseModel, truth: PoseTable, place: Place, flip: bool = False
) -> PoseTable:
    """Poses of all annotated animals; each device takes whole clips, and all get the same table."""
    table = annotated_boxes(truth)
    if place.devices == 1:
        return predict_poses(model, table, flip)
    rows = np.flatnonzero(clips_of(table)[table.frame] % place.devices == place.rank)
    mine = predict_poses(model, table[rows], flip)
    parts: list[Any] = [None] * place.devices
    torch.distributed.all_gather_object(parts, (rows, mine.keypoints, mine.scores, mine.areas))
    order, keypoints, scores, areas = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    back = np.argsort(order)
    return replace(table, keypoints=keypoints[back], scores=scores[back], areas=areas[back])


def score_subsets(truth: PoseTable, found: PoseTable) -> dict[str, float]:
    """AP of all animals and, where the data distinguishes them, of the easy and the hard ones.

    Scored as the paper does: keypoint scores count, and near-duplicates are dropped.
    """
    return {
        name: score_keypoints(subset(truth, name), subset(found, name), rescore=True, oks_nms=True)[
            "AP"
        ]
        for name in parts_of(truth)
    }


class Validation(Callback):
    """AP every few epochs, without flip test; the best weights are kept.

    Parameters
    ----------
    truth
        The annotated animals.
    size
        Height and width of the crops.
    every
        Epochs.
    best
        File for the weights with the highest AP of all animals.
    place
        Which device this is.
    """

    def __init__(
        self, truth: PoseTable, size: tuple[int, int], every: int, best: Path, place: Place
    ) -> None:
        self.truth, self.size, self.every, self.best = truth, size, every, best
        self.place = place
        self.highest = -1.0

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        assert isinstance(pl_module, StageTraining)
        epoch = trainer.current_epoch + 1
        if epoch % self.every:
            return
        network = pl_module.result
        model = network.pose_model(self.size).eval()
        found = predict_shared(model, self.truth, self.place)
        pl_module.train()
        scores = score_subsets(self.truth, found)
        pl_module.log_dict({f"AP/{name}": score for name, score in scores.items()})
        if scores["all"] > self.highest:
            self.highest = scores["all"]
            if trainer.is_global_zero:
                metadata = {
                    "network": pl_module.recipe.model.name,
                    "skeleton": asdict(self.truth.skeleton),
                    "recipe": pl_module.recipe.model_dump(mode="json"),
                    "AP": self.highest,
                    "epoch": epoch,
                }
                write_weights(self.best, network.state_dict(), metadata, exact=True)

    def state_dict(self) -> dict[str, Any]:
        return {"highest": self.highest}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.highest = state_dict["highest"]
