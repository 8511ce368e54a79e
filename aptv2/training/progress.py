"""A training stage's progress bar, with the time that is left."""

from __future__ import annotations

from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class StageProgress(Callback):
    """One bar for all steps of a stage; in a log file, a line an epoch.

    Parameters
    ----------
    name
        The stage's name.
    steps
        Optimizer steps of the stage.
    """

    def __init__(self, name: str, steps: int) -> None:
        self.name, self.steps = name, steps
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[numbers]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(escape(name), total=steps, numbers="")

    def on_train_start(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.is_global_zero:
            self._bar.update(self._task, completed=trainer.global_step)
            self._bar.start()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        numbers = _numbers(trainer, "loss/")
        self._bar.update(self._task, completed=trainer.global_step, numbers=numbers)

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        if trainer.is_global_zero and not self._bar.console.is_terminal:
            left = self._bar.tasks[0].time_remaining
            minutes = "" if left is None else f", {left / 60:.0f} min left"
            self._bar.console.print(
                f"{escape(self.name)}: epoch {trainer.current_epoch + 1} of {trainer.max_epochs}, "
                f"{_numbers(trainer, '')}{minutes}"
            )

    def on_train_end(self, *_: Any) -> None:
        self._bar.stop()

    def on_exception(self, *_: Any) -> None:
        self._bar.stop()


def _numbers(trainer: lightning.Trainer, prefix: str) -> str:
    shown = trainer.callback_metrics.items()
    return ", ".join(f"{key} {float(value):.4g}" for key, value in shown if key.startswith(prefix))
