"""Training the lite network: the loss of each head, one optimiser, weights averaged over time."""

from __future__ import annotations

import math
from typing import Any

import lightning
import torch
from torch import Tensor, nn

from aptv2.models.lite.network import LiteNetwork
from aptv2.training.losses import LOSSES
from aptv2.training.recipes import Stage, TaskName

Batch = dict[TaskName, dict[str, Tensor]]


class LiteTraining(lightning.LightningModule):
    """One stage of training the lite network.

    Parameters
    ----------
    network
        The network; trained in place.
    stage
        What is trained, with which rates.
    steps
        Optimiser steps of the whole stage, for the learning-rate schedule.
    """

    def __init__(self, network: LiteNetwork, stage: Stage, steps: int) -> None:
        super().__init__()
        self.network, self.stage, self.steps = network, stage, steps
        self.network.to(memory_format=torch.channels_last)
        self.network.body.learn(stage.body_rate > 0)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        losses = {task: LOSSES[task](self.network, part) for task, part in batch.items()}
        self.log_dict({f"loss/{task}": loss for task, loss in losses.items()}, prog_bar=True)
        weighted = [self.stage.tasks[task].weight * loss for task, loss in losses.items()]
        return torch.stack(weighted).sum()

    def configure_optimizers(self) -> Any:
        groups = parameter_groups(self.network, self.stage)
        optimizer = torch.optim.AdamW(groups)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine."""
        stage = self.stage
        if step < stage.warmup:
            return (step + 1) / stage.warmup
        done = (step - stage.warmup) / max(1, self.steps - stage.warmup)
        cosine = (1 + math.cos(math.pi * min(1.0, done))) / 2
        return stage.final_rate + (1 - stage.final_rate) * cosine


def parameter_groups(network: nn.Module, stage: Stage) -> list[dict[str, Any]]:
    """Body and heads apart; no weight decay on biases and norms."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((name.startswith("body."), parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": stage.body_rate if body else stage.head_rate,
            "weight_decay": stage.weight_decay if matrix else 0.0,
        }
        for (body, matrix), parameters in groups.items()
    ]
