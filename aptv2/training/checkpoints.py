"""Checkpoints from which a run goes on as if it had never stopped."""

from __future__ import annotations

import io
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins import TorchCheckpointIO

from aptv2.errors import InputError
from aptv2.files import atomic_write
from aptv2.training.module import StageTraining

POSITION = "position"  # in a checkpoint: the epoch, its optimizer steps so far, parts of a step


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoint files that are whole at any moment, whatever stops the process or fills the disk.

    Raises
    ------
    InputError
        Where the disk is full; the checkpoint before stays.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        # In memory first: torch's own writer hides why a write failed.
        content = io.BytesIO()
        torch.save(checkpoint, content)
        with atomic_write(path) as temporary:
            temporary.write_bytes(content.getbuffer())


class StoppedTraining(Exception):
    """A signal asked the process to stop, and the checkpoint holds all that was done."""


class SaveLast(Checkpoint):
    """Keeps the latest checkpoint of a stage: after every epoch, and every few minutes within one.

    Parameters
    ----------
    path
        The file.
    minutes
        Between checkpoints within an epoch; 0 saves after every optimizer step.
    stopped
        Says which signal asked the process to stop, 0 for none so far. After one, the current
        optimizer step is finished and saved, and :class:`StoppedTraining` raised. Of several
        processes the first is asked: schedulers signal all of them.
    """

    def __init__(self, path: Path, minutes: float, stopped: Callable[[], int]) -> None:
        self.path, self.minutes, self.stopped = path, minutes, stopped
        self._saved = time.monotonic()
        self._position = (0, 0)  # epoch, and its optimizer steps so far
        self._on_sigterm = signal.getsignal(signal.SIGTERM)

    def on_train_start(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        # Lightning's own handler would end the process without a checkpoint, with exit code 0.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._on_sigterm)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        parts = batch_idx + 1
        # Half-way through a batch there are gradients that no checkpoint holds, and at the end of
        # an epoch the next hook saves.
        if parts % trainer.accumulate_grad_batches or parts == trainer.num_training_batches:
            return
        stopped = self._stopped(trainer)
        due = stopped or time.monotonic() - self._saved >= 60 * self.minutes
        if trainer.strategy.broadcast(due) if trainer.world_size > 1 else due:
            steps = parts // trainer.accumulate_grad_batches
            self._save(trainer, pl_module, (trainer.current_epoch, steps))
        if stopped:
            raise StoppedTraining

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> None:
        self._save(trainer, pl_module, (trainer.current_epoch + 1, 0))
        if self._stopped(trainer):
            raise StoppedTraining

    def _stopped(self, trainer: lightning.Trainer) -> bool:
        """True, in every process alike, once the first was asked to stop."""
        asked = bool(self.stopped())
        return bool(trainer.strategy.broadcast(asked)) if trainer.world_size > 1 else asked

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        checkpoint[POSITION] = [*self._position, trainer.accumulate_grad_batches]

    def on_load_checkpoint(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        # Lightning counts parts of batches, of which other devices may need another number.
        now, before = trainer.accumulate_grad_batches, checkpoint[POSITION][2]
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for counts in (progress["total"], progress["current"]):
            unfinished = counts["ready"] - counts["completed"]
            counts.update({name: count * now // before for name, count in counts.items()})
            counts["completed"] = counts["ready"] - unfinished

    def _save(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        position: tuple[int, int],
    ) -> None:
        assert isinstance(pl_module, StageTraining)
        for name, parameter in pl_module.network.named_parameters():
            if not torch.isfinite(parameter).all():
                raise InputError(
                    f"{self.path}: not replaced, as {name} is not a number any more; go on from it "
                    "with a lower learning rate."
                )
        self._position = position
        trainer.save_checkpoint(self.path)
        self._saved = time.monotonic()


def read_position(path: Path) -> tuple[int, int]:
    """The epoch of a checkpoint, and how many optimizer steps of it are done.

    Raises
    ------
    InputError
        Where the file is damaged.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        epoch, steps, _ = content[POSITION]
    except Exception:  # torch raises whatever a malformed file leads it to
        raise InputError(
            f"{path}: is damaged, or no checkpoint of this version; delete it "
            "to begin the stage anew."
        ) from None
    return int(epoch), int(steps)
