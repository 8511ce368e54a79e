"""One stage of training as Lightning sees it: losses, optimizer, schedule, averaged weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import lightning
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

from aptv2.errors import InputError
from aptv2.models import registry
from aptv2.models.network import Network, Objective
from aptv2.training.networks import codec_of
from aptv2.training.optimizers import lr_factor, parameter_groups
from aptv2.training.recipes import Recipe, Stage, TaskName

Batch = Mapping[TaskName, dict[str, Tensor]]


class StageTraining(lightning.LightningModule):
    """One stage of a recipe.

    All that is random in a step follows from the seed, the step and the part of the batch alone,
    so that neither a resumed run nor one on more devices draws anything else.

    Parameters
    ----------
    network
        The network; trained in place.
    recipe, stage
        What is trained, with which rates.
    epoch_steps
        Optimizer steps of an epoch.
    accumulate
        Parts that a device works its share of a batch off in.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        stage: Stage,
        epoch_steps: int,
        accumulate: int = 1,
    ) -> None:
        super().__init__()
        self.network, self.recipe, self.stage = network, recipe, stage
        self.epoch_steps, self.accumulate = epoch_steps, accumulate
        self._parts: list[dict[str, Tensor]] = []  # losses of the step so far
        self.network.to(memory_format=torch.channels_last)
        network.learn(stage.tasks.keys(), stage.backbone_lr > 0, stage.resting)
        pose, tracking = stage.tasks.get("pose"), stage.tasks.get("tracking")
        fused = pose.weight if pose else None
        if tracking and tracking.fused_weight:
            fused = tracking.fused_weight
        self.objective = Objective(codec_of(recipe), fused)
        self.averaged: AveragedModel | None = None
        if stage.ema_decay is not None:
            decay = get_ema_avg_fn(stage.ema_decay)
            self.averaged = AveragedModel(network, avg_fn=decay, use_buffers=True)
            self.averaged.requires_grad_(False)
        self.train()  # Lightning leaves modes as they are

    @property
    def result(self) -> Network:
        """The network that counts: the averaged one, where weights are averaged."""
        if self.averaged is None or not self.averaged.n_averaged:
            return self.network
        return cast("Network", self.averaged.module)

    def train(self, mode: bool = True) -> StageTraining:
        super().train(mode)
        if self.recipe.model.frozen_norms:
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        part = self.global_rank * self.accumulate + batch_idx % self.accumulate
        place = (self.recipe.seed, self.current_epoch, batch_idx // self.accumulate, part)
        torch.manual_seed(hash(place) & 0xFFFF_FFFF)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        losses = {
            task: self.network.loss(task, part, self.objective) for task, part in batch.items()
        }
        for task, loss in losses.items():
            if not torch.isfinite(loss):
                raise BrokenLossError(task, batch[task]["index"].tolist())
        self._log({f"loss/{task}": loss.detach() for task, loss in losses.items()})
        weighted = [self.stage.tasks[task].weight * loss for task, loss in losses.items()]
        return torch.stack(weighted).sum()

    def _log(self, losses: dict[str, Tensor]) -> None:
        """Log the mean over the parts and devices of a step's batch."""
        self._parts.append(losses)
        if len(self._parts) == self.accumulate:
            means = {name: sum(part[name] for part in self._parts) for name in losses}
            self.log_dict(
                {name: total / self.accumulate for name, total in means.items()},
                sync_dist=self.trainer.world_size > 1,
            )
            self._parts.clear()

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        super().optimizer_step(*args, **kwargs)
        # The first weights of a new head are no part of what is worth averaging.
        start = self.stage.epochs * self.epoch_steps // 5
        if self.averaged is not None and self.global_step >= start:
            self.averaged.update_parameters(self.network)

    def configure_optimizers(self) -> Any:
        stage = self.stage
        pretrained = registry.spec(self.recipe.model.name).pretrained
        groups = parameter_groups(self.network, stage, pretrained)
        kind = torch.optim.AdamW if stage.optimizer == "adamw" else torch.optim.Adam
        # Lightning does not clip what a fused optimizer scales back itself.
        optimizer = kind(groups, fused=stage.gradient_clip_norm is None)

        def factor(step: int) -> float:
            return lr_factor(stage, step, self.epoch_steps)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


class BrokenLossError(InputError):
    """A loss that is infinite or undefined.

    Parameters
    ----------
    task
        Whose.
    samples
        The batch's places in the task's data set.
    """

    def __init__(self, task: TaskName, samples: list[int]) -> None:
        super().__init__(f"the loss of {task} is not a number any more")
        self.task, self.samples = task, samples
